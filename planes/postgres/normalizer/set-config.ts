import type { FuncCall, Node, SelectStmt } from 'libpg-query'
import { all, bodyOf, names } from './ast.ts'
import type { Outcome, OutputColumn } from './normalized.ts'
import { relationOf } from './relations.ts'
import { setting } from './settings.ts'
import type { Walk } from './walk.ts'

const TEXT = 25

/**
 * `SELECT set_config('jit', 'off', false)` does what SET does, and is named alike; beside it the same setting may be read
 * first. Undefined for any other SELECT: a call of set_config that stands in it is code that can't be seen into.
 * pg_dump sets what only some servers know by `set_config(name, '…', false) FROM pg_catalog.pg_settings WHERE name = '…'`.
 */
export function setConfigStatement(walk: Walk, node: Node): Outcome | undefined {
  const select = bodyOf('SelectStmt', node)
  if (select === undefined) return undefined
  const looked = lookedUp(walk, select)
  if (looked === undefined && !isBare(select)) return undefined
  const calls = all('ResTarget', select.targetList).map(({ val }) => bodyOf('FuncCall', val))
  const [set, ...others] = calls.filter((call) => isServerOwn(walk, call, 'set_config'))
  const rest = calls.filter((call) => call !== set)
  if (set === undefined || others.length > 0) return undefined
  const [nameNode, value, local, ...more] = set.args ?? []
  const name = looked === undefined ? textOf(nameNode) : isNameOf(nameNode) ? looked : undefined
  const isLocal = flagOf(local)
  if (name === undefined || isLocal === undefined || more.length > 0) return undefined
  if (!rest.every((call) => isServerOwn(walk, call, 'current_setting') && reads(call, name))) return undefined
  const parameter = bodyOf('ParamRef', value)?.number
  const text = textOf(value)
  if (text === undefined && parameter === undefined) return undefined
  return {
    ...setting('set', name, text === undefined ? { parameter: parameter ?? 0 } : { call: text }, isLocal),
    functions: rest.length === 0 ? ['pg_catalog.set_config'] : ['pg_catalog.current_setting', 'pg_catalog.set_config'],
    outputs: all('ResTarget', select.targetList).map(({ name: given, val }): OutputColumn => {
      const called = names(bodyOf('FuncCall', val)?.funcname).at(-1) ?? ''
      return { name: given ?? called, sources: [], copy: false, typeOid: TEXT }
    }),
  }
}

/** The setting whose row of pg_settings is looked up, and nothing else. */
function lookedUp(walk: Walk, { fromClause, whereClause, ...rest }: SelectStmt): string | undefined {
  const [from, ...others] = all('RangeVar', fromClause?.every((node) => 'RangeVar' in node) ? fromClause : [])
  if (from === undefined || from.alias !== undefined || from.relname !== 'pg_settings') return undefined
  const known = relationOf(walk, from).qualified === 'pg_catalog.pg_settings'
  const condition = bodyOf('A_Expr', whereClause)
  const equal = condition?.kind === 'AEXPR_OP' && names(condition.name).join('.') === '='
  if (!known || others.length > 0 || !isBare(rest) || !equal || !isNameOf(condition.lexpr)) return undefined
  return textOf(condition.rexpr)
}

function isNameOf(node: Node | undefined): boolean {
  const fields = bodyOf('ColumnRef', node)?.fields
  return fields?.length === 1 && bodyOf('String', fields[0])?.sval === 'name'
}

/** A list of calls and nothing else. */
function isBare({ targetList = [], ...rest }: SelectStmt): boolean {
  const more = Object.entries(rest).filter(
    ([key, value]) => !(key === 'op' && value === 'SETOP_NONE') && key !== 'limitOption',
  )
  return (
    more.length === 0 &&
    targetList.length > 0 &&
    targetList.every((target) => bodyOf('FuncCall', bodyOf('ResTarget', target)?.val))
  )
}

/** What a call with arguments alone has. */
const CALL: ReadonlySet<string> = new Set(['funcname', 'args', 'funcformat', 'location'])

/** The server's own function of that name, with arguments alone, and no other of that name in sight. */
function isServerOwn(walk: Walk, call: FuncCall | undefined, wanted: string): call is FuncCall {
  if (call === undefined) return false
  const [name, schema, ...others] = names(call.funcname).toReversed()
  const plain = Object.keys(call).every((key) => CALL.has(key))
  if (name !== wanted || others.length > 0 || !plain) return false
  const seen = schema === undefined ? walk.path : [schema]
  const found = seen.filter((each) => walk.catalog.function(each, name) !== undefined)
  return found.length === 1 && found[0] === 'pg_catalog'
}

function reads({ args = [] }: FuncCall, name: string): boolean {
  const [read, lenient, ...more] = args
  const whole = more.length === 0 && (lenient === undefined || flagOf(lenient) !== undefined)
  return whole && textOf(read)?.toLowerCase() === name.toLowerCase()
}

function textOf(node: Node | undefined): string | undefined {
  const constant = bodyOf('A_Const', node)
  return constant?.isnull === true ? undefined : constant?.sval && (constant.sval.sval ?? '')
}

function flagOf(node: Node | undefined): boolean | undefined {
  const flag = bodyOf('A_Const', node)?.boolval
  return flag && (flag.boolval ?? false)
}

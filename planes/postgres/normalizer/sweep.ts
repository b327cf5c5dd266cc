import type { Node, RangeVar } from 'libpg-query'
import { operator } from './operators.ts'
import { names } from './ast.ts'
import { functionOf } from './function-call.ts'
import { Refusal } from './refusal.ts'
import type { Walk } from './walk.ts'

type FuncCall = Extract<Node, { FuncCall: unknown }>['FuncCall']
type A_Expr = Extract<Node, { A_Expr: unknown }>['A_Expr']

/**
 * Names what stands anywhere in a tree that nobody looks into in order: relations by where their names stand, functions and
 * operators that it would run. No lineage, and no scope: a WITH query counts as the relation whose name it takes.
 */
export function sweep(walk: Walk, tree: unknown): readonly RangeVar[] {
  const ranges: RangeVar[] = []
  visit(tree, (key, body) => {
    if (isRange(body)) ranges.push(body)
    else if (isCall(key, body)) existing(() => named(walk, body))
    else if (isOperation(key, body)) existing(() => operator(walk, names(body.name), body.location))
  })
  return ranges
}

function named(walk: Walk, call: FuncCall): void {
  const { schema, name } = functionOf(walk, call)
  walk.findings.functions.add(`${schema}.${name}`)
}

/** What isn't there yet, the server will miss as well. */
function existing(look: () => void): void {
  try {
    look()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
  }
}

function visit(value: unknown, found: (key: string, body: object) => void): void {
  if (Array.isArray(value)) for (const item of value) visit(item, found)
  else if (typeof value === 'object' && value !== null) {
    for (const [key, body] of Object.entries(value)) {
      if (typeof body === 'object' && body !== null && !Array.isArray(body)) found(key, body)
      visit(body, found)
    }
  }
}

function isRange(body: object): body is RangeVar {
  return 'relname' in body && typeof body.relname === 'string'
}

function isCall(key: string, body: object): body is FuncCall {
  return (key === 'FuncCall' || key === 'funccall') && 'funcname' in body
}

function isOperation(key: string, body: object): body is A_Expr {
  return key === 'A_Expr' && 'kind' in body && !/BETWEEN/.test(String(body.kind))
}

/** `a.b` of a name in whatever form the tree holds it: text, a list of words, a function with its arguments, a role. */
export function nameIn(value: unknown): string | null {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) {
    const words = value.map((each: unknown) => nameIn(each))
    return words.length === 0 || words.includes(null) ? null : words.join('.')
  }
  if (typeof value !== 'object' || value === null) return null
  for (const key of NAMING) if (key in value) return nameIn(Reflect.get(value, key))
  return null
}

/** Fields and wrappers under which a name lies, in the order they are tried. */
const NAMING = [
  'String',
  'sval',
  'List',
  'items',
  'ObjectWithArgs',
  'objname',
  'TypeName',
  'names',
  'RoleSpec',
  'rolename',
  'AccessPriv',
  'priv_name',
  'RangeVar',
  'relname',
] as const

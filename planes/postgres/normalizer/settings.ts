import type { Node, VariableSetStmt, VariableShowStmt } from 'libpg-query'
import { all, bodyOf, kindOf } from './ast.ts'
import type { Outcome, SessionEffect } from './normalized.ts'
import { unreadable, unsupported } from './refusal.ts'
import { admitted, parsePath, pathText } from './search-path.ts'

/**
 * Settings that text is read and rights are checked by. They are pinned when the session begins; under any other value
 * what the normalizer says of a statement would not be what the server does. search_path is followed instead.
 */
const PINNED: ReadonlySet<string> = new Set([
  'role',
  'session_authorization',
  'standard_conforming_strings',
  'backslash_quote',
  'row_security',
  'session_replication_role',
  'dynamic_library_path',
  'local_preload_libraries',
  'session_preload_libraries',
  'check_function_bodies',
  'allow_system_table_mods',
  'allow_in_place_tablespaces',
  'default_table_access_method',
  'temp_tablespaces',
])

/** To the value that they have, these may be set. */
const STANDING: ReadonlyMap<string, RegExp> = new Map([
  ['client_encoding', /^utf-?8$/i],
  ['standard_conforming_strings', /^(?:on|true|yes|1)$/i],
  ['row_security', /^(?:on|true|yes|1)$/i],
])

/** How texts are cut into tokens: a server that does it otherwise runs other statements than were judged. */
const READ_BY: ReadonlySet<string> = new Set(['client_encoding', 'standard_conforming_strings', 'backslash_quote'])

const TEXT = 25

/** SET and RESET. What may be set is policy's to say; what may never be is refused here. */
export function setStatement(stmt: VariableSetStmt): Outcome {
  const local = stmt.is_local === true
  switch (stmt.kind ?? null) {
    case 'VAR_SET_VALUE':
      return setting('set', stmt.name ?? '', { list: all('A_Const', stmt.args).map(textOf) }, local)
    case 'VAR_SET_DEFAULT':
      return setting('set', stmt.name ?? '', 'default', local)
    case 'VAR_SET_MULTI':
      return transactionSettings(stmt, local)
    case 'VAR_RESET':
      return setting('reset', stmt.name ?? '', 'default', false)
    case 'VAR_RESET_ALL':
      return setting('reset', 'all', 'default', false)
    case 'VAR_SET_CURRENT':
    case null:
      break
  }
  throw unsupported('this form of SET is not covered')
}

/** `list`: the words of a SET. `call`: one text, as set_config takes it. `parameter`: known once it is bound. */
export type SettingValue =
  | 'default'
  | { readonly list: readonly string[] }
  | { readonly call: string }
  | { readonly parameter: number }

/** What setting `written` does. Throws a Refusal where that may never be done. */
export function setting(kind: 'set' | 'reset', written: string, to: SettingValue, local: boolean): Outcome {
  const name = written.toLowerCase()
  if (name === 'search_path') return searchPath(kind, to, local)
  const value = textFor(to)
  const stands = value !== null && STANDING.get(name)?.test(value) === true
  if (!stands && (PINNED.has(name) || STANDING.has(name))) {
    const message = `${name} is fixed for the session and can't be ${kind === 'set' ? 'set' : 'reset'}`
    throw READ_BY.has(name) ? unreadable(message) : unsupported(message, undefined, `setting ${name}`)
  }
  const known = typeof to === 'object' && 'parameter' in to ? { parameter: to.parameter } : {}
  // All of them: where names are looked for is one.
  const effect: SessionEffect =
    name === 'all' ? { kind: 'path', path: null, local: false } : { kind: 'set', name, local }
  return { kind, class: 'control', setting: { name, value: value ?? '', ...known }, effect }
}

function textFor(to: SettingValue): string | null {
  if (to === 'default') return 'DEFAULT'
  if ('list' in to) return to.list.join(', ')
  return 'call' in to ? to.call : null
}

/** The session follows it: names mean from then on what they mean to the server. */
function searchPath(kind: 'set' | 'reset', to: SettingValue, local: boolean): Outcome {
  const name = 'search_path'
  if (to === 'default') {
    return { kind, class: 'control', setting: { name, value: 'DEFAULT' }, effect: { kind: 'path', path: null, local } }
  }
  const path = 'list' in to ? admitted(to.list) : 'call' in to ? parsePath(to.call) : null
  if (path === null) {
    const message = 'this search_path can’t be followed: give schemas by name, none of them temporary'
    throw unsupported(message, undefined, `setting ${name}`)
  }
  return { kind, class: 'control', setting: { name, value: pathText(path) }, effect: { kind: 'path', path, local } }
}

/** SET TRANSACTION, and SET SESSION CHARACTERISTICS AS TRANSACTION, which sets the defaults of those to come. */
function transactionSettings(stmt: VariableSetStmt, local: boolean): Outcome {
  const session = stmt.name === 'SESSION CHARACTERISTICS'
  if (!session && stmt.name !== 'TRANSACTION') throw unsupported('SET TRANSACTION SNAPSHOT is not covered')
  const modes = all('DefElem', stmt.args).map(({ defname = '', arg }) => ({
    name: session ? `default_${defname}` : defname,
    value: textOf(bodyOf('A_Const', arg) ?? {}),
  }))
  const [first, ...others] = modes
  if (first !== undefined && others.length === 0) return setting('set', first.name, { list: [first.value] }, local)
  const value = modes.map((mode) => `${mode.name} = ${mode.value}`).join(', ')
  return setting('set', session ? 'session characteristics' : 'transaction', { list: [value] }, local)
}

type Constant = ReturnType<typeof all<'A_Const'>>[number]

function textOf({ ival, fval, boolval, sval }: Constant): string {
  if (ival !== undefined) return String(ival.ival ?? 0)
  if (fval !== undefined) return fval.fval ?? ''
  if (boolval !== undefined) return String(boolval.boolval ?? false)
  return sval?.sval ?? ''
}

export function showStatement({ name = '' }: VariableShowStmt): Outcome {
  const setting = { name: name.toLowerCase(), value: '' }
  const columns = setting.name === 'all' ? ['name', 'setting', 'description'] : [name]
  return {
    kind: 'show',
    class: 'discover',
    effectFree: true,
    setting,
    outputs: columns.map((column) => ({ name: column, sources: [], copy: false, typeOid: TEXT })),
  }
}

/** For messages: what stood where a constant belongs. */
export function constantText(node: Node | undefined): string {
  const constant = bodyOf('A_Const', node)
  if (constant !== undefined) return textOf(constant)
  const text = bodyOf('String', node)?.sval
  if (text !== undefined) return text
  if (node === undefined) return ''
  const integer = bodyOf('Integer', node)
  if (integer !== undefined) return String(integer.ival ?? 0)
  throw unsupported(`${kindOf(node)} as an option's value is not covered`)
}

import type { Node, VariableSetStmt, VariableShowStmt } from 'libpg-query'
import { all, bodyOf, kindOf } from './ast.ts'
import type { Outcome } from './normalized.ts'
import { unreadable, unsupported } from './refusal.ts'

/**
 * Settings that names are resolved, text is read and rights are checked by. They are pinned when the session begins;
 * under any other value what the normalizer says of a statement would not be what the server does.
 */
const PINNED: ReadonlySet<string> = new Set([
  'role',
  'session_authorization',
  'search_path',
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
])

/** How texts are cut into tokens: a server that does it otherwise runs other statements than were judged. */
const READ_BY: ReadonlySet<string> = new Set([...STANDING.keys(), 'backslash_quote'])

const TEXT = 25

/** SET and RESET. What may be set is policy's to say; what may never be is refused here. */
export function setStatement(stmt: VariableSetStmt): Outcome {
  const local = stmt.is_local === true
  switch (stmt.kind ?? null) {
    case 'VAR_SET_VALUE':
      return setting('set', stmt.name ?? '', all('A_Const', stmt.args).map(textOf).join(', '), local)
    case 'VAR_SET_DEFAULT':
      return setting('set', stmt.name ?? '', 'DEFAULT', local)
    case 'VAR_SET_MULTI':
      return transactionSettings(stmt, local)
    case 'VAR_RESET':
      return setting('reset', stmt.name ?? '', 'DEFAULT', false)
    case 'VAR_RESET_ALL':
      return setting('reset', 'all', 'DEFAULT', false)
    case 'VAR_SET_CURRENT':
    case null:
      break
  }
  throw unsupported('this form of SET is not covered')
}

function setting(kind: 'set' | 'reset', written: string, value: string, local: boolean): Outcome {
  const name = written.toLowerCase()
  if (!STANDING.get(name)?.test(value) && (PINNED.has(name) || STANDING.has(name))) {
    const message = `${name} is fixed for the session and can't be ${kind === 'set' ? 'set' : 'reset'}`
    throw READ_BY.has(name) ? unreadable(message) : unsupported(message, undefined, `setting ${name}`)
  }
  return { kind, class: 'control', setting: { name, value }, effect: { kind: 'set', name, local } }
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
  if (first !== undefined && others.length === 0) return setting('set', first.name, first.value, local)
  const value = modes.map((mode) => `${mode.name} = ${mode.value}`).join(', ')
  return setting('set', session ? 'session characteristics' : 'transaction', value, local)
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

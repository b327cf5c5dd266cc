import { ProtocolError } from '../../../engine/index.ts'

/** What a client's startup message asks for, after the allow-list. */
export interface Startup {
  readonly user: string
  readonly database: string
  /** By which means the client asks to say who it is, as `options=-c countersign.auth=…`; null: it doesn't say. */
  readonly authentication: 'password' | 'oauth' | null
  /** Settings that go up with the gateway's own startup message. */
  readonly settings: ReadonlyMap<string, string>
}

/**
 * Settings a client may bring, by lower-case name: those that change how values look or how long things take, never
 * whose rights apply, what a name means or how a string is read.
 */
const ALLOWED: ReadonlySet<string> = new Set([
  'application_name',
  'bytea_output',
  'client_min_messages',
  'datestyle',
  'extra_float_digits',
  'idle_in_transaction_session_timeout',
  'intervalstyle',
  'lock_timeout',
  'statement_timeout',
  'timezone',
])

/** What the normalizer relies on; every session at the server begins so. */
const PINNED: readonly (readonly [string, string])[] = [
  ['client_encoding', 'UTF8'],
  ['search_path', '"$user", public'],
  ['standard_conforming_strings', 'on'],
]

/** Applies the allow-list. Throws ProtocolError naming what isn't allowed. */
export function readStartup(parameters: ReadonlyMap<string, string>): Startup {
  const user = parameters.get('user')
  if (user === undefined || user === '') throw refused('no user name was given')
  const settings = new Map<string, string>()
  let authentication: Startup['authentication'] = null
  const take = (name: string, value: string): void => {
    if (name.toLowerCase() === 'countersign.auth') authentication = readAuthentication(value)
    else allow(settings, name, value)
  }
  for (const [name, value] of parameters) {
    if (name === 'user' || name === 'database' || name.startsWith('_pq_.')) continue
    if (name === 'options') for (const [key, set] of readOptions(value)) take(key, set)
    else take(name, value)
  }
  for (const [name, value] of PINNED) settings.set(name, value)
  return { user, database: parameters.get('database') || user, authentication, settings }
}

/** Our own, and kept here: the server never hears of it. */
function readAuthentication(value: string): 'password' | 'oauth' {
  if (value === 'password' || value === 'oauth') return value
  throw refused('countersign.auth is password or oauth')
}

function allow(settings: Map<string, string>, name: string, value: string): void {
  const lower = name.toLowerCase()
  if (lower === 'client_encoding') {
    if (!/^["']?utf-?8["']?$/i.test(value)) throw refused('client_encoding must be UTF8')
  } else if (lower === 'replication') {
    if (!/^(false|off|no|0)$/i.test(value)) throw refused('replication connections are not supported')
  } else if (ALLOWED.has(lower)) settings.set(lower, value)
  else throw refused(`the setting ${printable(name)} may not be given at connection`)
}

/** `-c name=value` and `--name=value`, as PostgreSQL splits them: on white space, a backslash quotes the next character. */
function* readOptions(options: string): Generator<readonly [string, string]> {
  const words = [...options.matchAll(/(?:\\[^]|[^\\\s])+/g)].map(([word]) => word.replaceAll(/\\([^])/g, '$1'))
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    const setting = word === '-c' ? words[(index += 1)] : /^(?:-c|--)(.+)$/s.exec(word)?.[1]
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(setting ?? '') ?? []
    if (name === undefined || value === undefined) throw refused('options may only hold settings, as -c name=value')
    yield [name.replaceAll('-', '_'), value]
  }
}

function printable(name: string): string {
  return /^[\w.]{1,63}$/.test(name) ? name : 'with that name'
}

function refused(text: string): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_STARTUP', text)
}

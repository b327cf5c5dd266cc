import { Ajv } from 'ajv'
import type { ErrorObject, ValidateFunction } from 'ajv'
import type { ConfigDocument, ConfigPath } from './document.ts'
import { CONFIG_SCHEMA } from './schema.ts'
import type { ConfigSchema } from './schema.ts'
import { ConfigError } from '../errors.ts'
import { nearest } from '../nearest.ts'

export type OutsideText = { readonly file: string } | { readonly env: string }

/** The file's own words, once its shape is known to be right and its defaults are in. */
export interface ConfigText {
  readonly instance: string
  readonly evidence: { readonly directory: string }
  readonly state: { readonly file: string }
  readonly policy: {
    readonly bundle: string
    readonly verify: 'none' | { readonly key: OutsideText; readonly algorithm: string; readonly key_id: string }
  }
  readonly identity: { readonly issuers: readonly IssuerText[] }
  readonly api: {
    readonly host: string
    readonly port: number
    readonly tls?: { readonly cert: OutsideText; readonly key: OutsideText }
    readonly auditors: { readonly groups: readonly string[]; readonly roles: readonly string[] }
  }
  readonly planes: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' }
}

export interface IssuerText {
  readonly issuer: string
  readonly audience: string
  readonly algorithms: readonly string[]
  readonly max_lifetime: string
  readonly keys_max_age: string
  readonly claims: Readonly<Record<'groups' | 'roles' | 'kind' | 'owner', string>>
}

let compiled: ValidateFunction<ConfigText> | undefined

/** Puts the defaults in. Throws one ConfigError that tells everything that is wrong, in the order of the file. */
export function validateConfig(document: ConfigDocument): ConfigText {
  compiled ??= new Ajv({ allErrors: true, useDefaults: true, verbose: true, strictTypes: false }).compile(CONFIG_SCHEMA)
  const value = document.value
  if (compiled(value)) return value
  throw new ConfigError('ERR_CONFIG_SHAPE', complaints(compiled.errors ?? [], document).join('\n'))
}

/** `identity.issuers[0].issuer`. */
export function formatPath(path: ConfigPath): string {
  const written = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('')
  return written.replace(/^\./, '') || '(the whole file)'
}

/** The reverse of `formatPath`. */
export function parsePath(text: string): ConfigPath {
  const keys = text.match(/[^.[\]]+/g) ?? []
  return keys.map((key) => (text.includes(`[${key}]`) ? Number(key) : key))
}

interface Complaint {
  readonly path: ConfigPath
  readonly where: string
  readonly text: string
}

function complaints(errors: readonly ErrorObject[], document: ConfigDocument): readonly string[] {
  const all = errors.filter(({ keyword }) => keyword !== 'if').map((error) => complaintOf(error, document))
  const perPath = new Map(all.toReversed().map((complaint) => [formatPath(complaint.path), complaint]))
  return [...perPath.values()]
    .toSorted((one, other) => position(one.where) - position(other.where))
    .map(({ path, where, text }) => `${where}: ${formatPath(path)}: ${text}`)
}

function complaintOf(error: ErrorObject, document: ConfigDocument): Complaint {
  const around = pointerPath(error.instancePath, document.value)
  const schema: ConfigSchema = error.parentSchema ?? {}
  if (error.keyword === 'additionalProperties') {
    const key = String(error.params['additionalProperty'])
    const path = [...around, key]
    return {
      path,
      where: document.locateKey(path),
      text: unknownKey(key, around, Object.keys(schema.properties ?? {})),
    }
  }
  if (error.keyword === 'required') {
    const key = String(error.params['missingProperty'])
    const expected = schema.properties?.[key]?.description ?? 'a value'
    return { path: [...around, key], where: document.locate(around), text: `expected ${expected}; found nothing` }
  }
  const found = schema.writeOnly === true ? 'something else' : describe(error.data)
  const text = `expected ${schema.description ?? error.message ?? 'something else'}; found ${found}`
  return { path: around, where: document.locate(around), text }
}

function unknownKey(key: string, around: ConfigPath, known: readonly string[]): string {
  const meant = nearest(key, known)
  const candidate = meant === undefined ? '' : `; did you mean ${formatPath([...around, meant])}?`
  return `unknown key${candidate || `; known here: ${known.join(', ')}`}`
}

/** What was found, briefly: enough to recognize it. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty mapping' : 'a mapping'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

/** A JSON Pointer's numbers are indexes only where the value has a list. */
function pointerPath(pointer: string, value: unknown): ConfigPath {
  const path: (string | number)[] = []
  let at = value
  for (const token of pointer.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    path.push(Array.isArray(at) ? Number(key) : key)
    at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined
  }
  return path
}

function position(where: string): number {
  const [line, column] = where.split(':').slice(-2).map(Number)
  return (line ?? 0) * 10_000 + (column ?? 0)
}

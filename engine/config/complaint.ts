import type { ErrorObject } from 'ajv'
import { nearest } from '../nearest.ts'
import type { ConfigPath } from './document.ts'
import type { ConfigSchema } from './schema.ts'

/** One thing that is wrong with a configuration, in words for who wrote it. */
export interface Complaint {
  readonly path: ConfigPath
  /** The key itself is wrong, not what stands under it. */
  readonly ofKey: boolean
  /** `expected …; found …` */
  readonly text: string
}

/** What a failed validation says, one complaint a path. Needs ajv's `allErrors` and `verbose`. */
export function complaintsOf(errors: readonly ErrorObject[], value: unknown): readonly Complaint[] {
  const all = errors.filter(({ keyword }) => keyword !== 'if').map((error) => complaintOf(error, value))
  const perPath = new Map(all.toReversed().map((complaint) => [formatPath(complaint.path), complaint]))
  return [...perPath.values()].toReversed()
}

/** `identity.issuers[0].issuer`. */
export function formatPath(path: ConfigPath): string {
  const written = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('')
  return written.replace(/^\./, '') || '(the whole file)'
}

/** The reverse of `formatPath`. */
export function parsePath(text: string): ConfigPath {
  return [...text.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([key, index]) => (index === undefined ? key : Number(index)))
}

function complaintOf(error: ErrorObject, value: unknown): Complaint {
  const around = pointerPath(error.instancePath, value)
  const schema: ConfigSchema = error.parentSchema ?? {}
  if (error.keyword === 'additionalProperties') {
    const key = String(error.params['additionalProperty'])
    return { path: [...around, key], ofKey: true, text: unknownKey(key, around, Object.keys(schema.properties ?? {})) }
  }
  if (error.keyword === 'required') {
    const key = String(error.params['missingProperty'])
    const expected = schema.properties?.[key]?.description ?? 'a value'
    return { path: [...around, key], ofKey: false, text: `expected ${expected}; found nothing` }
  }
  const found = schema.writeOnly === true ? 'something else' : describe(error.data)
  return { path: around, ofKey: false, text: `expected ${schema.description ?? 'something else'}; found ${found}` }
}

function unknownKey(key: string, around: ConfigPath, known: readonly string[]): string {
  const meant = nearest(key, known)
  if (meant === undefined) return `unknown key; known here: ${known.join(', ')}`
  return `unknown key; did you mean ${formatPath([...around, meant])}?`
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

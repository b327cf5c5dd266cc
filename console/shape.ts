/** JSON Schema (2020-12, as OpenAPI 3.1 has it) of what the API takes and answers, said in few words. */
export type Shape = Readonly<Record<string, unknown>>

export const text: Shape = { type: 'string' }
export const optionalText: Shape = { type: ['string', 'null'] }
export const texts: Shape = { type: 'array', items: text }
export const count: Shape = { type: 'integer', minimum: 0 }
export const optionalCount: Shape = { type: ['integer', 'null'] }
export const flag: Shape = { type: 'boolean' }
export const time: Shape = { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z$' }
export const optionalTime: Shape = { anyOf: [time, { type: 'null' }] }
export const anything: Shape = { type: 'object' }
export const verdict: Shape = { enum: ['forward', 'mask', 'hold', 'reject'] }
/** SHA-256, hex. */
export const digest: Shape = { type: 'string', pattern: '^[0-9a-f]{64}$' }

/** All of `properties` required; more is let through, so that a newer gateway can be asked by an older client. */
export function object(properties: Readonly<Record<string, Shape>>): Shape {
  return { type: 'object', required: Object.keys(properties), properties }
}

export function list(items: Shape): Shape {
  return { type: 'array', items }
}

export function orNull(shape: Shape): Shape {
  return { anyOf: [shape, { type: 'null' }] }
}

/** What may be asked for behind the `?`: nothing else may stand there. */
export function query(properties: Readonly<Record<string, Shape>>): Shape {
  return { type: 'object', additionalProperties: false, properties }
}

/** A body in which nothing else may stand. */
export function body(properties: Readonly<Record<string, Shape>>, required: readonly string[] = []): Shape {
  return { type: 'object', additionalProperties: false, required, properties }
}

export const limit: Shape = { type: 'string', pattern: '^([1-9]\\d?|1\\d\\d|200)$', description: '1 to 200' }
export const cursor: Shape = {
  type: 'string',
  pattern: '^[\\d.]{1,40}$',
  description: '`next` of the answer before',
}
export const name: Shape = { type: 'string', minLength: 1, maxLength: 200 }

/** The id of something in the path. */
export function params(id: string, pattern = '^[A-Za-z0-9_-]{1,64}$'): Shape {
  return { type: 'object', required: [id], properties: { [id]: { type: 'string', pattern } } }
}

export function rfc3339(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

export function rfc3339OrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : rfc3339(milliseconds)
}

/** `limit` as it came, or as many as a page shows. */
export function limitOf(given: string | undefined): number {
  return given === undefined ? 50 : Number(given)
}

/** What a list was asked to be narrowed by: times as milliseconds, and how many at most. */
export function filterOf<T extends Spanned>({ limit: most, from, to, ...same }: T): Omit<T, keyof Spanned> & Span {
  return {
    ...same,
    limit: limitOf(most),
    ...(from === undefined ? {} : { from: Date.parse(from) }),
    ...(to === undefined ? {} : { to: Date.parse(to) }),
  }
}

interface Spanned {
  readonly limit?: string
  readonly from?: string
  readonly to?: string
}

interface Span {
  readonly limit: number
  readonly from?: number
  readonly to?: number
}

/** An object without what is undefined: with exactOptionalPropertyTypes, absent is absent. */
export function given<T extends object>(value: T): { [Name in keyof T]: Exclude<T[Name], undefined> } {
  const kept = Object.entries(value).filter(([, each]) => each !== undefined)
  const copy: { [Name in keyof T]: Exclude<T[Name], undefined> } = JSON.parse(JSON.stringify(Object.fromEntries(kept)))
  return copy
}

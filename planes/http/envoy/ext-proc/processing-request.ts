import type { HeaderLine } from '../../message.ts'

/** One message of Envoy's about an exchange. */
export type ProcessingRequest =
  | {
      readonly kind: 'request_headers'
      readonly headers: readonly HeaderLine[]
      readonly last: boolean
      readonly about: Attributes
    }
  | { readonly kind: 'request_body'; readonly bytes: Buffer; readonly last: boolean }
  | {
      readonly kind: 'response_headers'
      readonly headers: readonly HeaderLine[]
      readonly last: boolean
      readonly about: Attributes
    }
  | { readonly kind: 'response_body'; readonly bytes: Buffer; readonly last: boolean }
  | { readonly kind: 'request_trailers' }
  | { readonly kind: 'response_trailers' }

/** What Envoy itself knows of the request: no header of the client's has a say in it. */
export interface Attributes {
  /** The address that the client's connection comes from. */
  readonly source: string | null
  /** `HTTP/1.1` and so on. */
  readonly protocol: string | null
  /** Of an answer: `via_upstream`, or why Envoy made it itself. */
  readonly answeredBy: string | null
}

const NOTHING_KNOWN: Attributes = { source: null, protocol: null, answeredBy: null }
const FILTER = 'envoy.filters.http.ext_proc'

/** Throws TypeError where it isn't one. */
export function readProcessingRequest(message: unknown): ProcessingRequest {
  const fields = record(message, 'the message')
  const kind = fields['request']
  switch (kind) {
    case 'request_headers':
    case 'response_headers':
      return { kind, ...headersOf(fields[kind]), about: attributesOf(fields['attributes']) }
    case 'request_body':
    case 'response_body': {
      const body = record(fields[kind], kind)
      return { kind, bytes: bytesOf(body['body'], `${kind}.body`), last: body['end_of_stream'] === true }
    }
    case 'request_trailers':
    case 'response_trailers':
      return { kind }
    default:
      throw new TypeError('the message is about nothing')
  }
}

function headersOf(value: unknown): { readonly headers: readonly HeaderLine[]; readonly last: boolean } {
  const message = record(value, 'headers')
  const list = record(message['headers'], 'headers.headers')['headers']
  if (!Array.isArray(list)) throw new TypeError('headers.headers.headers: expected a list')
  return { headers: list.map(lineOf), last: message['end_of_stream'] === true }
}

/** A value is bytes; those beyond ASCII stand for themselves, as they do in Node's own parser. */
function lineOf(value: unknown): HeaderLine {
  const { key, value: text, raw_value: raw } = record(value, 'a header')
  if (typeof key !== 'string') throw new TypeError('a header: expected a key')
  const bytes = raw === undefined || raw === null ? Buffer.alloc(0) : bytesOf(raw, key)
  if (bytes.length > 0) return [key, bytes.toString('latin1')]
  return [key, typeof text === 'string' ? text : '']
}

function attributesOf(value: unknown): Attributes {
  const ours: unknown = value === null || value === undefined ? null : Object(value)[FILTER]
  if (typeof ours !== 'object' || ours === null) return NOTHING_KNOWN
  const fields: unknown = Object(ours)['fields']
  const text = (name: string): string | null => {
    const found: unknown = Object(Object(fields)[name])['stringValue']
    return typeof found === 'string' && found !== '' ? found : null
  }
  return {
    source: withoutPort(text('source.address')),
    protocol: text('request.protocol'),
    answeredBy: text('response.code_details'),
  }
}

function withoutPort(address: string | null): string | null {
  return address?.replace(/:\d+$/, '').replace(/^\[|\]$/g, '') ?? null
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${what}: expected a message`)
  return Object(value)
}

function bytesOf(value: unknown, what: string): Buffer {
  if (value === null || value === undefined) return Buffer.alloc(0)
  if (!Buffer.isBuffer(value)) throw new TypeError(`${what}: expected bytes`)
  return value
}

import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import type { JsonValue } from '../../../engine/index.ts'
import { type HeaderLine, mediaType, type RequestBody, soleValue } from '../message.ts'
import { readJson } from './json-view.ts'
import { type MultipartPart, readMultipart } from './multipart.ts'
import { refused } from './refusal.ts'
import { readQuery } from './target.ts'

/** How a body can be read: by its content type alone, never by a guess at its bytes. */
export type BodyForm =
  | 'none'
  | 'json'
  | 'ndjson'
  | 'form'
  | 'multipart'
  | 'graphql'
  | 'text'
  | 'grpc'
  | 'opaque'
  | 'large'
  | 'streamed'

export interface ReadBody {
  readonly form: BodyForm
  /** Media type, without parameters. */
  readonly type: string
  /** Null: not known before it has gone up. */
  readonly bytes: number | null
  readonly sha256: string | null
  readonly json?: JsonValue
  readonly text?: string
  readonly fields?: ReadonlyMap<string, readonly string[]>
  readonly parts?: readonly MultipartPart[]
  /** GraphQL's operations in a multipart body. */
  readonly operations?: readonly JsonValue[]
}

/** Bytes of a body that policy is given; of a larger one it gets size and digest. */
const SEEN_BYTES = 64 * 1024
const MOST_LINES = 1000
const LINES: ReadonlySet<string> = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
  'application/jsonlines',
])
export const FORM_TYPE = 'application/x-www-form-urlencoded'
export const EVENTS_TYPE = 'text/event-stream'

/** What kind of text a media type is, of requests and answers alike. */
export function formOf(type: string): BodyForm {
  if (type === 'application/json' || type === 'text/json' || type.endsWith('+json')) return 'json'
  if (LINES.has(type)) return 'ndjson'
  if (type === FORM_TYPE) return 'form'
  if (type.startsWith('multipart/')) return 'multipart'
  if (type === 'application/graphql') return 'graphql'
  if (type.startsWith('application/grpc')) return 'grpc'
  if (type.startsWith('text/') || /^application\/(?:.+\+)?xml$/.test(type) || type === 'application/javascript')
    return 'text'
  return 'opaque'
}

/** Whether a body of this type may go up without having been read: nothing that policy could look into. */
export function mayStream(headers: readonly HeaderLine[]): boolean {
  return formOf(mediaType(headers)) === 'opaque'
}

/** Throws NormalizeError where the body is not what its type says, or could be read in two ways. */
export function readBody(headers: readonly HeaderLine[], body: RequestBody): ReadBody {
  const type = mediaType(headers)
  if (body.kind === 'none') return { form: 'none', type, bytes: 0, sha256: null }
  const encoding = soleValue(headers, 'content-encoding')
  if (encoding !== null && encoding.trim().toLowerCase() !== 'identity')
    throw refused('ERR_NORMALIZE_BODY', 'the body is compressed or otherwise encoded: send it as it is')
  if (body.kind === 'streamed') return { form: 'streamed', type, bytes: body.declared, sha256: null }
  const { bytes } = body
  const about = { type, bytes: bytes.length, sha256: hash('sha256', bytes) }
  const form = formOf(type)
  if (form === 'multipart') {
    const { parts, operations } = readMultipart(soleValue(headers, 'content-type') ?? '', bytes)
    return { ...about, form, parts, operations: operations.map((each) => readJson(utf8(each))) }
  }
  if (form === 'opaque' || form === 'grpc') return { ...about, form }
  if (bytes.length > SEEN_BYTES) return { ...about, form: 'large' }
  return { ...about, form, ...readText(form, textIn(headers, bytes)) }
}

function textIn(headers: readonly HeaderLine[], bytes: Buffer): string {
  const charset = /;\s*charset=("?)([^\s;"]+)\1/i.exec(soleValue(headers, 'content-type') ?? '')?.[2] ?? 'utf-8'
  if (!/^(?:utf-?8|us-ascii)$/i.test(charset)) throw refused('ERR_NORMALIZE_BODY', 'the body is not UTF-8')
  return utf8(bytes)
}

function utf8(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw refused('ERR_NORMALIZE_BODY', 'the body is not UTF-8')
  return bytes.toString('utf8')
}

function readText(form: BodyForm, text: string): Partial<ReadBody> {
  switch (form) {
    case 'json':
      return { json: readJson(text) }
    case 'ndjson':
      return { json: readLines(text) }
    case 'form':
      return { fields: readQuery(formOnly(text)) }
    default:
      return { text }
  }
}

function readLines(text: string): readonly JsonValue[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  if (lines.length > MOST_LINES)
    throw refused('ERR_NORMALIZE_TOO_COMPLEX', `the body has more than ${MOST_LINES} lines`)
  return lines.map(readJson)
}

function formOnly(text: string): string {
  if (/%(?![0-9A-Fa-f]{2})/.test(text))
    throw refused('ERR_NORMALIZE_BODY', 'the form holds a percent sign that begins no escape')
  return text
}

import { STATUS_CODES } from 'node:http'
import type { JsonObject, JsonValue } from '../../../engine/index.ts'

/** One exchange out of a session's evidence: the masked view, and nothing that it doesn't hold. */
export interface RecordedExchange {
  readonly decision: string
  readonly verdict: string
  /** RFC 3339, UTC. */
  readonly at: string
  /** From intent to outcome; null where there is none. */
  readonly tookMs: number | null
  /** What became of it, in words. */
  readonly told: string
  readonly masks: readonly { readonly field: string; readonly method: string; readonly count: number | null }[]
  /** What policy saw of the request; empty where it couldn't be named, or was erased. */
  readonly block: JsonObject
  /** Rows of its recording: status, headers, body, the first two once. */
  readonly rows: readonly (readonly RecordedCell[])[]
  readonly bytes: number | null
  readonly kept: string | null
}

export type RecordedCell =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'null' }
  | { readonly kind: 'binary'; readonly base64: string }

interface Pair {
  readonly name: string
  readonly value: string
}

/** A session as an HTTP Archive 1.2. What evidence adds stands under names that begin with an underscore, as HAR has it. */
export function harOf(session: string, version: string, exchanges: readonly RecordedExchange[]): JsonObject {
  const comment = `Session ${session} as the gateway recorded it: labelled fields are masked, credentials left out.`
  return {
    log: { version: '1.2', creator: { name: 'countersign', version }, entries: exchanges.map(entryOf), comment },
  }
}

function entryOf(exchange: RecordedExchange): JsonObject {
  const { at, tookMs, told, decision, verdict, masks, block } = exchange
  const time = tookMs ?? 0
  const protocol = textOf(objectOf(objectOf(objectOf(block['attributes'])['request'])['http'])['protocol'])
  return {
    startedDateTime: at,
    time,
    request: requestOf(block, protocol),
    response: responseOf(exchange, protocol),
    cache: {},
    timings: { send: 0, wait: time, receive: 0 },
    comment: told,
    _decision: decision,
    _verdict: verdict,
    _masks: masks.map(({ field, method, count }) => ({ field, method, count })),
  }
}

function requestOf(block: JsonObject, httpVersion: string): JsonObject {
  const { method, scheme, host, target, headers, parsed_query: query, body } = block
  const { form, type, bytes, text } = objectOf(body)
  const sent = form === undefined || form === 'none' ? {} : { postData: postData(block, textOf(type), textOf(text)) }
  return {
    // What couldn't be named has no request to show; HAR wants one that is.
    method: textOf(method) || 'unknown',
    url: method === undefined ? 'about:blank' : `${textOf(scheme)}://${textOf(host)}${textOf(target)}`,
    httpVersion,
    cookies: [],
    headers: pairsOf(headers),
    queryString: pairsOf(query),
    ...sent,
    headersSize: -1,
    bodySize: typeof bytes === 'number' ? bytes : form === 'none' ? 0 : -1,
  }
}

function postData(block: JsonObject, mimeType: string, text: string): JsonObject {
  const parsed = block['parsed_body']
  if (text !== '') return { mimeType, text }
  if (parsed === null || parsed === undefined)
    return { mimeType, text: '', comment: 'of this body size and digest are recorded' }
  return { mimeType, text: JSON.stringify(parsed), comment: 'as policy read it' }
}

function responseOf({ rows, bytes, kept, told }: RecordedExchange, httpVersion: string): JsonObject {
  const [status, headers] = rows.find(([first]) => first?.kind === 'text') ?? []
  const lines = headers?.kind === 'text' ? headers.text.split('\n').map(pairOf) : []
  const valueOf = (name: string): string => lines.find((line) => line.name.toLowerCase() === name)?.value ?? ''
  const code = status?.kind === 'text' ? Number(status.text) : 0
  return {
    // As browsers write of what was never answered: refused, or broken off.
    status: code,
    statusText: STATUS_CODES[code] ?? '',
    httpVersion,
    cookies: [],
    headers: lines.map((line) => ({ ...line })),
    content: contentOf(rows, valueOf('content-type'), bytes, kept),
    redirectURL: valueOf('location'),
    headersSize: -1,
    bodySize: bytes ?? -1,
    ...(code === 0 ? { comment: told } : {}),
  }
}

function contentOf(
  rows: RecordedExchange['rows'],
  mimeType: string,
  bytes: number | null,
  kept: string | null,
): JsonObject {
  const pieces = rows.flatMap(([, , body]): readonly Buffer[] => {
    if (body?.kind === 'text') return [Buffer.from(body.text)]
    return body?.kind === 'binary' ? [Buffer.from(body.base64, 'base64')] : []
  })
  const isText = rows.every(([, , body]) => body?.kind !== 'binary')
  const whole = Buffer.concat(pieces)
  const shown = isText ? { text: whole.toString('utf8') } : { text: whole.toString('base64'), encoding: 'base64' }
  const more =
    kept === 'whole' || kept === null ? {} : { comment: `${whole.length} of ${bytes ?? '?'} bytes were kept` }
  return { size: bytes ?? whole.length, mimeType, ...(whole.length === 0 ? {} : shown), ...more }
}

function pairOf(line: string): Pair {
  const colon = line.indexOf(': ')
  return colon === -1 ? { name: line, value: '' } : { name: line.slice(0, colon), value: line.slice(colon + 2) }
}

/** Every value that a name has. */
function pairsOf(lists: JsonValue | undefined): JsonValue[] {
  return Object.entries(objectOf(lists)).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values]).map((value) => ({ name, value: textOf(value) })),
  )
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isObject(value) ? value : {}
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : ''
}

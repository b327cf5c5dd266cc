import { ProtocolError } from '../../../engine/index.ts'

/** One HTTP request, whole: what was sent, not what a parser made of it. */
export interface HttpMessage {
  readonly method: string
  /** As on the request line. */
  readonly target: string
  /** Names in lower case, each once; values as sent. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** The peer's address. */
  readonly source: string | null
}

/**
 * Header lines as they came, by lower-case name. Two of one name are refused: which of them counts is what intermediaries,
 * signers and servers disagree about.
 */
export function readHeaders(raw: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase()
    if (headers.has(name)) throw new ProtocolError('ERR_PROTOCOL_MESSAGE', 'a header stands in the request twice')
    headers.set(name, raw[at + 1] ?? '')
  }
  return headers
}

/** `application/x-amz-json-1.0`, without parameters, in lower case. */
export function mediaType(headers: ReadonlyMap<string, string>): string {
  return (headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

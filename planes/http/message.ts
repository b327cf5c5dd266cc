/** One header line as it was received: the name as sent, the value without the white space around it. Order is kept. */
export type HeaderLine = readonly [name: string, value: string]

/** What begins a request, as the client sent it; in HTTP/2 the pseudo headers are the fields, and no headers. */
export interface RequestHead {
  readonly version: '1.0' | '1.1' | '2'
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** `:authority`, or the Host header. */
  readonly authority: string
  /** As on the request line, never decoded. */
  readonly target: string
  readonly headers: readonly HeaderLine[]
}

/** `streamed`: larger than what is judged; it goes up as it comes. `declared`: its Content-Length, null where it has none. */
export type RequestBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'streamed'; readonly declared: number | null }

export interface RequestMessage {
  readonly head: RequestHead
  readonly body: RequestBody
}

export interface ResponseHead {
  readonly status: number
  readonly headers: readonly HeaderLine[]
}

/** A whole response. */
export interface Answer extends ResponseHead {
  readonly body: Buffer
  readonly trailers: readonly HeaderLine[]
}

export const NO_BYTES: Buffer = Buffer.alloc(0)

/** Every value that a header has, in order. `name` in lower case. */
export function valuesOf(headers: readonly HeaderLine[], name: string): readonly string[] {
  const found: string[] = []
  for (const [each, value] of headers) if (each.length === name.length && each.toLowerCase() === name) found.push(value)
  return found
}

/** The only value of a header; null where it has none or several. */
export function soleValue(headers: readonly HeaderLine[], name: string): string | null {
  const [value, ...others] = valuesOf(headers, name)
  return value === undefined || others.length > 0 ? null : value
}

/** `application/json`, without parameters, in lower case; empty where there is none, or several. */
export function mediaType(headers: readonly HeaderLine[]): string {
  return (soleValue(headers, 'content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

export function without(headers: readonly HeaderLine[], names: ReadonlySet<string>): readonly HeaderLine[] {
  return headers.filter(([name]) => !names.has(name.toLowerCase()))
}

/** Pairs out of Node's `rawHeaders`. */
export function headerLines(raw: readonly string[]): readonly HeaderLine[] {
  const lines: HeaderLine[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) lines.push([raw[at] ?? '', raw[at + 1] ?? ''])
  return lines
}

import { type HeaderLine, type RequestHead, valuesOf } from '../message.ts'
import { refused } from './refusal.ts'

const NAME = /^[!#$%&'*+\-.^`|~0-9A-Za-z]+$/
const MOST_LINES = 128
const MOST_BYTES = 16 * 1024

/** Two of these are two answers to one question; which of them counts, servers disagree about (RFC 9110, 5.3). */
const ONCE: ReadonlySet<string> = new Set([
  'host',
  'authorization',
  'content-type',
  'content-length',
  'content-encoding',
  'content-range',
  'transfer-encoding',
  'expect',
  'idempotency-key',
  'if-match',
  'range',
  'upgrade',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
])

/** Headers by which a client would tell the upstream another target than the one that was judged. */
const OTHER_TARGET: ReadonlySet<string> = new Set([
  'x-original-url',
  'x-original-uri',
  'x-rewrite-url',
  'x-forwarded-prefix',
  'x-forwarded-uri',
])

/** Throws NormalizeError for header lines that could be read in two ways. What a parser let through is looked at again. */
export function checkHeaders({ version, headers, authority }: RequestHead): void {
  if (headers.length > MOST_LINES) throw refused('ERR_NORMALIZE_HEADER', `more than ${MOST_LINES} header lines`)
  let bytes = 0
  const seen = new Set<string>()
  for (const [name, value] of headers) {
    bytes += name.length + value.length
    const lower = name.toLowerCase()
    checkLine(lower, value)
    if (seen.has(lower) && ONCE.has(lower))
      throw refused('ERR_NORMALIZE_HEADER', `the header ${lower} stands in the request twice`)
    seen.add(lower)
  }
  if (bytes > MOST_BYTES) throw refused('ERR_NORMALIZE_HEADER', `the headers take more than ${MOST_BYTES} bytes`)
  if (connectionOptions(headers).some((name) => END_TO_END.has(name)))
    throw refused('ERR_NORMALIZE_HEADER', 'Connection names a header that is meant for the other end')
  checkAuthority(headers, authority)
  checkFraming(version, headers)
}

function checkLine(name: string, value: string): void {
  if (!NAME.test(name)) throw refused('ERR_NORMALIZE_HEADER', 'a header name holds a character that none may hold')
  // A gateway interface (CGI, WSGI) makes one variable of both `x-user` and `x_user`.
  if (name.includes('_')) throw refused('ERR_NORMALIZE_HEADER', 'a header name holds an underscore')
  // oxlint-disable-next-line no-control-regex -- that is the point: a folded line, a NUL, a bare CR
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value))
    throw refused('ERR_NORMALIZE_HEADER', 'a header value holds a control character')
  if (OTHER_TARGET.has(name))
    throw refused('ERR_NORMALIZE_HEADER', `the header ${name} names another target than the request line`)
}

/** Host or `:authority`: a name or address with an optional port, no more. */
const AUTHORITY = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

function checkAuthority(headers: readonly HeaderLine[], authority: string): void {
  if (!AUTHORITY.test(authority))
    throw refused('ERR_NORMALIZE_AUTHORITY', 'the request names no host, or one with user information or a path in it')
  const [host] = valuesOf(headers, 'host')
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase())
    throw refused('ERR_NORMALIZE_AUTHORITY', 'Host and :authority name different hosts')
}

/** Where the body ends must be told once, in a way that all agree on (RFC 9112, 6.3). */
function checkFraming(version: RequestHead['version'], headers: readonly HeaderLine[]): void {
  const [length] = valuesOf(headers, 'content-length')
  const [coding] = valuesOf(headers, 'transfer-encoding')
  if (length !== undefined && !/^\d{1,15}$/.test(length))
    throw refused('ERR_NORMALIZE_FRAMING', 'Content-Length is no number of bytes')
  if (coding === undefined) return
  if (length !== undefined)
    throw refused('ERR_NORMALIZE_FRAMING', 'both Content-Length and Transfer-Encoding tell where the body ends')
  if (version !== '1.1' || coding.toLowerCase() !== 'chunked')
    throw refused('ERR_NORMALIZE_FRAMING', 'Transfer-Encoding must be chunked, alone, in HTTP/1.1')
}

const END_TO_END: ReadonlySet<string> = new Set(
  [...ONCE].filter((name) => name !== 'upgrade' && name !== 'transfer-encoding'),
)

/** Of one hop only (RFC 9110, 7.6.1), those that Connection names among them. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** What ends at the gateway. */
export function hopByHop(headers: readonly HeaderLine[]): ReadonlySet<string> {
  const named = connectionOptions(headers)
  return named.length === 0 ? HOP_BY_HOP : new Set([...HOP_BY_HOP, ...named])
}

function connectionOptions(headers: readonly HeaderLine[]): readonly string[] {
  return valuesOf(headers, 'connection').flatMap((value) => value.split(',').map((each) => each.trim().toLowerCase()))
}

/** By lower-case name, every value in order. */
export function headerLists(headers: readonly HeaderLine[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const [name, value] of headers) {
    const key = name.toLowerCase()
    const known = found.get(key)
    if (known === undefined) found.set(key, [value])
    else known.push(value)
  }
  return found
}

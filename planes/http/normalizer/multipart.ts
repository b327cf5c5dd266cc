import { hash } from 'node:crypto'
import type { JsonObject } from '../../../engine/index.ts'
import { refused } from './refusal.ts'

/** One part of a multipart body, as policy sees it: what a field holds stays with the upstream. */
export interface MultipartPart {
  readonly name: string | null
  readonly filename: string | null
  readonly type: string
  readonly bytes: number
  readonly sha256: string
}

export interface MultipartBody {
  readonly parts: readonly MultipartPart[]
  /** Content of the parts with that name. */
  readonly operations: readonly Buffer[]
}

/** What servers of GraphQL read of a multipart request: the operations, without the files that go with them. */
export const OPERATIONS = 'operations'

const MOST_PARTS = 100
const BOUNDARY = /;\s*boundary=(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i
/** RFC 2046, 5.1.1. */
const BOUNDARY_TEXT = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/

/** RFC 2046, read strictly: lines end in CRLF, nothing stands before the first boundary or behind the last. */
export function readMultipart(contentType: string, body: Buffer): MultipartBody {
  const found = BOUNDARY.exec(contentType)
  const boundary = found?.[1] ?? found?.[2] ?? ''
  if (!BOUNDARY_TEXT.test(boundary) || (contentType.match(/boundary=/gi)?.length ?? 0) !== 1) throw malformed()
  const first = Buffer.from(`--${boundary}\r\n`)
  const between = Buffer.from(`\r\n--${boundary}`)
  if (!body.subarray(0, first.length).equals(first)) throw malformed()
  const parts: MultipartPart[] = []
  const operations: Buffer[] = []
  let start = first.length
  for (;;) {
    const end = body.indexOf(between, start)
    if (end === -1) throw malformed()
    const { content, ...part } = readPart(body.subarray(start, end))
    parts.push(part)
    if (part.name === OPERATIONS) operations.push(content)
    if (parts.length > MOST_PARTS)
      throw refused('ERR_NORMALIZE_TOO_COMPLEX', `the body has more than ${MOST_PARTS} parts`)
    const after = body.toString('latin1', end + between.length, end + between.length + 2)
    start = end + between.length + 2
    if (after === '\r\n') continue
    const rest = body.toString('latin1', start)
    if (after !== '--' || (rest !== '' && rest !== '\r\n')) throw malformed()
    return { parts, operations }
  }
}

function readPart(part: Buffer): MultipartPart & { readonly content: Buffer } {
  const blank = part.indexOf('\r\n\r\n')
  if (blank === -1) throw malformed()
  const lines = part.toString('utf8', 0, blank).split('\r\n')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const [, name = '', value = ''] = /^([!#-'*+\-.^`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name === '' || headers.has(name.toLowerCase())) throw malformed()
    headers.set(name.toLowerCase(), value)
  }
  if (headers.has('content-transfer-encoding')) throw malformed()
  const disposition = headers.get('content-disposition') ?? ''
  const content = part.subarray(blank + 4)
  return {
    name: parameter(disposition, 'name'),
    filename: parameter(disposition, 'filename'),
    type: headers.get('content-type') ?? 'text/plain',
    bytes: content.length,
    sha256: hash('sha256', content),
    content,
  }
}

/** A parameter that stands there twice, or in RFC 5987's form beside the plain one, is read in different ways. */
function parameter(disposition: string, name: string): string | null {
  const all = [...disposition.matchAll(new RegExp(`;\\s*${name}(\\*?)=(?:"([^"\\\\]*)"|([^\\s;"]+))`, 'gi'))]
  if (all.length > 1 || all.some(([, star]) => star === '*')) throw malformed()
  const [only] = all
  return only === undefined ? null : (only[2] ?? only[3] ?? '')
}

export function partsBlock(parts: readonly MultipartPart[]): readonly JsonObject[] {
  return parts.map((part) => ({ ...part }))
}

function malformed(): Error {
  return refused('ERR_NORMALIZE_BODY', 'the body is no multipart body that can be read in one way')
}

import { refused } from './refusal.ts'

/** A request target taken apart: what is sent up is `target` itself, and this is the only way to read it. */
export interface Target {
  readonly target: string
  /** Path as sent, without the query. */
  readonly rawPath: string
  /** Its segments, unescaped once; the last is empty where the path ends in a slash. */
  readonly segments: readonly string[]
  /** The segments, escaped again in one way only. */
  readonly path: string
  /** As sent, without the question mark; null where there is none. */
  readonly rawQuery: string | null
  readonly query: ReadonlyMap<string, readonly string[]>
}

/** Visible ASCII but `"`, `<`, `>`, `\`, `^`, backtick, `{`, `|`, `}` and `#`: what RFC 3986 has in a path or a query. */
const TARGET = /^[!$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]*$/
const ESCAPE = /%(?![0-9A-Fa-f]{2})/
/** Slash, backslash, NUL and all controls: what servers decode at different times, and some take for an end. */
const HIDDEN = /%(?:2f|5c|[01][0-9a-f]|7f)/i
const MOST_BYTES = 8 * 1024
const MOST_PARAMETERS = 1000

/** Origin form only (RFC 9112, 3.2.1). Throws NormalizeError for all that two servers could read differently. */
export function readTarget(target: string): Target {
  if (target.length > MOST_BYTES)
    throw refused('ERR_NORMALIZE_TARGET', `the target takes more than ${MOST_BYTES} bytes`)
  if (!target.startsWith('/'))
    throw refused(
      'ERR_NORMALIZE_TARGET',
      'the request target must be a path: no absolute form, no asterisk, no authority',
    )
  if (!TARGET.test(target))
    throw refused('ERR_NORMALIZE_TARGET', 'the target holds a character that must be escaped, or a fragment')
  if (ESCAPE.test(target))
    throw refused('ERR_NORMALIZE_TARGET', 'the target holds a percent sign that begins no escape')
  const mark = target.indexOf('?')
  const rawPath = mark === -1 ? target : target.slice(0, mark)
  const rawQuery = mark === -1 ? null : target.slice(mark + 1)
  const segments = readSegments(rawPath)
  return {
    target,
    rawPath,
    segments,
    path: `/${segments.map((segment) => encodeURIComponent(segment)).join('/')}`,
    rawQuery,
    query: readQuery(rawQuery ?? ''),
  }
}

function readSegments(rawPath: string): readonly string[] {
  if (HIDDEN.test(rawPath))
    throw refused('ERR_NORMALIZE_PATH', 'the path holds an escaped slash, backslash or control character')
  if (rawPath.includes(';'))
    throw refused('ERR_NORMALIZE_PATH', 'the path holds a semicolon: some servers cut a segment there, others do not')
  const segments = rawPath.slice(1).split('/').map(unescaped)
  if (segments.slice(0, -1).includes(''))
    throw refused('ERR_NORMALIZE_PATH', 'the path holds two slashes in a row: some servers take them for one')
  for (const segment of segments) checkSegment(segment)
  return segments
}

function unescaped(segment: string): string {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    throw refused('ERR_NORMALIZE_PATH', 'the path holds escapes that are no UTF-8')
  }
}

function checkSegment(segment: string): void {
  if (/%[0-9A-Fa-f]{2}/.test(segment))
    throw refused('ERR_NORMALIZE_PATH', 'the path is escaped twice: what it means depends on how often it is unescaped')
  // Full-width slashes and dots, and others that become one when a server folds compatibility characters.
  const folded = isPlain(segment) ? segment : segment.normalize('NFKC')
  if (/^\.{1,2}$/.test(folded.trim())) throw refused('ERR_NORMALIZE_PATH', 'the path holds a dot segment')
  if (/[/\\]/.test(folded) || /[\u0080-\u009f\u200b-\u200f\u2028-\u202e\ufeff]/.test(segment))
    throw refused('ERR_NORMALIZE_PATH', 'the path holds a character that some servers take for a slash, or for nothing')
}

function isPlain(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- all of ASCII
  return /^[\x00-\x7f]*$/.test(text)
}

/** Parameters of `application/x-www-form-urlencoded` text, in order, every value that a name has. */
export function readQuery(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  let count = 0
  for (const pair of text.split('&')) {
    if (pair === '') continue
    count += 1
    if (count > MOST_PARAMETERS) throw refused('ERR_NORMALIZE_TARGET', `more than ${MOST_PARAMETERS} parameters`)
    const mark = pair.indexOf('=')
    const name = formText(mark === -1 ? pair : pair.slice(0, mark))
    const value = mark === -1 ? '' : formText(pair.slice(mark + 1))
    const known = found.get(name)
    if (known === undefined) found.set(name, [value])
    else known.push(value)
  }
  return found
}

function formText(text: string): string {
  if (!/[%+]/.test(text)) return text
  try {
    const plain = decodeURIComponent(text.replaceAll('+', ' '))
    if (plain.includes('\0')) throw refused('ERR_NORMALIZE_TARGET', 'a parameter holds a NUL')
    return plain
  } catch (error) {
    if (error instanceof URIError) throw refused('ERR_NORMALIZE_TARGET', 'a parameter holds escapes that are no UTF-8')
    throw error
  }
}

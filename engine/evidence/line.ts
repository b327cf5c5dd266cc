import type { JsonObject, JsonValue } from '../access-request.ts'
import { EvidenceError } from '../errors.ts'
import { asObject } from './decision-record.ts'
import { canonicalJson } from './canonical-json.ts'
import { leafHash } from './merkle.ts'

/** The largest entry a C2SP tile bundle can carry: its length is a uint16. */
export const MAX_ENTRY_BYTES: number = 65_535
/** An entry with the member names, the leaf hash and the braces around it. */
export const MAX_LINE_BYTES: number = MAX_ENTRY_BYTES + 128

/** What a line holds beside its leaf hash: a decision record, or a frame of a recording. */
export type EntryKind = 'record' | 'frame'

export interface Line {
  /** With its newline. */
  readonly text: string
  readonly leaf: string
}

/** One entry as a line: itself canonical JSON, `{"leaf":…,"record":{…}}` or `{"frame":{…},"leaf":…}`. */
export function encodeLine(kind: EntryKind, entry: object): Line {
  const canonical = canonicalJson(entry)
  if (!fits(canonical)) {
    throw new EvidenceError(
      'ERR_EVIDENCE_RECORD',
      `a ${kind} takes ${Buffer.byteLength(canonical)} bytes, the limit is ${MAX_ENTRY_BYTES}: put digests in place of large values`,
    )
  }
  const leaf = leafHash(canonical)
  return { leaf, text: wrap(kind, canonical, leaf) }
}

// A UTF-16 code unit is at most three bytes of UTF-8, so most entries need no count.
function fits(canonical: string): boolean {
  return canonical.length * 3 <= MAX_ENTRY_BYTES || Buffer.byteLength(canonical) <= MAX_ENTRY_BYTES
}

function wrap(kind: EntryKind, canonical: string, leaf: string): string {
  return kind === 'record' ? `{"leaf":"${leaf}","record":${canonical}}\n` : `{"frame":${canonical},"leaf":"${leaf}"}\n`
}

export type DecodedLine =
  | { readonly kind: 'entry'; readonly leaf: string; readonly entry: JsonObject }
  /** Not the bytes that this or any other version of the log writes. `leaf`: what the line claims, where it is legible. */
  | { readonly kind: 'broken'; readonly expected: string; readonly found: string; readonly leaf: string | null }

// Byte order marks stay in, so that equal text means equal bytes.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads a line back (without its newline). It must be, byte for byte, what encodeLine makes of its own entry: so the last
 * line of a file is bound as firmly as one that the next line's `prev` names.
 */
export function decodeLine(kind: EntryKind, bytes: Uint8Array): DecodedLine {
  const text = decodeText(bytes)
  if (text === null) return broken('a line of valid UTF-8', 'bytes that are not')
  const line = parseObject(text)
  if (line === null) return broken('a line of JSON', 'text that does not parse')
  const claimed = typeof line.leaf === 'string' ? line.leaf : null
  const entry = asObject(line[kind])
  if (entry === null || claimed === null) return broken(`members "leaf" and "${kind}"`, 'a line without them', claimed)
  return compare(kind, text, entry, claimed)
}

function compare(kind: EntryKind, text: string, entry: JsonObject, claimed: string): DecodedLine {
  let again: Line
  try {
    again = encodeLine(kind, entry)
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    return broken('an entry the log could have written', error.message, claimed)
  }
  if (again.leaf !== claimed) return broken(`leaf hash ${again.leaf} of its own bytes`, `leaf hash ${claimed}`, claimed)
  if (again.text !== `${text}\n`)
    return broken('canonical JSON (RFC 8785)', 'another spelling of the same entry', claimed)
  return { kind: 'entry', leaf: claimed, entry }
}

function broken(expected: string, found: string, leaf: string | null = null): DecodedLine {
  return { kind: 'broken', expected, found, leaf }
}

function decodeText(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}

function parseObject(text: string): JsonObject | null {
  try {
    const value: JsonValue = JSON.parse(text)
    return asObject(value)
  } catch {
    return null
  }
}

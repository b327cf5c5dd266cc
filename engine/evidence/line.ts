import { hash } from 'node:crypto'
import type { JsonObject, JsonValue } from '../access-request.ts'
import { EvidenceError } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import { asObject, type Payload } from './decision-record.ts'
import { leafHash } from './merkle.ts'
import { MAX_PAYLOAD_BYTES, parsePayloadDigest, readPayload, type SaltedPayload } from './payload.ts'

/** The largest entry a C2SP tile bundle can carry: its length is a uint16. */
export const MAX_ENTRY_BYTES: number = 65_535
/** An entry and its payload, with the member names, the leaf hash, the salt and the braces around them. */
export const MAX_LINE_BYTES: number = MAX_ENTRY_BYTES + MAX_PAYLOAD_BYTES + 256

/** What a line holds beside its leaf hash: a decision record, or a frame of a recording. */
export type EntryKind = 'record' | 'frame'

export interface Line {
  /** With its newline. */
  readonly text: string
  readonly leaf: string
}

/**
 * One entry as a line: `{"leaf":…,"record":…}` or `{"frame":…,"leaf":…}`, with `"salted":{"body":…,"salt":…}` as the last
 * member where it has a payload, whose digest the entry has as its `payload`. All of it is canonical JSON.
 */
export function encodeLine(kind: EntryKind, entry: object, payload?: SaltedPayload): Line {
  return encodeText(kind, canonicalJson(entry), payload)
}

/** The same of an entry that is in canonical JSON already. */
export function encodeText(kind: EntryKind, canonical: string, payload?: SaltedPayload): Line {
  if (!fits(canonical)) {
    throw new EvidenceError(
      'ERR_EVIDENCE_RECORD',
      `a ${kind} takes ${Buffer.byteLength(canonical)} bytes, the limit is ${MAX_ENTRY_BYTES}: put digests in place of large values`,
    )
  }
  const leaf = leafHash(canonical)
  const salted = payload === undefined ? '' : `${SALTED}${payload.text}`
  return { leaf, text: `${wrap(kind, canonical, leaf)}${salted}}\n` }
}

const SALTED = ',"salted":'

// A UTF-16 code unit is at most three bytes of UTF-8, so most entries need no count.
function fits(canonical: string): boolean {
  return canonical.length * 3 <= MAX_ENTRY_BYTES || Buffer.byteLength(canonical) <= MAX_ENTRY_BYTES
}

function wrap(kind: EntryKind, canonical: string, leaf: string): string {
  return kind === 'record' ? `{"leaf":"${leaf}","record":${canonical}` : `{"frame":${canonical},"leaf":"${leaf}"`
}

/** A line taken apart by its bytes alone. */
export interface LineParts {
  readonly leaf: string
  /** Hashes to `leaf`. */
  readonly entry: Buffer
  /** Where the text beside the entry begins and ends in the line; null where there is none. */
  readonly salted: { readonly start: number; readonly end: number } | null
}

const RECORD_HEAD = /^\{"leaf":"([0-9a-f]{64})","record":$/
const FRAME_HEAD = '{"frame":'
const FRAME_LEAF = /^,"leaf":"([0-9a-f]{64})"$/
const RECORD_AT: number = '{"leaf":"","record":'.length + 64
const FRAME_LEAF_LENGTH: number = ',"leaf":""'.length + 64

/**
 * Takes a line (without its newline) apart where its leaf hash says that the entry ends: that holds whatever became of the
 * payload behind it. Undefined when no part of it is an entry with its own leaf hash.
 */
export function splitLine(kind: EntryKind, line: Buffer): LineParts | undefined {
  if (line.at(-1) !== BRACE) return undefined
  for (let end = line.indexOf(SALTED); end >= 0; end = line.indexOf(SALTED, end + 1)) {
    const parts = entryBefore(kind, line, end)
    if (parts !== undefined) return { ...parts, salted: { start: end + SALTED.length, end: line.length - 1 } }
  }
  const whole = entryBefore(kind, line, line.length - 1)
  return whole === undefined ? undefined : { ...whole, salted: null }
}

const BRACE = 0x7d

/** What an entry says, its payload aside. Null for a line that is no entry. */
export function entryFields(kind: EntryKind, line: Buffer): JsonObject | null {
  const parts = splitLine(kind, line)
  if (parts === undefined) return null
  try {
    const value: JsonValue = JSON.parse(parts.entry.toString('utf8'))
    return asObject(value)
  } catch {
    return null
  }
}

function entryBefore(kind: EntryKind, line: Buffer, end: number): Pick<LineParts, 'leaf' | 'entry'> | undefined {
  return kind === 'record' ? recordBefore(line, end) : frameBefore(line, end)
}

function recordBefore(line: Buffer, end: number): Pick<LineParts, 'leaf' | 'entry'> | undefined {
  const [, leaf] = RECORD_HEAD.exec(line.toString('latin1', 0, RECORD_AT)) ?? []
  return leaf === undefined ? undefined : hashingTo(leaf, line.subarray(RECORD_AT, end))
}

function frameBefore(line: Buffer, end: number): Pick<LineParts, 'leaf' | 'entry'> | undefined {
  if (line.toString('latin1', 0, FRAME_HEAD.length) !== FRAME_HEAD) return undefined
  const at = end - FRAME_LEAF_LENGTH
  const [, leaf] = FRAME_LEAF.exec(line.toString('latin1', Math.max(at, 0), end)) ?? []
  return leaf === undefined ? undefined : hashingTo(leaf, line.subarray(FRAME_HEAD.length, at))
}

function hashingTo(leaf: string, entry: Buffer): Pick<LineParts, 'leaf' | 'entry'> | undefined {
  if (entry.length > MAX_ENTRY_BYTES || entry.at(-1) !== BRACE) return undefined
  return hash('sha256', Buffer.concat([ZERO, entry]), 'hex') === leaf ? { leaf, entry } : undefined
}

const ZERO = Buffer.of(0)

export type DecodedLine =
  | { readonly kind: 'entry'; readonly leaf: string; readonly entry: JsonObject; readonly payload: Payload }
  /** Not the bytes that this or any other version of the log writes. `leaf`: what the line claims, where it is legible. */
  | { readonly kind: 'broken'; readonly expected: string; readonly found: string; readonly leaf: string | null }

/**
 * Reads a line back (without its newline). Up to the payload it must be, byte for byte, what encodeLine makes of its own
 * entry: so the last line of a file is bound as firmly as one that the next line's `prev` names. What became of the
 * payload is told, not judged.
 */
export function decodeLine(kind: EntryKind, bytes: Buffer): DecodedLine {
  const parts = splitLine(kind, bytes)
  if (parts === undefined) return diagnose(kind, bytes)
  const text = decodeText(parts.entry)
  if (text === null) return broken('a line of valid UTF-8', 'bytes that are not', parts.leaf)
  const entry = parseObject(text)
  if (entry === null) return broken('a line of JSON', 'text that does not parse', parts.leaf)
  const again = canonicalAgain(entry)
  if (again.text !== text) return broken('canonical JSON (RFC 8785)', again.refused ?? SPELLING, parts.leaf)
  const digest = parsePayloadDigest(entry)
  if (digest === undefined) return broken('a payload’s digest and length', 'another "payload"', parts.leaf)
  const salted = parts.salted === null ? undefined : decodeText(bytes.subarray(parts.salted.start, parts.salted.end))
  const payload: Payload = salted === null ? NOT_TEXT : readPayload(digest, salted)
  return { kind: 'entry', leaf: parts.leaf, entry, payload }
}

const SPELLING = 'another spelling of the same entry'
const NOT_TEXT: Payload = { kind: 'damaged', found: 'bytes that are no UTF-8' }

interface Again {
  readonly text: string | null
  /** Why the log could not have written the entry. */
  readonly refused: string | null
}

function canonicalAgain(entry: JsonObject): Again {
  try {
    const text = canonicalJson(entry)
    if (fits(text)) return { text, refused: null }
    return { text: null, refused: `an entry of ${Buffer.byteLength(text)} bytes, the limit is ${MAX_ENTRY_BYTES}` }
  } catch (error) {
    if (error instanceof EvidenceError) return { text: null, refused: error.message }
    throw error
  }
}

// What is wrong with a line that holds no entry with its own leaf hash, as far as it can be read.
function diagnose(kind: EntryKind, bytes: Buffer): DecodedLine {
  const text = decodeText(bytes)
  if (text === null) return broken('a line of valid UTF-8', 'bytes that are not')
  const line = parseObject(text)
  if (line === null) return broken('a line of JSON', 'text that does not parse')
  const claimed = typeof line.leaf === 'string' ? line.leaf : null
  const entry = asObject(line[kind])
  if (entry === null || claimed === null) return broken(`members "leaf" and "${kind}"`, 'a line without them', claimed)
  const again = canonicalAgain(entry)
  if (again.text === null) return broken('an entry the log could have written', again.refused ?? '', claimed)
  const leaf = leafHash(again.text)
  if (leaf !== claimed) return broken(`leaf hash ${leaf} of its own bytes`, `leaf hash ${claimed}`, claimed)
  return broken('canonical JSON (RFC 8785)', SPELLING, claimed)
}

// Byte order marks stay in, so that equal text means equal bytes.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

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

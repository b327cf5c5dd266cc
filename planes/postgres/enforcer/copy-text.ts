import { ProtocolError } from '../../../engine/index.ts'
import type { Writer } from '../codec/writer.ts'
import type { CopyForm } from '../normalizer/index.ts'
import type { CopyMasks, CopyRows } from './copy-rows.ts'

const NEWLINE = 0x0a
const BACKSLASH = 0x5c
/** What stands behind a backslash for a control character, as CopyAttributeOutText writes it. */
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x08, 0x62],
  [0x0c, 0x66],
  [0x0a, 0x6e],
  [0x0d, 0x72],
  [0x09, 0x74],
  [0x0b, 0x76],
])
const UNESCAPES: ReadonlyMap<number, number> = new Map([...ESCAPES].map(([control, letter]) => [letter, control]))

/** COPY's text format: a line a row, a delimiter between fields, a backslash before what would mean something else. */
export class TextRows implements CopyRows {
  readonly complete = true
  readonly #delimiter: number
  readonly #null: Buffer
  readonly #masks: CopyMasks
  #header: boolean

  constructor(form: Extract<CopyForm, { kind: 'text' }>, masks: CopyMasks) {
    this.#delimiter = form.delimiter
    this.#null = Buffer.from(form.nullText)
    this.#header = form.header
    this.#masks = masks
  }

  /** No field has a line's end in it: that is written with a letter. */
  rowEnd(buffer: Buffer, _start: number, seen: number, end: number): number {
    const at = buffer.subarray(0, end).indexOf(NEWLINE, seen)
    return at === -1 ? -1 : at + 1
  }

  mask(buffer: Buffer, start: number, end: number, out: Writer): void {
    const header = this.#header
    this.#header = false
    let column = 0
    let unwritten = start
    for (let from = start; from < end; column += 1) {
      const to = this.#fieldEnd(buffer, from, end - 1)
      if (!header && this.#maskField(column, buffer, unwritten, from, to, out)) unwritten = to
      from = to + 1
    }
    if (column !== this.#masks.columns && !(column === 1 && this.#masks.columns === 0)) throw miscounted(column)
    out.bytes(buffer, unwritten, end)
  }

  #fieldEnd(buffer: Buffer, from: number, lineEnd: number): number {
    let at = from
    while (at < lineEnd && buffer[at] !== this.#delimiter) at += buffer[at] === BACKSLASH ? 2 : 1
    if (at > lineEnd) throw malformed('ends behind a backslash')
    return at
  }

  /** False: it goes out as it is, with what lies around it. */
  #maskField(column: number, buffer: Buffer, unwritten: number, from: number, to: number, out: Writer): boolean {
    const mask = this.#masks.at[column]
    if (mask === undefined || this.#null.equals(buffer.subarray(from, to))) return false
    const value = unescaped(buffer, from, to)
    const masked = mask(value, 0, value.length)
    this.#masks.count(column)
    out.bytes(buffer, unwritten, from)
    if (masked === null) out.bytes(this.#null)
    else this.#escape(masked === 'in-place' ? value : masked, out)
    return true
  }

  #escape(value: Buffer, out: Writer): void {
    let unwritten = 0
    for (let at = 0; at < value.length; at += 1) {
      const byte = value[at] ?? 0
      const letter = ESCAPES.get(byte) ?? (byte === BACKSLASH || byte === this.#delimiter ? byte : undefined)
      if (letter === undefined) continue
      out.bytes(value, unwritten, at).uint8(BACKSLASH).uint8(letter)
      unwritten = at + 1
    }
    out.bytes(value, unwritten)
  }
}

/** A copy, which the mask may write into. */
function unescaped(buffer: Buffer, from: number, to: number): Buffer {
  const value = Buffer.from(buffer.subarray(from, to))
  let length = 0
  for (let at = 0; at < value.length; at += 1) {
    let byte = value[at] ?? 0
    if (byte === BACKSLASH) {
      at += 1
      byte = value[at] ?? 0
      byte = UNESCAPES.get(byte) ?? byte
    }
    value[length] = byte
    length += 1
  }
  return value.subarray(0, length)
}

function miscounted(found: number): ProtocolError {
  return malformed(`has ${found} columns, which is another number than it was judged to have`)
}

function malformed(problem: string): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `CopyData: a row ${problem}`)
}

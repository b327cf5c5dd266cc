import { ProtocolError } from '../../../engine/index.ts'
import type { Writer } from '../codec/writer.ts'
import type { CopyForm } from '../normalizer/index.ts'
import { type CopyMasks, type CopyRows, reads } from './copy-rows.ts'

const NEWLINE = 0x0a
const BACKSLASH = 0x5c
/** What stands behind a backslash for a control character, as CopyAttributeOutText writes it. */
const LETTERS: readonly (readonly [control: number, letter: number])[] = [
  [0x08, 0x62],
  [0x0c, 0x66],
  [0x0a, 0x6e],
  [0x0d, 0x72],
  [0x09, 0x74],
  [0x0b, 0x76],
]
/** By the byte behind a backslash: what the two stand for. */
const UNESCAPED: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => byte)
for (const [control, letter] of LETTERS) UNESCAPED[letter] = control

/** By byte: what stands for it behind a backslash; 0 where it stands for itself. */
function escapes(delimiter: number): Uint8Array {
  const letters = new Uint8Array(256)
  for (const byte of [BACKSLASH, delimiter]) letters[byte] = byte
  for (const [control, letter] of LETTERS) letters[control] = letter // a delimiter among them too
  return letters
}

/** COPY's text format: a line a row, a delimiter between fields, a backslash before what would mean something else. */
export class TextRows implements CopyRows {
  readonly complete = true
  readonly #delimiter: number
  readonly #null: Buffer
  readonly #masks: CopyMasks
  readonly #escapes: Uint8Array
  #header: boolean
  /** The field at hand has a backslash in it. */
  #escaped = false

  constructor(form: Extract<CopyForm, { kind: 'text' }>, masks: CopyMasks) {
    this.#delimiter = form.delimiter
    this.#null = Buffer.from(form.nullText)
    this.#header = form.header
    this.#masks = masks
    this.#escapes = escapes(form.delimiter)
  }

  /** No field has a line's end in it: that is written with a letter. */
  rowEnd(buffer: Buffer, _start: number, seen: number, end: number): number {
    for (let at = seen; at < end; at += 1) if (buffer[at] === NEWLINE) return at + 1
    return -1
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
    const delimiter = this.#delimiter
    this.#escaped = false
    let at = from
    for (; at < lineEnd && buffer[at] !== delimiter; at += 1) {
      if (buffer[at] !== BACKSLASH) continue
      this.#escaped = true
      at += 1
    }
    if (at > lineEnd) throw malformed('ends behind a backslash')
    return at
  }

  /** False: it goes out as it lies, with what lies around it. */
  #maskField(column: number, buffer: Buffer, unwritten: number, from: number, to: number, out: Writer): boolean {
    const mask = this.#masks.at[column]
    if (mask === undefined || reads(buffer, from, to, this.#null)) return false
    this.#masks.count(column)
    const end = this.#escaped ? unescape(buffer, from, to) : to
    const masked = mask(buffer, from, end)
    if (masked === 'in-place' && end === to && !this.#needsEscape(buffer, from, to)) return false
    out.bytes(buffer, unwritten, from)
    if (masked === null) out.bytes(this.#null)
    else if (masked === 'in-place') this.#escape(buffer, from, end, out)
    else this.#escape(masked, 0, masked.length, out)
    return true
  }

  #needsEscape(buffer: Buffer, from: number, to: number): boolean {
    for (let at = from; at < to; at += 1) if (this.#escapes[buffer[at] ?? 0] !== 0) return true
    return false
  }

  #escape(value: Buffer, from: number, to: number, out: Writer): void {
    let unwritten = from
    for (let at = from; at < to; at += 1) {
      const letter = this.#escapes[value[at] ?? 0] ?? 0
      if (letter === 0) continue
      out.bytes(value, unwritten, at).uint8(BACKSLASH).uint8(letter)
      unwritten = at + 1
    }
    out.bytes(value, unwritten, to)
  }
}

/** Writes the value that a field stands for over it; where it ends. */
function unescape(buffer: Buffer, from: number, to: number): number {
  let end = from
  for (let at = from; at < to; at += 1) {
    let byte = buffer[at] ?? 0
    if (byte === BACKSLASH) {
      at += 1
      byte = UNESCAPED[buffer[at] ?? 0] ?? 0
    }
    buffer[end] = byte
    end += 1
  }
  return end
}

function miscounted(found: number): ProtocolError {
  return malformed(`has ${found} columns, which is another number than it was judged to have`)
}

function malformed(problem: string): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `CopyData: a row ${problem}`)
}

import { ProtocolError } from '../../../engine/index.ts'
import type { Writer } from '../codec/writer.ts'
import type { CopyForm } from '../normalizer/index.ts'
import type { CopyMasks, CopyRows } from './copy-rows.ts'

const NEWLINE = 0x0a
const RETURN = 0x0d
/** Alone on a line it once was the end of all rows, so the server quotes it. */
const END_OF_DATA = String.raw`\.`

/** COPY's CSV format: fields that hold a delimiter, a quote or a line's end are quoted; one that isn't quoted and reads as the null text is NULL. */
export class CsvRows implements CopyRows {
  readonly complete = true
  readonly #form: Extract<CopyForm, { kind: 'csv' }>
  readonly #null: Buffer
  readonly #masks: CopyMasks
  #header: boolean
  /** Where `rowEnd` stopped: within quotes, behind an escape. */
  #quoted = false
  #escaped = false

  constructor(form: Extract<CopyForm, { kind: 'csv' }>, masks: CopyMasks) {
    this.#form = form
    this.#null = Buffer.from(form.nullText)
    this.#header = form.header
    this.#masks = masks
  }

  rowEnd(buffer: Buffer, _start: number, seen: number, end: number): number {
    const { quote, escape } = this.#form
    for (let at = seen; at < end; at += 1) {
      const byte = buffer[at]
      if (this.#escaped) this.#escaped = false
      else if (byte === escape && escape !== quote && this.#quoted) this.#escaped = true
      else if (byte === quote) this.#quoted = !this.#quoted
      else if (byte === NEWLINE && !this.#quoted) return at + 1
    }
    return -1
  }

  mask(buffer: Buffer, start: number, end: number, out: Writer): void {
    const header = this.#header
    this.#header = false
    let column = 0
    let unwritten = start
    for (let from = start; from < end; column += 1) {
      const quoted = buffer[from] === this.#form.quote
      const to = quoted ? this.#closingEnd(buffer, from, end - 1) : this.#plainEnd(buffer, from, end - 1)
      if (!header && this.#maskField(column, quoted, buffer, unwritten, from, to, out)) unwritten = to
      from = to + 1
    }
    if (column !== this.#masks.columns && !(column === 1 && this.#masks.columns === 0)) {
      throw malformed(`has ${column} columns, which is another number than it was judged to have`)
    }
    out.bytes(buffer, unwritten, end)
  }

  #plainEnd(buffer: Buffer, from: number, lineEnd: number): number {
    const { delimiter, quote } = this.#form
    let at = from
    for (; at < lineEnd && buffer[at] !== delimiter; at += 1)
      if (buffer[at] === quote) throw malformed('has a quote within a field')
    return at
  }

  /** Behind the closing quote, where a delimiter or the line's end must be. */
  #closingEnd(buffer: Buffer, from: number, lineEnd: number): number {
    const { delimiter, quote, escape } = this.#form
    let at = from + 1
    for (; at < lineEnd; at += 1) {
      const byte = buffer[at]
      const next = buffer[at + 1]
      if (byte === escape && at + 1 < lineEnd && (next === quote || next === escape)) at += 1
      else if (byte === quote) break
    }
    if (at >= lineEnd || (at + 1 < lineEnd && buffer[at + 1] !== delimiter)) throw malformed('has a quote out of place')
    return at + 1
  }

  /** False: it goes out as it is, with what lies around it. */
  #maskField(
    column: number,
    quoted: boolean,
    buffer: Buffer,
    unwritten: number,
    from: number,
    to: number,
    out: Writer,
  ): boolean {
    const mask = this.#masks.at[column]
    if (mask === undefined || (!quoted && this.#null.equals(buffer.subarray(from, to)))) return false
    const value = quoted ? this.#unquoted(buffer, from + 1, to - 1) : Buffer.from(buffer.subarray(from, to))
    const masked = mask(value, 0, value.length)
    this.#masks.count(column)
    out.bytes(buffer, unwritten, from)
    if (masked === null) out.bytes(this.#null)
    else this.#write(masked === 'in-place' ? value : masked, quoted, out)
    return true
  }

  #unquoted(buffer: Buffer, from: number, to: number): Buffer {
    const { quote, escape } = this.#form
    const value = Buffer.from(buffer.subarray(from, to))
    let length = 0
    for (let at = 0; at < value.length; at += 1) {
      const next = value[at + 1]
      if (value[at] === escape && (next === quote || next === escape)) at += 1
      value[length] = value[at] ?? 0
      length += 1
    }
    return value.subarray(0, length)
  }

  /** Quoted as well where it was before. */
  #write(value: Buffer, wasQuoted: boolean, out: Writer): void {
    const { quote, escape } = this.#form
    if (!wasQuoted && !this.#needsQuotes(value)) return void out.bytes(value)
    out.uint8(quote)
    for (const byte of value) {
      if (byte === quote || byte === escape) out.uint8(escape)
      out.uint8(byte)
    }
    out.uint8(quote)
  }

  #needsQuotes(value: Buffer): boolean {
    const { quote, delimiter } = this.#form
    return (
      this.#null.equals(value) ||
      value.includes(quote) ||
      value.includes(delimiter) ||
      value.includes(NEWLINE) ||
      value.includes(RETURN) ||
      value.toString('latin1') === END_OF_DATA
    )
  }
}

function malformed(problem: string): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `CopyData: a row ${problem}`)
}

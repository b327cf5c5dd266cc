import { ProtocolError } from '../../../engine/index.ts'
import type { Writer } from '../codec/writer.ts'
import type { CopyForm } from '../normalizer/index.ts'
import { type CopyMasks, type CopyRows, reads } from './copy-rows.ts'

const NEWLINE = 0x0a
const RETURN = 0x0d
/** Alone on a line it once was the end of all rows, so the server quotes it. */
const END_OF_DATA = Buffer.from(String.raw`\.`)

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
    if (mask === undefined || (!quoted && reads(buffer, from, to, this.#null))) return false
    this.#masks.count(column)
    const start = quoted ? from + 1 : from
    const end = quoted ? this.#unquote(buffer, start, to - 1) : to
    const masked = mask(buffer, start, end)
    if (masked === 'in-place' && !quoted && !this.#needsQuotes(buffer, start, end)) return false
    out.bytes(buffer, unwritten, from)
    if (masked === null) out.bytes(this.#null)
    else if (masked === 'in-place') this.#write(buffer, start, end, quoted, out)
    else this.#write(masked, 0, masked.length, quoted, out)
    return true
  }

  /** Writes the value that stands between quotes over it; where it ends. */
  #unquote(buffer: Buffer, from: number, to: number): number {
    const { quote, escape } = this.#form
    let end = from
    for (let at = from; at < to; at += 1) {
      const next = at + 1 < to ? buffer[at + 1] : undefined
      if (buffer[at] === escape && (next === quote || next === escape)) at += 1
      buffer[end] = buffer[at] ?? 0
      end += 1
    }
    return end
  }

  /** Quoted as well where it was before. */
  #write(value: Buffer, from: number, to: number, wasQuoted: boolean, out: Writer): void {
    const { quote, escape } = this.#form
    if (!wasQuoted && !this.#needsQuotes(value, from, to)) return void out.bytes(value, from, to)
    out.uint8(quote)
    for (let at = from; at < to; at += 1) {
      const byte = value[at] ?? 0
      if (byte === quote || byte === escape) out.uint8(escape)
      out.uint8(byte)
    }
    out.uint8(quote)
  }

  #needsQuotes(value: Buffer, from: number, to: number): boolean {
    const { quote, delimiter } = this.#form
    for (let at = from; at < to; at += 1) {
      const byte = value[at]
      if (byte === quote || byte === delimiter || byte === NEWLINE || byte === RETURN) return true
    }
    return reads(value, from, to, this.#null) || reads(value, from, to, END_OF_DATA)
  }
}

function malformed(problem: string): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `CopyData: a row ${problem}`)
}

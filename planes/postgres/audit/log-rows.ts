const NEWLINE = 0x0a
const QUOTE = 0x22
/** No statement that the server takes makes a longer row; what does is no log. */
const MAX_ROW_BYTES: number = 256 * 1024 * 1024
/** How a row of csvlog begins, and next to no line of SQL. */
const ROW_START = /\n(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,"\n]{1,40},)/

export interface Row {
  readonly text: string
  /** The line of the file on which it begins, from 1. */
  readonly line: number
}

/** Told of each row in order; answers whether it was one. */
type Take = (row: Row) => boolean

/**
 * Cuts a log into rows as it comes, holding one row at most. A row of csvlog ends with a newline outside quotes; one of
 * jsonlog with any. What a dying server left of a row swallows those behind it up to a quote: where a row isn't one, they
 * are looked for in it.
 */
export class LogRows {
  readonly #quoted: boolean
  readonly #take: Take
  #rest: Buffer[] = []
  #restBytes = 0
  #inside = false
  #line = 1

  constructor(form: 'csv' | 'json', take: Take) {
    this.#quoted = form === 'csv'
    this.#take = take
  }

  push(chunk: Buffer): void {
    let from = 0
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at]
      if (byte === QUOTE) this.#inside = !this.#inside
      else if (byte === NEWLINE && !(this.#quoted && this.#inside)) {
        this.#row(chunk.subarray(from, at))
        from = at + 1
      }
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from))
  }

  /** The end of the file. True when it stands in the middle of a row, as that of a file still being written may. */
  end(): boolean {
    while (this.#restBytes > 0) {
      const text = this.#takeRest().toString('utf8')
      if (!this.#again({ text, line: this.#line }, '')) return text.trim() !== ''
    }
    return false
  }

  #keep(bytes: Buffer): void {
    this.#restBytes += bytes.length
    if (this.#restBytes > MAX_ROW_BYTES) throw new RangeError(`line ${this.#line} begins a row without an end`)
    this.#rest.push(bytes)
  }

  #takeRest(): Buffer {
    const bytes = this.#rest.length === 1 ? this.#rest[0] : Buffer.concat(this.#rest)
    this.#rest = []
    this.#restBytes = 0
    this.#inside = false
    return bytes ?? Buffer.alloc(0)
  }

  #row(end: Buffer): void {
    if (this.#restBytes > 0) this.#rest.push(end)
    const bytes = this.#restBytes > 0 ? this.#takeRest() : end
    this.#inside = false
    const row = { text: bytes.toString('utf8'), line: this.#line }
    this.#line += 1 + newlinesIn(bytes)
    if (row.text.trim() === '' || this.#take(row)) return
    this.#again(row, '\n')
  }

  /** Reads on at the first beginning of a row within one that was none. */
  #again({ text, line }: Row, end: '\n' | ''): boolean {
    const start = this.#quoted ? ROW_START.exec(text) : null
    if (start === null) return false
    if (end === '') this.#take({ text: text.slice(0, start.index), line }) // told, so that it counts as damaged
    this.#line = line + text.slice(0, start.index + 1).split('\n').length - 1
    this.push(Buffer.from(`${text.slice(start.index + 1)}${end}`))
    return true
  }
}

function newlinesIn(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count += 1
  return count
}

import { styleText } from 'node:util'

type Row = Readonly<Record<string, string | null>>
type Style = Parameters<typeof styleText>[0]

const MARGIN = '   '
const NARROW = 28

/** What a person reads while the demo runs: what was asked, what came back, and whether that is what we say it is. */
export class Transcript {
  readonly #out: NodeJS.WriteStream | null
  #scenes = 0
  #failures = 0

  /** `null`: nobody reads it; its claims are checked all the same. */
  constructor(out: NodeJS.WriteStream | null) {
    this.#out = out
  }

  /** Claims that turned out to be wrong. */
  get failures(): number {
    return this.#failures
  }

  title(text: string): void {
    this.#write(`\n${this.#styled('bold', text)}\n\n`)
  }

  scene(text: string): void {
    this.#scenes += 1
    this.#write(`\n${this.#styled('bold', `${this.#scenes}  ${text}`)}\n\n`)
  }

  /** Somebody does something: `agent`, `ann`, `auditor`. */
  says(who: string, text: string): void {
    this.#write(`${MARGIN}${this.#styled('cyan', `${who}>`)} ${text}\n`)
  }

  note(text: string): void {
    this.#write(`${MARGIN}${text}\n`)
  }

  /** Somebody else's words, as they are. */
  quote(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.#write(`${MARGIN}  ${this.#styled('dim', line)}\n`)
  }

  table(rows: readonly Row[]): void {
    const columns = Object.keys(rows[0] ?? {})
    const cells = [columns, ...rows.map((row) => columns.map((column) => shorten(row[column] ?? '∅')))]
    const widths = columns.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
    for (const [index, line] of cells.entries()) {
      const text = line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()
      this.#write(`${MARGIN}  ${index === 0 ? this.#styled('dim', text) : text}\n`)
    }
  }

  /** A claim, and what was found when it was checked. */
  claim(text: string, holds: boolean): void {
    if (!holds) this.#failures += 1
    const mark = holds ? this.#styled('green', '✓') : this.#styled('red', '✗ NOT SO:')
    this.#write(`${MARGIN}${mark} ${text}\n`)
  }

  /** Runs something that takes a while, and shows that it goes on. */
  async step<T>(text: string, work: Promise<T>): Promise<T> {
    const started = performance.now()
    this.#write(`${MARGIN}${text} `)
    const dots = setInterval(() => this.#write('.'), 2000)
    try {
      const result = await work
      this.#write(`${this.#styled('dim', `${((performance.now() - started) / 1000).toFixed(1)} s`)}\n`)
      return result
    } finally {
      clearInterval(dots)
    }
  }

  #styled(style: Style, text: string): string {
    return this.#out === null ? text : styleText(style, text, { stream: this.#out })
  }

  #write(text: string): void {
    this.#out?.write(text)
  }
}

function shorten(text: string): string {
  return text.length > NARROW ? `${text.slice(0, NARROW - 1)}…` : text
}

import type { DatabaseSync, SQLInputValue } from 'node:sqlite'

/** Conditions as they come together, each with its parameters. */
export class Where {
  readonly #terms: string[] = []
  readonly #values: SQLInputValue[] = []
  /** Whether nothing can meet it, since it names what was never seen. */
  impossible = false

  add(term: string, ...values: readonly SQLInputValue[]): this {
    this.#terms.push(term)
    this.#values.push(...values)
    return this
  }

  /** A column that holds the number of a text. */
  named(database: DatabaseSync, column: string, text: string | undefined): this {
    if (text === undefined) return this
    const row = database.prepare('SELECT n FROM names WHERE name = ?').get(text)
    if (row === undefined) this.impossible = true
    else this.add(`${column} = ?`, Number(row['n']))
    return this
  }

  get sql(): string {
    return this.#terms.length === 0 ? '1' : this.#terms.join(' AND ')
  }

  get values(): readonly SQLInputValue[] {
    return this.#values
  }
}

/** Newest first: the time and number of the last row that was handed out. */
export interface Cursor {
  readonly ts: number
  readonly n: number
}

export function cursorText({ ts, n }: Cursor): string {
  return `${ts}.${n}`
}

/** Undefined for text that is no cursor. */
export function parseCursor(text: string): Cursor | undefined {
  const [, ts, n] = /^(\d{1,15})\.(\d{1,15})$/.exec(text) ?? []
  return ts === undefined || n === undefined ? undefined : { ts: Number(ts), n: Number(n) }
}

import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** How many texts are remembered; beyond it all are forgotten, and looked up again. */
const KEPT = 20_000

/** Texts that come again and again, as numbers. */
export class Numbered {
  readonly #insert: StatementSync
  readonly #find: StatementSync
  readonly #known = new Map<string, number>()
  readonly #added: (text: string, n: number) => void

  /** `added`: told of each that is new, in the transaction that adds it. */
  constructor(
    database: DatabaseSync,
    table: string,
    column: string,
    added: (text: string, n: number) => void = () => {},
  ) {
    this.#insert = database.prepare(`INSERT INTO ${table} (${column}) VALUES (?)`)
    this.#find = database.prepare(`SELECT n FROM ${table} WHERE ${column} = ?`)
    this.#added = added
  }

  number(text: string): number {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const found = this.find(text) ?? this.#add(text)
    if (this.#known.size === KEPT) this.#known.clear()
    this.#known.set(text, found)
    return found
  }

  /** Undefined for a text that is nowhere. */
  find(text: string): number | undefined {
    const row = this.#find.get(text)
    return row === undefined ? undefined : Number(row['n'])
  }

  /** A transaction was taken back: what it had added is not there. */
  forget(): void {
    this.#known.clear()
  }

  #add(text: string): number {
    const n = Number(this.#insert.run(text).lastInsertRowid)
    this.#added(text, n)
    return n
  }
}

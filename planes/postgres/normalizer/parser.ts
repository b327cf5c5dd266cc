import { NormalizeError } from '../../../engine/index.ts'
import { ParserThread } from './parser-thread.ts'
import { PgQuery, SqlFault } from './pg-query.ts'
import { parseScript, statementsOf, type ParsedStatement } from './script.ts'

export interface SqlParserOptions {
  /** Longest script, in UTF-8 bytes. Default 256 KiB, what a request to policy may take. */
  readonly maxBytes?: number
  /** Up to this many bytes are parsed between two reads of a socket; longer ones in a thread. Default 4 KiB. */
  readonly inlineBytes?: number
  /** Milliseconds that a long script may take. Default 2,000. */
  readonly deadlineMs?: number
  /** Scripts whose trees are kept, by text. Default 500. */
  readonly cacheEntries?: number
}

/** Only what is likely to come again is worth its tree's memory. */
const CACHED_BYTES = 1024

/**
 * SQL text → parse trees, by PostgreSQL's own parser and by nothing else. What spoils one instance costs that statement
 * alone: the instance is dropped, a spare takes its place.
 */
export class SqlParser {
  readonly #maxBytes: number
  readonly #inlineBytes: number
  readonly #cacheEntries: number
  readonly #cache = new Map<string, readonly ParsedStatement[]>()
  readonly #thread: ParserThread
  #query: PgQuery | null
  #spare: Promise<PgQuery>

  private constructor(options: SqlParserOptions, query: PgQuery) {
    this.#maxBytes = options.maxBytes ?? 256 * 1024
    this.#inlineBytes = options.inlineBytes ?? 4 * 1024
    this.#cacheEntries = options.cacheEntries ?? 500
    this.#thread = new ParserThread(options.deadlineMs ?? 2000)
    this.#thread.warm()
    this.#query = query
    this.#spare = openSpare()
  }

  static async open(options: SqlParserOptions = {}): Promise<SqlParser> {
    return new SqlParser(options, await PgQuery.open())
  }

  /**
   * The statements of one script; none for an empty one. Throws NormalizeError: SYNTAX with the server's own message and
   * position (its text quotes the client), TOO_COMPLEX.
   */
  async parse(sql: string): Promise<readonly ParsedStatement[]> {
    const known = this.#cache.get(sql)
    if (known !== undefined) {
      this.#remember(sql, known)
      return known
    }
    const bytes = this.#admit(sql)
    const parsed = bytes <= this.#inlineBytes ? await this.#parseInline(sql) : await this.#parseInThread(sql)
    if (bytes <= CACHED_BYTES) this.#remember(sql, parsed)
    return parsed
  }

  async close(): Promise<void> {
    this.#cache.clear()
    await this.#thread.close()
    await this.#spare.catch(() => null)
  }

  #admit(sql: string): number {
    const bytes = Buffer.byteLength(sql)
    if (bytes > this.#maxBytes) throw tooComplex(`the SQL text takes ${bytes} bytes; ${this.#maxBytes} are allowed`)
    if (sql.includes('\0') || !sql.isWellFormed()) {
      throw new NormalizeError('ERR_NORMALIZE_SYNTAX', 'the SQL text holds a NUL or is not valid Unicode')
    }
    return bytes
  }

  async #parseInline(sql: string): Promise<readonly ParsedStatement[]> {
    this.#query ??= await this.#takeSpare()
    const query = this.#query
    try {
      return statementsOf(sql, parseScript(query, sql))
    } catch (error) {
      if (error instanceof SqlFault) throw syntaxError(error)
      if (this.#query === query) this.#query = null
      throw tooComplex('the SQL text nests too deeply to be parsed: split the expression', error)
    }
  }

  async #parseInThread(sql: string): Promise<readonly ParsedStatement[]> {
    const answer = await this.#thread.ask(sql)
    switch (answer?.kind) {
      case 'parsed':
        return statementsOf(sql, answer)
      case 'fault':
        throw syntaxError(answer)
      case 'ready':
      case 'spoilt':
      case undefined:
        break
    }
    throw tooComplex('the SQL text is too complex to be parsed in time: split the statement')
  }

  async #takeSpare(): Promise<PgQuery> {
    const spare = this.#spare
    this.#spare = openSpare()
    return spare
  }

  #remember(sql: string, parsed: readonly ParsedStatement[]): void {
    this.#cache.delete(sql)
    this.#cache.set(sql, parsed)
    if (this.#cache.size <= this.#cacheEntries) return
    const oldest = this.#cache.keys().next()
    if (oldest.done !== true) this.#cache.delete(oldest.value)
  }
}

function openSpare(): Promise<PgQuery> {
  const spare = PgQuery.open()
  spare.catch(() => null)
  return spare
}

function syntaxError({ message, position }: { readonly message: string; readonly position: number }): NormalizeError {
  return new NormalizeError('ERR_NORMALIZE_SYNTAX', message, { position })
}

function tooComplex(message: string, cause?: unknown): NormalizeError {
  return new NormalizeError('ERR_NORMALIZE_TOO_COMPLEX', message, cause === undefined ? {} : { cause })
}

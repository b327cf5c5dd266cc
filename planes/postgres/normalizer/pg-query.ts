import { readFile } from 'node:fs/promises'
import { setFlagsFromString } from 'node:v8'
import loadWasm, { type PgQueryWasm } from 'libpg-query/wasm/libpg-query.js'

/** PostgreSQL's own parser says no. `position` counts characters from 1, as the protocol's field P does. */
export class SqlFault extends Error {
  readonly position: number

  constructor(message: string, position: number) {
    super(message)
    this.name = 'SqlFault'
    this.position = position
  }
}

/** A token of libpg-query's scanner; `start` and `end` are UTF-8 byte offsets. */
export interface ScanToken {
  readonly start: number
  readonly end: number
  readonly tokenName: string
  /** `NO_KEYWORD`, `RESERVED_KEYWORD`, …; a quoted name is no keyword. */
  readonly keywordName?: string
}

// PgQueryParseResult and PgQueryError of libpg_query's pg_query.h, as 32-bit pointers.
const RESULT_TREE = 0
const RESULT_ERROR = 8
const ERROR_MESSAGE = 0
const ERROR_CURSOR = 16

/** What libpg-query's scanner leaves in the JSON that it writes, where JSON wants an escape. */
// oxlint-disable-next-line no-control-regex -- these are what is looked for
const RAW_CONTROL = /[\u0000-\u001f]/g

let compiled: Promise<WebAssembly.Module> | undefined

/** The parser's code, compiled once a process: instances, in whichever thread, share it and nothing else. */
export function compilePgQuery(): Promise<WebAssembly.Module> {
  compiled ??= compile()
  return compiled
}

async function compile(): Promise<WebAssembly.Module> {
  const bytes = await readFile(new URL(import.meta.resolve('libpg-query/wasm/libpg-query.wasm')))
  const module = await WebAssembly.compile(bytes)
  const first = await PgQuery.open(Promise.resolve(module))
  unoptimized(() => first.parse('SELECT'))
  return module
}

/** V8's second compiler, which takes what runs often. */
const SECOND_COMPILER = ['wasm-tier-up', 'wasm-dynamic-tiering']

/**
 * Whatever WebAssembly runs within for the first time stays as V8's first compiler makes it. The second takes 550 MiB and
 * half a second for the grammar, which is one function, and it is no faster then.
 */
function unoptimized(work: () => void): void {
  for (const flag of SECOND_COMPILER) setFlagsFromString(`--no-${flag}`)
  try {
    work()
  } finally {
    for (const flag of SECOND_COMPILER) setFlagsFromString(`--${flag}`)
  }
}

/**
 * One instance of PostgreSQL's parser in WebAssembly. Any error other than SqlFault (a stack that overflowed, a trap)
 * leaves its memory in an unknown state: drop the instance, its next answer may be wrong or never come.
 */
export class PgQuery {
  readonly #wasm: PgQueryWasm

  private constructor(wasm: PgQueryWasm) {
    this.#wasm = wasm
  }

  static async open(code: Promise<WebAssembly.Module> = compilePgQuery()): Promise<PgQuery> {
    const module = await code
    return new PgQuery(
      await loadWasm({
        instantiateWasm(imports, receive) {
          receive(new WebAssembly.Instance(module, imports))
        },
      }),
    )
  }

  /** The raw parse tree as JSON text (PgQuery.ParseResult). Throws SqlFault. */
  parse(sql: string): string {
    const wasm = this.#wasm
    const text = this.#place(sql)
    const result = wasm._wasm_parse_query_raw(text)
    if (result === 0) throw new Error('the parser is out of memory')
    const error = wasm.getValue(result + RESULT_ERROR, 'i32')
    const fault = error === 0 ? null : this.#fault(error)
    const tree = fault === null ? wasm.UTF8ToString(wasm.getValue(result + RESULT_TREE, 'i32')) : ''
    wasm._free(text)
    wasm._wasm_free_parse_result(result)
    if (fault !== null) throw fault
    return tree
  }

  /** The text with literals replaced by `$n`, where libpg-query replaces them. */
  normalize(sql: string): string {
    return this.#textual(sql, (pointer) => this.#wasm._wasm_normalize_query(pointer))
  }

  /** Tokens, comments among them, as JSON text. */
  scan(sql: string): string {
    const json = this.#textual(sql, (pointer) => this.#wasm._wasm_scan(pointer))
    return json.replaceAll(RAW_CONTROL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
  }

  #textual(sql: string, call: (text: number) => number): string {
    const text = this.#place(sql)
    const answer = call(text)
    const value = this.#wasm.UTF8ToString(answer)
    this.#wasm._free(text)
    this.#wasm._wasm_free_string(answer)
    return value
  }

  #place(sql: string): number {
    const bytes = this.#wasm.lengthBytesUTF8(sql) + 1
    const pointer = this.#wasm._malloc(bytes)
    if (pointer === 0) throw new Error('the parser is out of memory')
    this.#wasm.stringToUTF8(sql, pointer, bytes)
    return pointer
  }

  #fault(error: number): SqlFault {
    const message = this.#wasm.UTF8ToString(this.#wasm.getValue(error + ERROR_MESSAGE, 'i32'))
    return new SqlFault(message, Math.max(1, this.#wasm.getValue(error + ERROR_CURSOR, 'i32')))
  }
}

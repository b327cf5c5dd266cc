import type { Node, RawStmt } from 'libpg-query'
import { innerText } from './inner-text.ts'
import { withoutLiterals } from './literals.ts'
import type { PgQuery } from './pg-query.ts'

/** One statement of a script, as the parser saw it. */
export interface ParsedStatement {
  /** Its own text, without the separating semicolon. */
  readonly text: string
  /** Where `text` starts in the script: UTF-16 units from 0. */
  readonly location: number
  /** libpg-query's raw parse tree; shared between sessions, so never changed. */
  readonly node: Node
  /** The text with every literal replaced by `$n` and without comments. */
  readonly normalizedText: string
  /** The text of the statement that a PREPARE or DECLARE gives a name; null for any other. */
  readonly inner: string | null
  /** Turns a node's `location` (UTF-8 bytes into the script) into the protocol's P: characters from 1. */
  readonly positionOf: (byteOffset: number) => number
}

/** What crosses from the worker: the tree as JSON text, each statement's text without literals, and what it names. */
export interface ParsedScript {
  readonly tree: string
  readonly normalized: readonly string[]
  readonly inner: readonly (string | null)[]
}

/** Runs on either side of the worker's boundary. Throws SqlFault, or anything else once the instance is spoilt. */
export function parseScript(query: PgQuery, sql: string): ParsedScript {
  const tree = query.parse(sql)
  const statements = slices(sql, rawStatements(tree))
  return {
    tree,
    normalized: statements.map(({ text }) => withoutLiterals(query, text)),
    inner: statements.map(({ node, text }) => innerText(query, node, text)),
  }
}

/** Puts the script's statements together again on the side that uses them. */
export function statementsOf(sql: string, { tree, normalized, inner }: ParsedScript): readonly ParsedStatement[] {
  return slices(sql, rawStatements(tree)).map(({ text, location, node }, index) => {
    const normalizedText = normalized[index]
    if (normalizedText === undefined) throw new Error('the parser lost a statement')
    const named = inner[index] ?? null
    return { text, location, node, normalizedText, inner: named, positionOf: (offset) => characterAt(sql, offset) }
  })
}

function rawStatements(tree: string): readonly RawStmt[] {
  const parsed: unknown = JSON.parse(tree)
  if (typeof parsed !== 'object' || parsed === null || !('stmts' in parsed) || !Array.isArray(parsed.stmts)) {
    throw new Error('the parser gave no statements')
  }
  return parsed.stmts.filter(isRawStatement)
}

/** What the parser wrote itself is believed to be of its own types. */
function isRawStatement(statement: unknown): statement is RawStmt {
  return typeof statement === 'object' && statement !== null && 'stmt' in statement
}

/** `stmt_location` is absent at 0, `stmt_len` to the end; both count bytes. */
function slices(sql: string, statements: readonly RawStmt[]): { text: string; location: number; node: Node }[] {
  const bytes = Buffer.from(sql)
  return statements.map(({ stmt, stmt_location: start = 0, stmt_len: length }) => {
    if (stmt === undefined) throw new Error('the parser gave an empty statement')
    const text = bytes.toString('utf8', start, length === undefined ? bytes.length : start + length)
    return { text, location: bytes.toString('utf8', 0, start).length, node: stmt }
  })
}

function characterAt(sql: string, byteOffset: number): number {
  return Array.from(Buffer.from(sql).toString('utf8', 0, byteOffset)).length + 1
}

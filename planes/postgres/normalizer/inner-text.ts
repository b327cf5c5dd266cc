import type { Node } from 'libpg-query'
import { bodyOf } from './ast.ts'
import { tokensOf } from './literals.ts'
import type { PgQuery } from './pg-query.ts'

/**
 * The text of the statement that PREPARE and DECLARE give a name; null for any other statement. Their grammar ends in
 * `AS statement` and `FOR statement`, and before that both words are reserved: outside parentheses (a list of types) the
 * first one it is.
 */
export function innerText(query: PgQuery, node: Node, sql: string): string | null {
  if (bodyOf('PrepareStmt', node) !== undefined) return behind(query, sql, 'AS')
  return bodyOf('DeclareCursorStmt', node) === undefined ? null : behind(query, sql, 'FOR')
}

function behind(query: PgQuery, sql: string, word: string): string | null {
  const bytes = Buffer.from(sql)
  let depth = 0
  for (const { start, end, tokenName, keywordName } of tokensOf(JSON.parse(query.scan(sql)))) {
    if (tokenName === 'ASCII_40') depth += 1
    else if (tokenName === 'ASCII_41') depth -= 1
    else if (depth === 0 && keywordName === 'RESERVED_KEYWORD') {
      if (bytes.toString('latin1', start, end).toUpperCase() === word) return bytes.toString('utf8', end).trim()
    }
  }
  return null
}

import type { Node } from 'libpg-query'
import { bodyOf } from './ast.ts'

/** The names of the session's own that a statement uses: what they stand for must be known before it can be named. */
interface References {
  readonly prepared: string | null
  readonly cursor: string | null
}

const NONE: References = { prepared: null, cursor: null }

export function referencesOf(node: Node): References {
  const execute = bodyOf('ExecuteStmt', node)
  if (execute !== undefined) return { prepared: execute.name ?? '', cursor: null }
  const fetch = bodyOf('FetchStmt', node)
  if (fetch !== undefined) return { prepared: null, cursor: fetch.portalname ?? '' }
  const inside = bodyOf('ExplainStmt', node)?.query ?? bodyOf('CreateTableAsStmt', node)?.query
  return inside === undefined ? NONE : referencesOf(inside)
}

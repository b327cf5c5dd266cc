import type { Node } from 'libpg-query'
import { NormalizeError } from '../../../engine/index.ts'
import { bodyOf } from './ast.ts'
import type { Catalog } from './catalog.ts'
import { copyStatement, createTableAs } from './copy.ts'
import { definitionStatement } from './definition-statement.ts'
import { explainStatement } from './explain.ts'
import {
  closeCursor,
  deallocate,
  declareCursor,
  discard,
  executeStatement,
  fetchStatement,
  givesName,
  prepareStatement,
  type SessionNames,
} from './named-statement.ts'
import { complete, type NormalizedStatement, type Outcome } from './normalized.ts'
import { Refusal, unsupported } from './refusal.ts'
import { rowStatement } from './row-statement.ts'
import type { ParsedStatement } from './script.ts'
import { setConfigStatement } from './set-config.ts'
import { setStatement, showStatement } from './settings.ts'
import { transactionStatement } from './transaction.ts'
import { unseenStatement } from './unseen-statement.ts'
import { Walk } from './walk.ts'

/**
 * Names all that a statement does. What can't be named (a form we don't cover, a name the catalogue doesn't have, code we
 * can't see into) is `opaque`, with its reason and position and without any literal of the client's: no policy forwards it
 * that doesn't say so. Throws NormalizeError TOO_COMPLEX where it can't be judged at all.
 */
export function normalizeStatement(
  parsed: ParsedStatement,
  catalog: Catalog,
  names: SessionNames,
): NormalizedStatement {
  try {
    // Another session's planner, which is the one that is asked, knows nothing of this one's own.
    const planned = hasPlan(parsed.node) && catalog.common ? parsed.text : null
    return complete(outcomeOf(parsed, catalog, names), parsed.normalizedText, planned, parsed.positionOf)
  } catch (error) {
    if (error instanceof Refusal) throw error.toError(parsed.positionOf)
    // The analysis keeps nothing between statements, so a stack that ran out leaves nothing behind.
    if (error instanceof RangeError) {
      throw new NormalizeError('ERR_NORMALIZE_TOO_COMPLEX', 'the statement nests too deeply to be judged', {
        cause: error,
      })
    }
    throw error
  }
}

function hasPlan(node: Node): boolean {
  return 'SelectStmt' in node || 'InsertStmt' in node || 'UpdateStmt' in node || 'DeleteStmt' in node
}

function outcomeOf(parsed: ParsedStatement, catalog: Catalog, names: SessionNames): Outcome {
  const { node, inner } = parsed
  try {
    const set = setConfigStatement(Walk.over(catalog, names), node)
    return set ?? analysed(node, Walk.over(catalog, names), names, inner)
  } catch (error) {
    if (!(error instanceof Refusal) || !error.permittable) throw error
    const unseen = unseenStatement(Walk.over(catalog, names), node, error)
    return { ...unseen, effect: givesName(node, inner) ?? { kind: 'unseen' } }
  }
}

function analysed(node: Node, walk: Walk, names: SessionNames, inner: string | null): Outcome {
  if ('SelectStmt' in node || 'InsertStmt' in node || 'UpdateStmt' in node || 'DeleteStmt' in node) {
    return selectsInto(node) ? createTableAs(walk, intoOf(node), names) : rowStatement(walk, node)
  }
  if ('MergeStmt' in node) return rowStatement(walk, node)
  if ('TransactionStmt' in node) return transactionStatement(node.TransactionStmt)
  if ('VariableSetStmt' in node) return setStatement(node.VariableSetStmt)
  if ('VariableShowStmt' in node) return showStatement(node.VariableShowStmt)
  if ('ExplainStmt' in node) return explainStatement(node.ExplainStmt, (query) => analysed(query, walk, names, null))
  if ('PrepareStmt' in node) return prepareStatement(walk, node.PrepareStmt, inner)
  if ('ExecuteStmt' in node) return executeStatement(walk, node.ExecuteStmt, names)
  if ('DeallocateStmt' in node) return deallocate(node.DeallocateStmt)
  if ('DeclareCursorStmt' in node) return declareCursor(walk, node.DeclareCursorStmt, inner)
  if ('FetchStmt' in node) return fetchStatement(walk, node.FetchStmt, names)
  if ('ClosePortalStmt' in node) return closeCursor(node.ClosePortalStmt)
  if ('DiscardStmt' in node) return discard(walk, node.DiscardStmt)
  if ('CopyStmt' in node) return copyStatement(walk, node.CopyStmt)
  if ('CreateTableAsStmt' in node) return createTableAs(walk, node.CreateTableAsStmt, names)
  const definition = definitionStatement(walk, node)
  if (definition === undefined) throw unsupported('this statement is not covered')
  return definition
}

/** `SELECT … INTO t` is CREATE TABLE AS in another order. */
function selectsInto(node: Node): boolean {
  return bodyOf('SelectStmt', node)?.intoClause !== undefined
}

function intoOf(node: Node): Parameters<typeof createTableAs>[1] {
  const { intoClause, ...query } = bodyOf('SelectStmt', node) ?? {}
  return {
    query: { SelectStmt: query },
    ...(intoClause === undefined ? {} : { into: intoClause }),
    is_select_into: true,
  }
}

import type { DeallocateStmt, DiscardStmt, ExecuteStmt, Node } from 'libpg-query'
import { NormalizeError } from '../../../engine/index.ts'
import { kindOf } from './ast.ts'
import type { Catalog } from './catalog.ts'
import { copyStatement, createTableAs } from './copy.ts'
import { definitionStatement } from './definition-statement.ts'
import { explainStatement } from './explain.ts'
import { complete, type NormalizedStatement, type Outcome } from './normalized.ts'
import { Refusal, unsupported } from './refusal.ts'
import { rowStatement } from './row-statement.ts'
import type { ParsedStatement } from './script.ts'
import { setStatement, showStatement } from './settings.ts'
import { transactionStatement } from './transaction.ts'
import { Walk } from './walk.ts'

/** What a statement's names may mean besides the catalogue. */
export interface SessionNames {
  readonly database: string
  /** The upstream's role: `"$user"` in search_path. */
  readonly user: string
  /** A prepared statement of this session, by wire or SQL: they share one name space. */
  prepared(name: string): NormalizedStatement | undefined
}

/**
 * Names all that a statement does. Throws NormalizeError: UNSUPPORTED (a form we don't cover), UNRESOLVED (a name the
 * catalogue doesn't have), OPAQUE (code we can't see into), TOO_COMPLEX; with its position where known, and without any
 * literal of the client's.
 */
export function normalizeStatement(
  parsed: ParsedStatement,
  catalog: Catalog,
  names: SessionNames,
): NormalizedStatement {
  try {
    const outcome = outcomeOf(parsed.node, Walk.over(catalog, names), names)
    return complete(outcome, parsed.normalizedText, hasPlan(parsed.node) ? parsed.text : null)
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

function outcomeOf(node: Node, walk: Walk, names: SessionNames): Outcome {
  if ('SelectStmt' in node || 'InsertStmt' in node || 'UpdateStmt' in node || 'DeleteStmt' in node) {
    return rowStatement(walk, node)
  }
  if ('TransactionStmt' in node) return transactionStatement(node.TransactionStmt)
  if ('VariableSetStmt' in node) return setStatement(node.VariableSetStmt)
  if ('VariableShowStmt' in node) return showStatement(node.VariableShowStmt)
  if ('ExplainStmt' in node) return explainStatement(walk, node.ExplainStmt)
  if ('DeallocateStmt' in node) return deallocate(node.DeallocateStmt)
  if ('DiscardStmt' in node) return discard(node.DiscardStmt)
  if ('ExecuteStmt' in node) return execute(node.ExecuteStmt, names)
  if ('CopyStmt' in node) return copyStatement(walk, node.CopyStmt)
  if ('CreateTableAsStmt' in node) return createTableAs(walk, node.CreateTableAsStmt)
  const definition = definitionStatement(walk, node)
  if (definition === undefined) throw unsupported(`${spoken(kindOf(node))} is not covered`)
  return definition
}

function deallocate({ name, isall }: DeallocateStmt): Outcome {
  const target = isall === true ? null : (name ?? null)
  return { kind: 'deallocate', class: 'control', effect: { kind: 'deallocate', name: target } }
}

function discard({ target }: DiscardStmt): Outcome {
  const all = target === 'DISCARD_ALL'
  return { kind: 'discard', class: 'control', effect: { kind: all ? 'discard_all' : 'none' } }
}

/** What was prepared, with nothing known of what its parameters become. */
function execute({ name = '' }: ExecuteStmt, names: SessionNames): Outcome {
  const prepared = names.prepared(name)
  if (prepared === undefined)
    throw unsupported('EXECUTE of a statement that this session did not prepare is not covered')
  const resources = prepared.resources.map((resource) => ({
    ...resource,
    parts: resource.parts.map((part) => (part.written === undefined ? part : { ...part, written: null })),
  }))
  const { kind, action, effectFree, outputs, functions, triggers, effect } = prepared
  return { kind, class: action.class, effectFree, resources, outputs, functions, triggers, effect }
}

/** `AlterSystemStmt` → `ALTER SYSTEM` */
function spoken(kind: string): string {
  return kind
    .replace(/Stmt$/, '')
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toUpperCase()
}

import type {
  ClosePortalStmt,
  DeallocateStmt,
  DeclareCursorStmt,
  DiscardStmt,
  ExecuteStmt,
  FetchStmt,
  Node,
  PrepareStmt,
} from 'libpg-query'
import { all, bodyOf } from './ast.ts'
import type { NormalizedResource, Outcome, SessionEffect } from './normalized.ts'
import { ownDiscarded } from './own-definition.ts'
import { type Refusal, unresolved, unsupported } from './refusal.ts'
import { rowStatement } from './row-statement.ts'
import { EMPTY_SCOPE } from './scope.ts'
import type { ParsedStatement } from './script.ts'
import { checkShape } from './shape.ts'
import { castOid } from './types.ts'
import { Walk } from './walk.ts'
import { textAs } from './written-value.ts'

/** What a statement's names may mean besides the catalogue. */
export interface SessionNames {
  readonly database: string
  /** The upstream's role: `"$user"` in search_path. */
  readonly user: string
  /** What is prepared under this name, by wire or SQL: they share one name space. Types: 0 where not known. */
  prepared(name: string): { readonly parsed: ParsedStatement; readonly parameterOids: readonly number[] } | undefined
  /** What the cursor, or wire portal, of this name is over. */
  cursor(name: string): { readonly parsed: ParsedStatement; readonly binary: boolean } | undefined
}

/** What is named, as if it stood in the place of its name; its own text is another one, so no place in it is told. */
function inside(walk: Walk, parsed: ParsedStatement, names: SessionNames): Outcome {
  const { node } = parsed
  if (!isRows(node))
    throw unsupported('a name for anything but a SELECT, INSERT, UPDATE, DELETE or MERGE is not covered')
  const outcome = rowStatement(Walk.over(walk.catalog, names), node)
  return { ...outcome, opaque: (outcome.opaque ?? []).map((refusal) => refusal.within('what is named')) }
}

function isRows(node: Node): boolean {
  return ['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'].some((kind) => kind in node)
}

/** A type of which no value can be told: an array's. */
const UNTOLD = -1

/** Named as the wire's Parse is: what it will do is decided each time that it is executed. */
export function prepareStatement(walk: Walk, stmt: PrepareStmt, inner: string | null): Outcome {
  const { name = '', argtypes, query } = stmt
  if (query === undefined || inner === null || !isRows(query)) throw unsupported('this form of PREPARE is not covered')
  const parameterOids = all('TypeName', argtypes).map((type) => castOid(walk, type) ?? UNTOLD)
  const outcome = rowStatement(walk, query)
  return {
    ...outcome,
    kind: 'prepare',
    class: 'discover',
    effectFree: true,
    outputs: null,
    resources: unknownValues(outcome.resources),
    effect: { kind: 'prepare', name, sql: inner, parameterOids },
  }
}

/** What was prepared, with the arguments as its parameters. */
export function executeStatement(walk: Walk, stmt: ExecuteStmt, names: SessionNames): Outcome {
  const { name = '', params = [] } = stmt
  const prepared = names.prepared(name)
  if (prepared === undefined)
    throw unresolved(`prepared statement "${name}" does not exist`, undefined, 'undefinedStatement')
  const outcome = inside(walk, prepared.parsed, names)
  for (const node of params) checkShape(node)
  for (const node of params) walk.findings.use(walk.value(node, EMPTY_SCOPE), 'derived')
  return withOpaque(outcome, walk, {
    values: params.map((node, index) => argumentOf(node, prepared.parameterOids[index] ?? 0)),
    functions: [...new Set([...(outcome.functions ?? []), ...walk.findings.functions])].toSorted(),
  })
}

function withOpaque(outcome: Outcome, walk: Walk, more: Partial<Outcome>): Outcome {
  const opaque: readonly Refusal[] = [...(outcome.opaque ?? []), ...walk.findings.opaque.values()]
  return { ...outcome, ...more, opaque, effectFree: outcome.effectFree === true && !walk.findings.effects }
}

/** A literal as it is written, if its parameter's type takes it so. What is computed, or cast, isn't known beforehand. */
function argumentOf(node: Node, typeOid: number): string | null | undefined {
  const constant = bodyOf('A_Const', node)
  return constant === undefined ? undefined : textAs(constant, typeOid)
}

type Declaration = Extract<SessionEffect, { kind: 'declare' }>

const HOLD = 0x20
const BINARY = 0x01

/** Decided as its query is, though no row comes yet. */
export function declareCursor(walk: Walk, stmt: DeclareCursorStmt, inner: string | null): Outcome {
  const { query } = stmt
  if (bodyOf('SelectStmt', query) === undefined || query === undefined || inner === null) {
    throw unsupported('a cursor over anything but a SELECT is not covered')
  }
  const effect = declaring(stmt, inner)
  return { ...rowStatement(walk, query), kind: 'declare_cursor', outputs: null, effect }
}

function declaring({ portalname: name = '', options = 0 }: DeclareCursorStmt, sql: string): Declaration {
  return { kind: 'declare', name, sql, hold: (options & HOLD) !== 0, binary: (options & BINARY) !== 0 }
}

/**
 * The name that is given to a query which can't be looked into: the server knows it from here on, and each use of it is
 * judged like the query itself. Null for any other statement, and for WITH HOLD, which runs all of its query unasked.
 */
export function givesName(node: Node, inner: string | null): SessionEffect | null {
  if (inner === null) return null
  if ('DeclareCursorStmt' in node) {
    const cursor = declaring(node.DeclareCursorStmt, inner)
    return cursor.hold ? null : cursor
  }
  if (!('PrepareStmt' in node)) return null
  const { name = '', argtypes = [] } = node.PrepareStmt
  return { kind: 'prepare', name, sql: inner, parameterOids: argtypes.map(() => UNTOLD) }
}

/** FETCH and MOVE do what the cursor's query does; MOVE tells how many rows there are, and no more. */
export function fetchStatement(walk: Walk, { portalname: name = '', ismove }: FetchStmt, names: SessionNames): Outcome {
  const cursor = names.cursor(name)
  if (cursor === undefined) throw unresolved(`cursor "${name}" does not exist`, undefined, 'undefinedCursor')
  const outcome = inside(walk, cursor.parsed, names)
  const resources = unknownValues(outcome.resources)
  return ismove === true
    ? { ...outcome, kind: 'move', resources, outputs: null }
    : { ...outcome, kind: 'fetch', resources, effect: { kind: 'fetch', name, binary: cursor.binary } }
}

export function closeCursor({ portalname }: ClosePortalStmt): Outcome {
  return { kind: 'close', class: 'control', effect: { kind: 'close', name: portalname ?? null } }
}

export function deallocate({ name, isall }: DeallocateStmt): Outcome {
  const target = isall === true ? null : (name ?? null)
  return { kind: 'deallocate', class: 'control', effect: { kind: 'deallocate', name: target } }
}

export function discard(walk: Walk, { target }: DiscardStmt): Outcome {
  const effect: SessionEffect =
    target === 'DISCARD_TEMP'
      ? { kind: 'own', change: ownDiscarded(walk) }
      : { kind: target === 'DISCARD_ALL' ? 'discard_all' : 'none' }
  return { kind: 'discard', class: 'control', effect }
}

/** Values that were written under the name's own parameters aren't this statement's to tell. */
function unknownValues(resources: readonly NormalizedResource[] = []): readonly NormalizedResource[] {
  return resources.map((resource) => ({
    ...resource,
    parts: resource.parts.map((part) => (part.written === undefined ? part : { ...part, written: null })),
  }))
}

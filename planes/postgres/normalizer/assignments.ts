import type { MultiAssignRef, Node, ResTarget } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { all, bodyOf, kindOf } from './ast.ts'
import { lineageOf } from './own-lineage.ts'
import type { ColumnSource, Relation } from './relation.ts'
import type { WrittenValue } from './findings.ts'
import { unresolved, unsupported } from './refusal.ts'
import type { Scope, ScopeItem } from './scope.ts'
import type { Column, Value } from './value.ts'
import { writtenValue } from './written-value.ts'

/** The relation that a statement changes, as names find it. */
export interface WriteTarget {
  readonly relation: Relation
  readonly item: ScopeItem
}

/**
 * A column gets a value. Through a view it is the column behind it that gets it. A labelled column that flows into another
 * one has left its mask behind, so whatever the value is made of counts as derived.
 */
export function assign(
  analysis: Analysis,
  { relation }: WriteTarget,
  column: Column,
  value: Value,
  written: readonly WrittenValue[] | null,
): void {
  if (relation.kind === 'view' && !column.value.copy) {
    throw unsupported(`column "${column.name}" of the view ${relation.qualified} can't be written`)
  }
  analysis.findings.use(value, 'derived')
  for (const source of writtenSources(relation, column)) {
    analysis.findings.write(source, written)
    analysis.findings.meetAt(value.parameters, source, 'written')
  }
  carry(analysis, relation, column, value)
}

/** A column of the session's own is written itself, not what it once was made of; it carries on what it gets. */
function writtenSources(relation: Relation, { name, value }: Column): Iterable<ColumnSource> {
  if (relation.own === null || relation.kind === 'view') return value.sources
  return relation.columns.filter((column) => column.name === name).map(({ source }) => source)
}

function carry(analysis: Analysis, { own, kind, columns }: Relation, { name }: Column, value: Value): void {
  const column = columns.find((each) => each.name === name)
  if (own === null || kind === 'view' || column === undefined) return
  const lineage = lineageOf(analysis.catalog, { ...value, copy: value.copy && value.typeOid === column.typeOid })
  if (lineage.sources.length > 0)
    analysis.findings.carries.push({ root: own.made.root, attnum: column.attnum, lineage })
}

export function targetColumn({ item, relation }: WriteTarget, { name, location }: ResTarget): Column {
  const column = item.columns.find((each) => each.name === name)
  if (column === undefined)
    throw unresolved(`column "${name ?? ''}" of ${relation.qualified} does not exist`, location, 'undefinedColumn')
  return column
}

/** The SET list of an UPDATE or of ON CONFLICT. */
export function setColumns(
  analysis: Analysis,
  target: WriteTarget,
  nodes: readonly Node[] | undefined,
  level: Scope,
): void {
  for (const item of all('ResTarget', nodes)) {
    if (item.val === undefined) throw unsupported('an assignment without a value', item.location)
    const column = targetColumn(target, item)
    const source = bodyOf('MultiAssignRef', item.val)
    const node = source === undefined ? item.val : assignedNode(source)
    const value = node === null ? queryColumn(analysis, source, level) : analysis.value(node, level)
    const whole = (item.indirection ?? []).length === 0 && node !== null
    const written = whole ? writtenValue(analysis, node, column.value.typeOid) : null
    assign(analysis, target, column, value, written === null ? null : [written])
  }
}

/** `(a, b) = (1, 2)`: the node for this column; null where it is a sub-query's. */
function assignedNode({ source, colno = 1 }: MultiAssignRef): Node | null {
  if (source === undefined) throw unsupported('an assignment without a source')
  if ('SubLink' in source) return null
  const node = bodyOf('RowExpr', source)?.args?.[colno - 1]
  if (node === undefined) throw unsupported(`${kindOf(source)} as the source of several columns is not covered`)
  return node
}

function queryColumn(analysis: Analysis, ref: MultiAssignRef | undefined, level: Scope): Value {
  const query = bodyOf('SubLink', ref?.source)?.subselect
  if (query === undefined) throw unsupported('an assignment without a query')
  const column = analysis.query(query, level)[(ref?.colno ?? 1) - 1]
  if (column === undefined) throw unresolved('a sub-query has fewer columns than it assigns to', undefined, 'syntax')
  return column.value
}

/** What decides which rows are changed. */
export function condition(analysis: Analysis, node: Node | undefined, level: Scope): void {
  if (node !== undefined) analysis.findings.use(analysis.value(node, level), 'predicate')
}

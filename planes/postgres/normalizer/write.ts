import type { DeleteStmt, InsertStmt, Node, RangeVar, ReturningClause, UpdateStmt } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { all, bodyOf } from './ast.ts'
import type { Relation } from './relation.ts'
import { withCommonTables } from './common-tables.ts'
import { conflict } from './conflict.ts'
import type { WrittenValue } from './findings.ts'
import { fromClause, relationItem } from './from.ts'
import { opaque, unresolved, unsupported } from './refusal.ts'
import { family, relationOf } from './relations.ts'
import { Scope, type ScopeItem } from './scope.ts'
import { targetList } from './select.ts'
import { deleted, setOff, updated } from './side-effects.ts'
import { assign, condition, setColumns, targetColumn, type WriteTarget } from './assignments.ts'
import { NOTHING, type Column, type Value } from './value.ts'
import { writtenValue } from './written-value.ts'

/** INSERT; its result is what RETURNING lists. */
export function insertRows(analysis: Analysis, stmt: InsertStmt, outer: Scope): readonly Column[] {
  // An upsert may change rows that are there already.
  const upsert = stmt.onConflictClause?.action === 'ONCONFLICT_UPDATE'
  analysis.findings.does(upsert ? 'upsert' : 'insert', 'write')
  const level = withCommonTables(analysis, stmt.withClause, new Scope(outer))
  const target = openTarget(analysis, stmt.relation, ({ partitioned }) => !partitioned)
  const columns = insertedColumns(target, stmt.cols)
  const inserted = stmt.selectStmt === undefined ? [] : insertedValues(analysis, stmt.selectStmt, columns, level)
  for (const [index, { column, whole }] of columns.entries()) {
    const given = inserted[index]
    if (given !== undefined) assign(analysis, target, column, given.value, whole ? given.written : null)
  }
  const proposed = columns.map(({ column }, index) => ({ name: column.name, value: inserted[index]?.value ?? NOTHING }))
  if (stmt.onConflictClause !== undefined) conflict(analysis, stmt.onConflictClause, target, proposed, level)
  if (upsert) updated(analysis, target.relation, !target.relation.partitioned)
  return returning(analysis, stmt.returningClause, target.item, [target.item], level)
}

export function updateRows(analysis: Analysis, stmt: UpdateStmt, outer: Scope): readonly Column[] {
  analysis.findings.does('update', 'write')
  const level = withCommonTables(analysis, stmt.withClause, new Scope(outer))
  const target = openTarget(analysis, stmt.relation, () => stmt.relation?.inh !== true)
  const items = [target.item, ...fromClause(analysis, stmt.fromClause, level)]
  setColumns(analysis, target, stmt.targetList, level.withItems(items))
  condition(analysis, stmt.whereClause, level.withItems(items))
  updated(analysis, target.relation, stmt.relation?.inh !== true)
  return returning(analysis, stmt.returningClause, target.item, items, level)
}

export function deleteRows(analysis: Analysis, stmt: DeleteStmt, outer: Scope): readonly Column[] {
  analysis.findings.does('delete', 'destroy')
  const level = withCommonTables(analysis, stmt.withClause, new Scope(outer))
  const target = openTarget(analysis, stmt.relation, () => stmt.relation?.inh !== true)
  deleted(analysis, target.relation, stmt.relation?.inh !== true)
  const items = [target.item, ...fromClause(analysis, stmt.usingClause, level)]
  condition(analysis, stmt.whereClause, level.withItems(items))
  return returning(analysis, stmt.returningClause, target.item, items, level)
}

/**
 * The relation that is changed, named with all that stands behind it; `only` tells whether its children are left alone.
 * A name here never means a WITH query.
 */
export function openTarget(
  analysis: Analysis,
  range: RangeVar | undefined,
  only: (relation: Relation) => boolean,
): WriteTarget {
  if (range === undefined) throw unsupported('a statement without a target')
  const relation = relationOf(analysis, range)
  const columns = analysis.read(relation, only(relation))
  for (const member of family(relation, only(relation))) admitWrite(analysis, member)
  if (relation.kind === 'view') for (const base of analysis.findings.relations) setOff(analysis, base)
  return { relation, item: relationItem(analysis, range, columns) }
}

function admitWrite(analysis: Analysis, relation: Relation): void {
  if (relation.rules)
    throw opaque(`rule on ${relation.qualified}`, `a rule rewrites statements on ${relation.qualified}`)
  if (relation.kind === 'view' && relation.triggers.length > 0) {
    const message = `a trigger takes the place of statements on the view ${relation.qualified}`
    analysis.findings.runs(opaque(`trigger on ${relation.qualified}`, message))
  }
  if (relation.kind === 'materialized-view') throw unsupported(`${relation.qualified} can't be written`)
  setOff(analysis, relation)
}

interface InsertedColumn {
  readonly column: Column
  /** False where only an element or a field of it is given. */
  readonly whole: boolean
}

function insertedColumns(target: WriteTarget, cols: readonly Node[] | undefined): readonly InsertedColumn[] {
  const listed = all('ResTarget', cols)
  const columns = target.item.columns
  if (listed.length === 0) return columns.map((column) => ({ column, whole: true }))
  return listed.map((item) => ({ column: targetColumn(target, item), whole: (item.indirection ?? []).length === 0 }))
}

interface InsertedValue {
  readonly value: Value
  readonly written: readonly WrittenValue[] | null
}

function insertedValues(
  analysis: Analysis,
  source: Node,
  columns: readonly InsertedColumn[],
  level: Scope,
): readonly InsertedValue[] {
  const given = analysis.query(source, level)
  if (given.length > columns.length)
    throw unresolved('INSERT has more expressions than target columns', undefined, 'syntax')
  const rows = plainRows(source)
  return given.map(({ value }, index) => {
    const typeOid = columns[index]?.column.value.typeOid ?? null
    const cells = rows
      ?.map((row) => row[index])
      .map((node) => (node === undefined ? null : writtenValue(analysis, node, typeOid)))
    return { value, written: known(cells) }
  })
}

/** The rows of a VALUES list that are inserted as they stand. */
function plainRows(source: Node): readonly (readonly Node[])[] | null {
  const select = bodyOf('SelectStmt', source)
  const lists = select?.valuesLists ?? []
  const reshaped = select?.limitCount ?? select?.limitOffset ?? select?.sortClause ?? select?.withClause
  return lists.length === 0 || reshaped !== undefined ? null : all('List', lists).map(({ items = [] }) => items)
}

function known(values: readonly (WrittenValue | null)[] | undefined): readonly WrittenValue[] | null {
  if (values === undefined || values.some((value) => value === null)) return null
  return values.filter((value) => value !== null)
}

/** RETURNING sees the target, what stood beside it, and (PostgreSQL 18) the row as `old` and as `new`. */
export function returning(
  analysis: Analysis,
  clause: ReturningClause | undefined,
  target: ScopeItem,
  items: readonly ScopeItem[],
  level: Scope,
): readonly Column[] {
  if (clause === undefined) return []
  const renamed = all('ReturningOption', clause.options)
  const versions = (['OLD', 'NEW'] as const).map((version): ScopeItem => {
    const option = renamed.find((each) => each.option === `RETURNING_OPTION_${version}`)
    return { ...target, alias: option?.value ?? version.toLowerCase(), relation: null, bare: false }
  })
  const taken = new Set(items.map(({ alias }) => alias))
  const visible = versions.filter(({ alias }) => !taken.has(alias))
  return targetList(analysis, clause.exprs, level.withItems([...items, ...visible]))
}

import type { Node, SelectStmt } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { all, bodyOf, isAbsent, kindOf, names } from './ast.ts'
import { columnName } from './column-name.ts'
import { endsInStar, starColumns } from './column-ref.ts'
import { mergeColumns, withCommonTables } from './common-tables.ts'
import { fromClause } from './from.ts'
import { windowDefinition } from './function-call.ts'
import { operator } from './operators.ts'
import { tooComplex, unresolved, unsupported } from './refusal.ts'
import { Scope } from './scope.ts'
import { type Column, made, type Value } from './value.ts'

/** MaxTupleAttributeNumber: the server refuses a result with more columns. */
const MAX_COLUMNS = 1664

/** The result columns of a SELECT, VALUES, TABLE or set operation. */
export function select(analysis: Analysis, stmt: SelectStmt, outer: Scope): readonly Column[] {
  const level = withCommonTables(analysis, stmt.withClause, new Scope(outer))
  const columns = body(analysis, stmt, level)
  if (columns.length > MAX_COLUMNS) throw tooComplex(`a query of more than ${MAX_COLUMNS} columns`)
  for (const limit of [stmt.limitCount, stmt.limitOffset]) {
    if (limit !== undefined) analysis.findings.use(analysis.value(limit, level), 'predicate')
  }
  // A row lock is held against everybody else, and PostgreSQL asks for the right to UPDATE.
  if ((stmt.lockingClause ?? []).length > 0) analysis.findings.does('select_for_update', 'write')
  return columns
}

function body(analysis: Analysis, stmt: SelectStmt, level: Scope): readonly Column[] {
  if ((stmt.op ?? 'SETOP_NONE') !== 'SETOP_NONE') return setOperation(analysis, stmt, level)
  return (stmt.valuesLists ?? []).length > 0 ? values(analysis, stmt, level) : plain(analysis, stmt, level)
}

function plain(analysis: Analysis, stmt: SelectStmt, outer: Scope): readonly Column[] {
  const level = outer.withItems(fromClause(analysis, stmt.fromClause, outer))
  const columns = targetList(analysis, stmt.targetList, level)
  for (const condition of [stmt.whereClause, stmt.havingClause]) {
    if (condition !== undefined) analysis.findings.use(analysis.value(condition, level), 'predicate')
  }
  for (const node of stmt.groupClause ?? []) groupKey(analysis, node, columns, level)
  for (const window of all('WindowDef', stmt.windowClause)) windowDefinition(analysis, window, level)
  distinct(analysis, stmt.distinctClause, columns, level)
  orderBy(analysis, stmt.sortClause, columns, level)
  return columns
}

/** The columns of a target list or RETURNING. What a client's own text computes counts, whether it is used or not. */
export function targetList(analysis: Analysis, nodes: readonly Node[] | undefined, level: Scope): readonly Column[] {
  const columns = all('ResTarget', nodes).flatMap(({ name, val, location }) => {
    if (val === undefined) throw unsupported('a target without a value', location)
    return targets(analysis, val, name, level)
  })
  analysis.budget.spend(columns.length)
  if (analysis.strict) for (const { value } of columns) if (!value.copy) analysis.findings.use(value, 'derived')
  return columns
}

function targets(analysis: Analysis, node: Node, name: string | undefined, level: Scope): readonly Column[] {
  if ('ColumnRef' in node && endsInStar(node.ColumnRef)) return starColumns(analysis, node.ColumnRef, level)
  const fields = 'A_Indirection' in node ? starFields(analysis, node.A_Indirection.indirection, node, level) : null
  return fields ?? [{ name: name ?? columnName(node), value: analysis.value(node, level) }]
}

/** `(x).*` where it is one. */
function starFields(
  analysis: Analysis,
  steps: readonly Node[] | undefined,
  node: Extract<Node, { A_Indirection: unknown }>,
  level: Scope,
): readonly Column[] | null {
  if (bodyOf('A_Star', steps?.at(-1)) === undefined) return null
  const path = (steps ?? []).slice(0, -1)
  const { arg } = node.A_Indirection
  if (arg === undefined) throw unsupported('an indirection of nothing')
  const value = analysis.value(path.length === 0 ? arg : { A_Indirection: { arg, indirection: path } }, level)
  if (value.fields === null) throw unsupported('.* of a row whose fields are not known')
  return value.fields
}

function setOperation(analysis: Analysis, stmt: SelectStmt, level: Scope): readonly Column[] {
  if (stmt.larg === undefined || stmt.rarg === undefined) throw unsupported('a set operation without two arms')
  const left = analysis.query({ SelectStmt: stmt.larg }, level)
  const right = analysis.query({ SelectStmt: stmt.rarg }, level)
  const merged = mergeColumns(left, right)
  if (stmt.op !== 'SETOP_UNION' || stmt.all !== true) compared(analysis, left, right)
  const columns = stmt.op === 'SETOP_UNION' ? merged : left
  orderBy(analysis, stmt.sortClause, columns, null)
  return columns
}

/** Rows of both arms are compared: how many come out tells which are equal. */
function compared(analysis: Analysis, left: readonly Column[], right: readonly Column[]): void {
  for (const [index, column] of left.entries()) {
    const against = right[index]
    const both = made(against === undefined ? [column.value] : [column.value, against.value])
    analysis.findings.use(both, 'predicate')
    analysis.findings.meet(both, 'predicate')
  }
}

function values(analysis: Analysis, stmt: SelectStmt, level: Scope): readonly Column[] {
  const rows = all('List', stmt.valuesLists).map(({ items = [] }) =>
    items.map((node, index) => ({ name: `column${index + 1}`, value: analysis.value(node, level) })),
  )
  const columns = mergeRows(rows)
  analysis.budget.spend(rows.length * columns.length)
  if (analysis.strict) for (const { value } of columns) if (!value.copy) analysis.findings.use(value, 'derived')
  orderBy(analysis, stmt.sortClause, columns, level)
  return columns
}

/** Neighbour with neighbour: one after the other would copy all that went before for each of 65,535 parameters. */
function mergeRows(rows: readonly (readonly Column[])[]): readonly Column[] {
  if (rows.length < 2) return rows[0] ?? []
  const half = rows.length >> 1
  return mergeColumns(mergeRows(rows.slice(0, half)), mergeRows(rows.slice(half)))
}

function distinct(
  analysis: Analysis,
  nodes: readonly Node[] | undefined,
  columns: readonly Column[],
  level: Scope,
): void {
  for (const node of nodes ?? []) {
    // Plain DISTINCT is a list of one absent node.
    if (isAbsent(node)) for (const { value } of columns) analysis.findings.use(value, 'predicate')
    else analysis.findings.use(outputFirst(analysis, node, columns, level), 'predicate')
  }
}

/** SQL92: a name is a result column's before it is a table's; a number counts result columns. Null: those only. */
function orderBy(
  analysis: Analysis,
  nodes: readonly Node[] | undefined,
  columns: readonly Column[],
  level: Scope | null,
): void {
  for (const { node, useOp, location } of all('SortBy', nodes)) {
    if (node === undefined) throw unsupported('an ORDER BY without a key', location)
    if ((useOp ?? []).length > 0) operator(analysis, names(useOp), location)
    analysis.findings.use(outputFirst(analysis, node, columns, level), 'predicate')
  }
}

function outputFirst(analysis: Analysis, node: Node, columns: readonly Column[], level: Scope | null): Value {
  const name = bareName(node)
  const found = name === undefined ? [] : columns.filter((column) => column.name === name)
  if (found.length > 0) return made(found.map(({ value }) => value))
  const position = byPosition(node, columns)
  if (position !== undefined) return position
  if (level === null) throw unsupported('a set operation can be ordered by its result columns only')
  return analysis.value(node, level)
}

/** GROUP BY: a table's column before a result column of that name. */
function groupKey(analysis: Analysis, node: Node, columns: readonly Column[], level: Scope): void {
  const set = bodyOf('GroupingSet', node)
  if (set !== undefined) {
    for (const key of set.content ?? []) groupKey(analysis, key, columns, level)
    return
  }
  const name = bareName(node)
  const value =
    byPosition(node, columns) ??
    (name === undefined || hasColumn(level, name)
      ? analysis.value(node, level)
      : outputFirst(analysis, node, columns, level))
  analysis.findings.use(value, 'predicate')
}

/** Only this level's columns come before a result column; outer ones don't. */
function hasColumn(level: Scope, name: string): boolean {
  return level.items.some((item) => item.bare && item.columns.some((column) => column.name === name))
}

function bareName(node: Node): string | undefined {
  const ref = bodyOf('ColumnRef', node)
  if (ref === undefined || ref.fields?.length !== 1 || endsInStar(ref)) return undefined
  return names(ref.fields)[0]
}

function byPosition(node: Node, columns: readonly Column[]): Value | undefined {
  const integer = bodyOf('A_Const', node)?.ival
  if (integer === undefined) return undefined
  const column = columns[(integer.ival ?? 0) - 1]
  if (column === undefined)
    throw unresolved(`${kindOf(node)}: there is no result column at that position`, undefined, 'invalidReference')
  return column.value
}

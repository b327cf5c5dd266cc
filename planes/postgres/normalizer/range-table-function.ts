import type { JsonTable, Node, RangeTableFunc } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { all } from './ast.ts'
import { childrenValue } from './expression.ts'
import { rename } from './from-alias.ts'
import type { Scope, ScopeItem } from './scope.ts'
import { type Column, made } from './value.ts'

/** XMLTABLE and JSON_TABLE: every column is made of the document and of all that says how to read it. */
export function xmlTable(analysis: Analysis, table: RangeTableFunc, scope: Scope): ScopeItem {
  const { alias, ...body } = table
  const names = all('RangeTableFuncCol', table.columns).map(({ colname = '' }) => colname)
  return item(analysis, 'RangeTableFunc', body, names, alias, scope)
}

export function jsonTable(analysis: Analysis, table: JsonTable, scope: Scope): ScopeItem {
  const { alias, ...body } = table
  return item(analysis, 'JsonTable', body, jsonColumns(table.columns), alias, scope)
}

function jsonColumns(nodes: readonly Node[] | undefined): readonly string[] {
  return all('JsonTableColumn', nodes).flatMap(({ coltype, name = '', columns }) =>
    coltype === 'JTC_NESTED' ? jsonColumns(columns) : [name],
  )
}

function item(
  analysis: Analysis,
  kind: 'RangeTableFunc' | 'JsonTable',
  body: object,
  names: readonly string[],
  alias: RangeTableFunc['alias'],
  scope: Scope,
): ScopeItem {
  const value = made([childrenValue(analysis, kind, body, scope)])
  // What is computed for every row counts, used or not.
  if (analysis.strict) analysis.findings.use(value, 'derived')
  const columns = names.map((name): Column => ({ name, value }))
  const own = alias?.aliasname ?? (kind === 'JsonTable' ? 'json_table' : 'xmltable')
  return { alias: own, relation: null, hidden: [], columns: rename(columns, alias), bare: true }
}

import type { OnConflictClause } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { condition, setColumns, type WriteTarget } from './assignments.ts'
import { all } from './ast.ts'
import { unresolved } from './refusal.ts'
import type { Scope, ScopeItem } from './scope.ts'
import { type Column, NOTHING } from './value.ts'

/**
 * ON CONFLICT: whether a row was there already decides what happens, which tells of the columns that may conflict: those
 * it lists, or any that are written where it lists none.
 */
export function conflict(
  analysis: Analysis,
  clause: OnConflictClause,
  target: WriteTarget,
  proposed: readonly Column[],
  level: Scope,
): void {
  const rows = level.withItems([target.item])
  const elements = all('IndexElem', clause.infer?.indexElems)
  for (const { name, expr } of elements) {
    if (expr === undefined) decides(analysis, target, name ?? '')
    else condition(analysis, expr, rows)
  }
  if (elements.length === 0) for (const { name } of proposed) decides(analysis, target, name)
  condition(analysis, clause.infer?.whereClause, rows)
  const both = level.withItems([target.item, excluded(target, proposed)])
  setColumns(analysis, target, clause.targetList, both)
  condition(analysis, clause.whereClause, both)
}

function decides(analysis: Analysis, { item, relation }: WriteTarget, name: string): void {
  const column = item.columns.find((each) => each.name === name)
  if (column === undefined)
    throw unresolved(`column "${name}" of ${relation.qualified} does not exist`, undefined, 'undefinedColumn')
  analysis.findings.use(column.value, 'predicate')
}

/** The row that was proposed. A column that wasn't given holds its default. */
function excluded({ item }: WriteTarget, proposed: readonly Column[]): ScopeItem {
  const columns = item.columns.map(({ name }) => ({
    name,
    value: proposed.find((column) => column.name === name)?.value ?? NOTHING,
  }))
  return { alias: 'excluded', relation: null, hidden: [], columns, bare: true }
}

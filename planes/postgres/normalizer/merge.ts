import type { MergeStmt, MergeWhenClause } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { assign, condition, setColumns, targetColumn, type WriteTarget } from './assignments.ts'
import { all } from './ast.ts'
import { withCommonTables } from './common-tables.ts'
import { fromClause } from './from.ts'
import { unresolved, unsupported } from './refusal.ts'
import { Scope } from './scope.ts'
import { deleted, updated } from './side-effects.ts'
import type { Column } from './value.ts'
import { openTarget, returning } from './write.ts'
import { writtenValue } from './written-value.ts'

/** MERGE: which rows match decides what is done to them; its result is what RETURNING lists. */
export function mergeRows(analysis: Analysis, stmt: MergeStmt, outer: Scope): readonly Column[] {
  const clauses = all('MergeWhenClause', stmt.mergeWhenClauses)
  const deletes = clauses.some(({ commandType }) => commandType === 'CMD_DELETE')
  analysis.findings.does('merge', deletes ? 'destroy' : 'write')
  const level = withCommonTables(analysis, stmt.withClause, new Scope(outer))
  const target = openTarget(analysis, stmt.relation, () => stmt.relation?.inh !== true)
  if (stmt.sourceRelation === undefined) throw unsupported('MERGE without a source')
  const source = fromClause(analysis, [stmt.sourceRelation], level)
  // The source's columns come before the target's, as `RETURNING *` shows them.
  const items = [...source, target.item]
  condition(analysis, stmt.joinCondition, level.withItems(items))
  for (const clause of clauses) {
    const seen = level.withItems(clause.matchKind === 'MERGE_WHEN_NOT_MATCHED_BY_TARGET' ? source : items)
    condition(analysis, clause.condition, seen)
    change(analysis, clause, target, seen)
  }
  if (deletes) deleted(analysis, target.relation, stmt.relation?.inh !== true)
  updated(analysis, target.relation, stmt.relation?.inh !== true)
  return returning(analysis, stmt.returningClause, target.item, items, level)
}

function change(analysis: Analysis, clause: MergeWhenClause, target: WriteTarget, seen: Scope): void {
  switch (clause.commandType ?? null) {
    case 'CMD_UPDATE':
      return setColumns(analysis, target, clause.targetList, seen)
    case 'CMD_INSERT':
      return insert(analysis, clause, target, seen)
    case 'CMD_DELETE':
    case 'CMD_NOTHING':
      return
    default:
      throw unsupported('this form of MERGE is not covered')
  }
}

function insert(
  analysis: Analysis,
  { targetList, values = [] }: MergeWhenClause,
  target: WriteTarget,
  seen: Scope,
): void {
  const listed = all('ResTarget', targetList)
  const columns = listed.length === 0 ? target.item.columns : listed.map((item) => targetColumn(target, item))
  for (const [index, node] of values.entries()) {
    const column = columns[index]
    if (column === undefined) throw unresolved('INSERT has more expressions than target columns', undefined, 'syntax')
    const whole = (listed[index]?.indirection ?? []).length === 0
    const written = whole ? writtenValue(analysis, node, column.value.typeOid) : null
    assign(analysis, target, column, analysis.value(node, seen), written === null ? null : [written])
  }
}

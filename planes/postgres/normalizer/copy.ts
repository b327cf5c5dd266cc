import type { CopyStmt, CreateTableAsStmt, Node } from 'libpg-query'
import { bodyOf, names } from './ast.ts'
import { created, isTemporary } from './definition-statement.ts'
import { condition } from './assignments.ts'
import type { Relation } from './relation.ts'
import { copyForm } from './copy-form.ts'
import { relationItem } from './from.ts'
import { executeStatement, type SessionNames } from './named-statement.ts'
import type { NormalizedPart, Outcome } from './normalized.ts'
import { createdAs } from './own-definition.ts'
import { unsupported } from './refusal.ts'
import { consumedQuery, outcomeOf, rowStatement } from './row-statement.ts'
import { EMPTY_SCOPE } from './scope.ts'
import { checkShape } from './shape.ts'
import { relationOf } from './relations.ts'
import type { Walk } from './walk.ts'

/** COPY to or from the client. */
export function copyStatement(walk: Walk, stmt: CopyStmt): Outcome {
  if (stmt.filename !== undefined || stmt.is_program === true) {
    const what = stmt.is_program === true ? 'server program' : 'server file'
    throw unsupported(
      "COPY with a file or a program of the server's is not covered: use STDIN or STDOUT",
      undefined,
      what,
    )
  }
  return stmt.is_from === true ? copyFrom(walk, stmt) : copyTo(walk, stmt)
}

/** As `SELECT columns FROM ONLY table` or as the query that stands in it. */
function copyTo(walk: Walk, stmt: CopyStmt): Outcome {
  const { relation, query, attlist } = stmt
  const listed = names(attlist)
  const columns = listed.length > 0 || relation === undefined ? listed : storedColumns(relationOf(walk, relation))
  const targetList = columns.map((name): Node => ({
    ResTarget: { val: { ColumnRef: { fields: [{ String: { sval: name } }] } } },
  }))
  const select: Node | undefined =
    relation === undefined
      ? query
      : {
          SelectStmt: {
            targetList,
            fromClause: [{ RangeVar: relation }],
            op: 'SETOP_NONE',
          },
        }
  if (select === undefined) throw unsupported('COPY of nothing')
  const inner = rowStatement(walk, select)
  return { ...inner, kind: 'copy_to', outputs: null, copy: { columns: inner.outputs ?? [], form: copyForm(stmt) } }
}

/** Those of a table; a generated one is left out unless it is named. */
function storedColumns(relation: Relation): readonly string[] {
  return relation.columns.filter(({ generated }) => generated === null).map(({ name }) => name)
}

/** As an INSERT of rows that nobody has seen yet. */
function copyFrom(walk: Walk, { relation, attlist, whereClause }: CopyStmt): Outcome {
  if (relation === undefined) throw unsupported('COPY FROM without a table')
  const cols = names(attlist).map((name): Node => ({ ResTarget: { name } }))
  // A value of its own for each column, which nothing is known of.
  const count = cols.length === 0 ? relationOf(walk, relation).columns.length : cols.length
  const unseen = Array.from({ length: count }, (): Node => ({ ResTarget: { val: { CoalesceExpr: {} } } }))
  const selectStmt: Node = { SelectStmt: { targetList: unseen, op: 'SETOP_NONE' } }
  const inner = consumedQuery(walk, { InsertStmt: { relation, cols, selectStmt } })
  if (whereClause !== undefined) {
    checkShape(whereClause)
    const columns = walk.read(relationOf(walk, relation), true)
    condition(walk, whereClause, EMPTY_SCOPE.withItems([relationItem(walk, relation, columns)]))
    return { ...outcomeOf(walk.findings), kind: 'copy_from', effectFree: false }
  }
  return { ...inner, kind: 'copy_from', effectFree: false, outputs: null }
}

/** CREATE TABLE AS and CREATE MATERIALIZED VIEW: a query's rows land where its masks don't reach. */
export function createTableAs(
  walk: Walk,
  { query, into, objtype, is_select_into: selected, if_not_exists: lenient }: CreateTableAsStmt,
  names: SessionNames,
): Outcome {
  if (query === undefined || into?.rel === undefined) throw unsupported('CREATE TABLE AS nothing is not covered')
  const execute = bodyOf('ExecuteStmt', query)
  const inner = execute === undefined ? consumedQuery(walk, query) : landing(executeStatement(walk, execute, names))
  const view = objtype === 'OBJECT_MATVIEW'
  const table = created(walk, into.rel, view ? 'materialized-view' : 'table')
  const kind = view ? 'create_materialized_view' : 'create_table_as'
  const seen = !view && (inner.opaque ?? []).length === 0
  const change = seen ? createdAs(walk, into, inner.outputs ?? [], lenient === true) : null
  return {
    ...inner,
    kind: selected === true ? 'select_into' : kind,
    class: 'control',
    effectFree: false,
    resources: [...(inner.resources ?? []), table],
    outputs: null,
    effect: change === null ? { kind: 'catalog', temporary: isTemporary(into) } : { kind: 'own', change },
  }
}

/** What would have been handed out lands in a table instead. */
function landing(outcome: Outcome): Outcome {
  const resources = (outcome.resources ?? []).map((each) => ({ ...each, parts: each.parts.map(landed) }))
  return { ...outcome, resources }
}

function landed(part: NormalizedPart): NormalizedPart {
  const uses = part.uses.map((use) => (use === 'output' ? 'derived' : use))
  return { ...part, uses: [...new Set(uses)] }
}

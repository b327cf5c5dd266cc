import type { CopyStmt, CreateTableAsStmt, Node } from 'libpg-query'
import { bodyOf, names } from './ast.ts'
import type { Relation } from './catalog.ts'
import { created, refuseTemporary } from './definition-statement.ts'
import type { Outcome } from './normalized.ts'
import { unsupported } from './refusal.ts'
import { copyForm } from './copy-form.ts'
import { consumedQuery, rowStatement } from './row-statement.ts'
import { relationOf } from './relations.ts'
import type { Walk } from './walk.ts'

/** COPY to or from the client. */
export function copyStatement(walk: Walk, stmt: CopyStmt): Outcome {
  if (stmt.filename !== undefined || stmt.is_program === true) {
    throw unsupported("COPY with a file or a program of the server's is not covered: use STDIN or STDOUT")
  }
  if (stmt.whereClause !== undefined) throw unsupported('COPY with WHERE is not covered')
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
  if (select === undefined || bodyOf('SelectStmt', select) === undefined) {
    throw unsupported('COPY of anything but a table or a SELECT is not covered')
  }
  const inner = rowStatement(walk, select)
  if (inner.kind !== 'select') throw unsupported('COPY of a statement that changes something is not covered')
  return { ...inner, kind: 'copy_to', outputs: null, copy: { columns: inner.outputs ?? [], form: copyForm(stmt) } }
}

/** Those of a table; a generated one is left out unless it is named. */
function storedColumns(relation: Relation): readonly string[] {
  return relation.columns.filter(({ generated }) => generated === null).map(({ name }) => name)
}

/** As an INSERT of rows that nobody has seen yet. */
function copyFrom(walk: Walk, { relation, attlist }: CopyStmt): Outcome {
  if (relation === undefined) throw unsupported('COPY FROM without a table')
  const cols = names(attlist).map((name): Node => ({ ResTarget: { name } }))
  // A value of its own for each column, which nothing is known of.
  const count = cols.length === 0 ? relationOf(walk, relation).columns.length : cols.length
  const unseen = Array.from({ length: count }, (): Node => ({ ResTarget: { val: { CoalesceExpr: {} } } }))
  const selectStmt: Node = { SelectStmt: { targetList: unseen, op: 'SETOP_NONE' } }
  const inner = consumedQuery(walk, { InsertStmt: { relation, cols, selectStmt } })
  return { ...inner, kind: 'copy_from', effectFree: false }
}

/** CREATE TABLE AS and CREATE MATERIALIZED VIEW: a query's rows land where its masks don't reach. */
export function createTableAs(walk: Walk, { query, into }: CreateTableAsStmt): Outcome {
  refuseTemporary(into)
  if (query === undefined || bodyOf('SelectStmt', query) === undefined || into?.rel === undefined) {
    throw unsupported('CREATE TABLE AS anything but a SELECT is not covered')
  }
  const inner = consumedQuery(walk, query)
  return {
    ...inner,
    kind: 'create_table_as',
    class: 'control',
    effectFree: false,
    resources: [...(inner.resources ?? []), created(walk, into.rel, 'table')],
    effect: { kind: 'catalog' },
  }
}

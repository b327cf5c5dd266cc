import type { CommonTableExpr, Node, WithClause } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { all, bodyOf, names } from './ast.ts'
import { rename } from './from-alias.ts'
import { unresolved, unsupported } from './refusal.ts'
import { type CommonTable, EMPTY_SCOPE, Scope } from './scope.ts'
import { type Column, made, NOTHING, oneOf } from './value.ts'

/**
 * The level with its WITH queries in sight. Without RECURSIVE each sees those before it; with it all see all. Every one
 * is analysed, used or not: one that changes rows runs either way.
 */
export function withCommonTables(analysis: Analysis, clause: WithClause | undefined, scope: Scope): Scope {
  const expressions = all('CommonTableExpr', clause?.ctes)
  if (clause?.recursive === true) return recursiveTables(analysis, expressions, scope)
  return expressions.reduce((level, expression) => {
    const own = rename(analysis.query(queryOf(expression), level), { colnames: expression.aliascolnames ?? [] })
    const columns = withTrail(analysis, own, expression)
    return level.withCommonTable({ name: nameOf(expression), columns: () => columns })
  }, scope)
}

function recursiveTables(analysis: Analysis, expressions: readonly CommonTableExpr[], scope: Scope): Scope {
  const tables = new Map<string, CommonTable>(scope.commonTables)
  const level = new Scope(scope.parent, scope.items, tables)
  const mine = expressions.map((expression) => new RecursiveTable(analysis, expression, level))
  for (const table of mine) tables.set(table.name, table)
  for (const table of mine) table.columns()
  return level
}

function nameOf({ ctename }: CommonTableExpr): string {
  if (ctename === undefined) throw unsupported('a WITH query without a name')
  return ctename
}

function queryOf({ ctequery, location }: CommonTableExpr): Node {
  if (ctequery === undefined) throw unsupported('a WITH query without a query', location)
  return ctequery
}

/** A query of WITH RECURSIVE: what its columns are made of is the least fixed point over its recursive arm. */
class RecursiveTable implements CommonTable {
  readonly name: string
  readonly #analysis: Analysis
  readonly #expression: CommonTableExpr
  readonly #scope: Scope
  #columns: readonly Column[] | null = null
  #state: 'declared' | 'open' | 'done' = 'declared'
  #recursive = false

  constructor(analysis: Analysis, expression: CommonTableExpr, scope: Scope) {
    this.name = nameOf(expression)
    this.#analysis = analysis
    this.#expression = expression
    this.#scope = scope
  }

  columns(location?: number): readonly Column[] {
    if (this.#state === 'declared') this.#analyse()
    if (this.#state === 'open') this.#recursive = true
    if (this.#columns === null) throw unsupported(`this form of recursion in "${this.name}" is not covered`, location)
    return this.#state === 'done' ? withTrail(this.#analysis, this.#columns, this.#expression) : this.#columns
  }

  #analyse(): void {
    this.#state = 'open'
    this.#columns = this.#firstArm()
    for (;;) {
      const next = this.#renamed(this.#analysis.query(queryOf(this.#expression), this.#scope))
      const before: readonly Column[] | null = this.#columns
      this.#columns = before === null ? next : mergeColumns(before, next)
      if (before === null || !this.#recursive || same(before, this.#columns)) break
    }
    this.#state = 'done'
  }

  /** What the recursion starts from; null where the query isn't of the form that may recur. */
  #firstArm(): readonly Column[] | null {
    const query = bodyOf('SelectStmt', queryOf(this.#expression))
    if (query?.op !== 'SETOP_UNION' || query.larg === undefined) return null
    const level = withCommonTables(this.#analysis, query.withClause, new Scope(this.#scope))
    return this.#renamed(this.#analysis.query({ SelectStmt: query.larg }, level))
  }

  #renamed(columns: readonly Column[]): readonly Column[] {
    return rename(columns, { colnames: this.#expression.aliascolnames ?? [] })
  }
}

/** SEARCH and CYCLE add columns, which the query itself doesn't see: each holds the rows that led here, or tells of them. */
function withTrail(
  analysis: Analysis,
  columns: readonly Column[],
  { search_clause: search, cycle_clause: cycle }: CommonTableExpr,
): readonly Column[] {
  const trail = (name: string | undefined, of: readonly Node[] | undefined): readonly Column[] => {
    const listed = new Set(names(of))
    const parts = columns.filter((each) => listed.has(each.name)).map(({ value }) => value)
    return name === undefined ? [] : [{ name, value: { ...made([NOTHING, ...parts]), copy: false } }]
  }
  for (const mark of [cycle?.cycle_mark_value, cycle?.cycle_mark_default]) {
    if (mark !== undefined) analysis.value(mark, EMPTY_SCOPE)
  }
  return [
    ...columns,
    ...trail(search?.search_seq_column, search?.search_col_list),
    ...trail(cycle?.cycle_mark_column, cycle?.cycle_col_list),
    ...trail(cycle?.cycle_path_column, cycle?.cycle_col_list),
  ]
}

/** Column by column, as the arms of a set operation put them together; the first arm names them. */
export function mergeColumns(one: readonly Column[], other: readonly Column[]): readonly Column[] {
  if (one.length !== other.length)
    throw unresolved('the arms of a set operation must have the same number of columns', undefined, 'syntax')
  return one.map((column, index) => {
    const against = other[index]
    return against === undefined ? column : { name: column.name, value: oneOf(column.value, against.value) }
  })
}

/** Merging only ever adds sources and takes copies away, so equal counts are equal columns. */
function same(before: readonly Column[], after: readonly Column[]): boolean {
  return before.every(({ value }, index) => {
    const now = after[index]?.value
    return (
      now?.sources.size === value.sources.size &&
      now.parameters.size === value.parameters.size &&
      now.copy === value.copy
    )
  })
}

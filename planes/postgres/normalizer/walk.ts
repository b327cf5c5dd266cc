import type { Node } from 'libpg-query'
import { type Analysis, Budget } from './analysis.ts'
import { kindOf, locationOf } from './ast.ts'
import type { Catalog } from './catalog.ts'
import type { Relation } from './relation.ts'
import { expression } from './expression.ts'
import { Findings } from './findings.ts'
import { mergeRows } from './merge.ts'
import { readRelation } from './relation-columns.ts'
import { unsupported } from './refusal.ts'
import type { Scope } from './scope.ts'
import { select } from './select.ts'
import type { Column, Value } from './value.ts'
import { deleteRows, insertRows, updateRows } from './write.ts'

/** Steps (nodes visited, columns laid out) that one statement may take; a long one takes some ten thousand. */
const STEPS = 2_000_000

/** The analysis with its parts put together. */
export class Walk implements Analysis {
  readonly catalog: Catalog
  readonly path: readonly string[]
  readonly database: string
  readonly strict: boolean
  readonly budget: Budget
  readonly findings: Findings = new Findings()

  private constructor(of: Pick<Analysis, 'catalog' | 'path' | 'database' | 'strict' | 'budget'>) {
    this.catalog = of.catalog
    this.path = of.path
    this.database = of.database
    this.strict = of.strict
    this.budget = of.budget
  }

  /** A walk over a statement that a client sent. */
  static over(catalog: Catalog, names: { readonly database: string; readonly user: string }): Walk {
    const path = catalog.searchPath(names.user)
    return new Walk({ catalog, path, database: names.database, strict: true, budget: new Budget(STEPS) })
  }

  value(node: Node, scope: Scope): Value {
    return expression(this, node, scope)
  }

  query(node: Node, outer: Scope): readonly Column[] {
    if ('SelectStmt' in node) return select(this, node.SelectStmt, outer)
    if ('InsertStmt' in node) return insertRows(this, node.InsertStmt, outer)
    if ('UpdateStmt' in node) return updateRows(this, node.UpdateStmt, outer)
    if ('DeleteStmt' in node) return deleteRows(this, node.DeleteStmt, outer)
    if ('MergeStmt' in node) return mergeRows(this, node.MergeStmt, outer)
    throw unsupported(`${kindOf(node)} is not covered as a query`, locationOf(node))
  }

  read(relation: Relation, only: boolean): readonly Column[] {
    return readRelation(this, relation, only)
  }

  /** A walk over what a view that is being made will do: only what is used of it counts. */
  forView(): Walk {
    const { catalog, path, database, budget } = this
    return new Walk({ catalog, database, budget, path, strict: false })
  }

  /** Definitions are deparsed under an empty search_path: what they leave unqualified is the server's own. */
  forDefinition(): Walk {
    const { catalog, database, budget } = this
    return new Walk({ catalog, database, budget, path: ['pg_catalog'], strict: false })
  }
}

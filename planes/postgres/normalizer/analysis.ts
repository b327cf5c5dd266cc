import type { Node } from 'libpg-query'
import type { Catalog } from './catalog.ts'
import type { Relation } from './relation.ts'
import type { Findings } from './findings.ts'
import { tooComplex } from './refusal.ts'
import type { Scope } from './scope.ts'
import type { Column, Value } from './value.ts'

/**
 * One walk over one statement, as its parts see each other: expressions hold queries, queries hold expressions. What the
 * walk finds goes into `findings`; what it can't name it throws as a Refusal.
 */
export interface Analysis {
  readonly catalog: Catalog
  /** Schemas that unqualified names are looked for in. */
  readonly path: readonly string[]
  readonly database: string
  readonly findings: Findings
  /**
   * A client's own text: whatever it computes counts, used or not, since it can fail on a value. In a view's definition
   * only what is used of it counts.
   */
  readonly strict: boolean
  readonly budget: Budget
  value(node: Node, scope: Scope): Value
  /** The result columns of a SELECT, or of a statement that changes rows where `WITH` may hold one. */
  query(node: Node, outer: Scope): readonly Column[]
  /** Names the relation, and all that stand behind it, as read. */
  read(relation: Relation, only: boolean): readonly Column[]
  /** A walk over a definition of the catalogue's (a view, a generated column), with findings of its own. */
  forDefinition(): Analysis
}

/** What a walk may cost: bounds queries whose analysis grows faster than their text. */
export class Budget {
  #left: number

  constructor(steps: number) {
    this.#left = steps
  }

  spend(steps: number): void {
    this.#left -= steps
    if (this.#left < 0) throw tooComplex('the statement takes too many steps to be judged: split it')
  }
}

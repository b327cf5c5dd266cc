import type { Relation } from './relation.ts'
import { unresolved } from './refusal.ts'
import type { Column } from './value.ts'

/** What a FROM clause (or a target table) offers to names: PostgreSQL's ParseNamespaceItem. */
export interface ScopeItem {
  /** Alias or relation name; null for a join without an alias. */
  readonly alias: string | null
  /** The relation by that very name: without an alias it may be called with its schema. */
  readonly relation: Relation | null
  /** System columns (ctid, tableoid, …): found by name where no column has it, and not part of `*`. */
  readonly hidden: readonly Column[]
  readonly columns: readonly Column[]
  /** Its columns are found without a qualifier, and belong to `*`. */
  readonly bare: boolean
}

/** A WITH query, as a FROM clause uses it. */
export interface CommonTable {
  readonly name: string
  /** Analysed on first use. Throws a Refusal where they can't be told yet. */
  columns(location?: number): readonly Column[]
}

/** One query level. Names that it doesn't know are asked of its parent. */
export class Scope {
  readonly parent: Scope | null
  readonly items: readonly ScopeItem[]
  readonly commonTables: ReadonlyMap<string, CommonTable>

  constructor(
    parent: Scope | null,
    items: readonly ScopeItem[] = [],
    commonTables: ReadonlyMap<string, CommonTable> = new Map(),
  ) {
    this.parent = parent
    this.items = items
    this.commonTables = commonTables
  }

  /** The same level with other FROM items in sight: while a join, or a sub-query in FROM, is looked at. */
  withItems(items: readonly ScopeItem[]): Scope {
    return new Scope(this.parent, items, this.commonTables)
  }

  withCommonTable(table: CommonTable): Scope {
    return new Scope(this.parent, this.items, new Map([...this.commonTables, [table.name, table]]))
  }

  commonTable(name: string): CommonTable | undefined {
    return this.commonTables.get(name) ?? this.parent?.commonTable(name)
  }

  /** The item that goes by this name, at the nearest level that has one. */
  item(name: string, location?: number): ScopeItem | undefined {
    const found = this.items.filter(({ alias }) => alias === name)
    if (found.length > 1) throw unresolved(`table reference "${name}" is ambiguous`, location, 'ambiguousAlias')
    return found[0] ?? this.parent?.item(name, location)
  }

  /** The unaliased item of this relation, at the nearest level that has one. */
  itemOf(schema: string, name: string, location?: number): ScopeItem | undefined {
    const found = this.items.filter(({ relation }) => relation?.schema === schema && relation.name === name)
    if (found.length > 1) throw unresolved(`table reference "${name}" is ambiguous`, location, 'ambiguousAlias')
    return found[0] ?? this.parent?.itemOf(schema, name, location)
  }
}

/** No FROM clause, no WITH: where a statement of its own begins. */
export const EMPTY_SCOPE: Scope = new Scope(null)

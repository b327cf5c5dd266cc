import type { Definition } from './definitions.ts'
import type { PartUse } from '../../../engine/index.ts'
import type { OwnRelation } from './own-relation.ts'

/** A column of a relation, as a policy names it. One object a column and snapshot: compared by identity. */
export interface ColumnSource {
  /** `public.customers` */
  readonly resource: string
  readonly part: string
}

export interface CatalogColumn {
  readonly name: string
  readonly attnum: number
  /** Domains count as their base type, as in RowDescription. */
  readonly typeOid: number
  /** The type as declared. */
  readonly declaredTypeOid: number
  readonly source: ColumnSource
  /** A generated column's expression; `unreadable` where it could not be parsed. */
  readonly generated: Definition | null
}

export interface Trigger {
  readonly name: string
  /** `bank.audit_trg` */
  readonly runs: string
}

export type ForeignKeyAction = 'cascade' | 'set_null' | 'set_default'

export interface ForeignKey {
  readonly name: string
  /** Whose columns refer. */
  readonly from: Relation
  readonly columns: readonly CatalogColumn[]
  /** The columns that are referred to. */
  readonly keys: readonly CatalogColumn[]
  /** Null: the row stays as long as it is referred to. */
  readonly onDelete: ForeignKeyAction | null
  readonly onUpdate: ForeignKeyAction | null
}

export type RelationKind = 'table' | 'view' | 'materialized-view' | 'foreign-table' | 'sequence' | 'composite'

export interface Relation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** `schema.name` */
  readonly qualified: string
  readonly kind: RelationKind
  /** Its rows are stored in its children. */
  readonly partitioned: boolean
  readonly rowTypeOid: number
  readonly columns: readonly CatalogColumn[]
  /** ctid, xmin, tableoid, …, where it stores rows. */
  readonly systemColumns: readonly CatalogColumn[]
  /** In pg_catalog or information_schema: a table in itself, even where it is a view. */
  readonly system: boolean
  readonly rowSecurity: boolean
  /** A user's view: its SELECT; `unreadable` where it could not be parsed. */
  readonly definition: Definition | null
  readonly parents: readonly Relation[]
  readonly children: readonly Relation[]
  readonly triggers: readonly Trigger[]
  /** Foreign keys elsewhere that refer to this relation, and do something when a row of it goes or changes. */
  readonly referredBy: readonly ForeignKey[]
  /** Rewrite rules other than a view's own: they make another statement of the one that was sent. */
  readonly rules: boolean
  /** Of one session's own, as the statements that made it tell; null for what the catalogue holds. */
  readonly own: OwnOrigin | null
}

/** What stands behind a relation that only one session has. */
export interface OwnOrigin {
  readonly made: OwnRelation
  /** Column by column. */
  readonly values: readonly OwnValue[]
  /** Relations that it holds copies of, or is a view of. */
  readonly behind: readonly Relation[]
  /** What a view does with columns besides handing them out. */
  readonly uses: readonly (readonly [source: ColumnSource, use: PartUse])[]
}

export interface OwnValue {
  /** The column itself, and what it was made of. */
  readonly sources: ReadonlySet<ColumnSource>
  readonly copy: boolean
  readonly typeOid: number | null
}

export interface CatalogType {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: 'base' | 'composite' | 'domain' | 'enum' | 'range' | 'pseudo'
  /** A composite's relation. */
  readonly relationOid: number
  /** A domain's base, an array's element; else 0. */
  readonly insideOid: number
  /** Ours to trust without a look: it came with the server. */
  readonly builtin: boolean
}

/** All functions of one schema and name, taken together. */
export interface CatalogFunction {
  readonly schema: string
  readonly name: string
  /** Any of them is. */
  readonly volatile: boolean
  /** OUT columns, where all of them have the same. */
  readonly outputs: readonly string[]
  readonly returns: 'composite' | 'record' | 'scalar'
}

import type { PartUse } from '../../../engine/index.ts'

/** A column of the catalogue's, by what stays the same whatever it is called. */
export interface ColumnPlace {
  readonly oid: number
  readonly attnum: number
}

/** What a column holds. `copy`: each value is one of that column as it stands, or none of anybody's. */
export interface Lineage {
  readonly sources: readonly ColumnPlace[]
  readonly copy: boolean
}

export interface OwnColumn {
  readonly name: string
  readonly attnum: number
  /** Null where not inferred. */
  readonly typeOid: number | null
  readonly lineage: Lineage
}

/** What a view names whenever it is read. */
export interface OwnReads {
  readonly relations: readonly number[]
  readonly uses: readonly (readonly [place: ColumnPlace, use: PartUse])[]
  readonly functions: readonly string[]
  readonly effects: boolean
}

/** Stays the same through every change of a relation's name and columns: compared by identity. */
export interface Root {
  /** A serial column's sequence goes with its table. */
  readonly owner: Root | null
}

/** A temporary relation of one session, as the statements that made it tell. Immutable. */
export interface OwnRelation {
  readonly root: Root
  readonly name: string
  readonly kind: 'table' | 'view' | 'sequence'
  readonly columns: readonly OwnColumn[]
  /** Null for what isn't a view. */
  readonly reads: OwnReads | null
  /** ON COMMIT DROP. */
  readonly untilCommit: boolean
}

/** What a statement, once done, changes of the session's own relations: takes these away, then adds those. */
export interface OwnChange {
  readonly drops: readonly Root[]
  readonly makes: readonly OwnRelation[]
}

/** What a statement puts into a column of the session's own. */
export interface Carry {
  readonly root: Root
  readonly attnum: number
  readonly lineage: Lineage
}

/** By relation and attribute number, what was put there since: it only grows. */
export type Carried = ReadonlyMap<Root, ReadonlyMap<number, Lineage>>

/** Where names are looked for and what the session has made, at one instant. */
export interface OwnNames {
  readonly relations: readonly OwnRelation[]
  /** search_path as set; null: as the session began. */
  readonly path: readonly string[] | null
}

export const NO_LINEAGE: Lineage = { sources: [], copy: true }

/** A column that holds values of both kinds. */
export function joined(one: Lineage, other: Lineage): Lineage {
  if (other.sources.length === 0) return one
  if (one.sources.length === 0) return other
  const known = new Set(one.sources.map(placeKey))
  const added = other.sources.filter((place) => !known.has(placeKey(place)))
  const same = added.length === 0 && one.sources.length === other.sources.length
  return { sources: [...one.sources, ...added], copy: same && one.copy && other.copy }
}

export function placeKey({ oid, attnum }: ColumnPlace): string {
  return `${oid}.${attnum}`
}

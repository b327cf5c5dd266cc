import type { Catalog } from './catalog.ts'
import type { ColumnPlace, Lineage } from './own-relation.ts'
import type { ColumnSource } from './relation.ts'

/** What a value is made of, by the places of columns: one of the session's own brings along what it was made of itself. */
export function lineageOf(
  catalog: Catalog,
  { sources, copy }: { readonly sources: Iterable<ColumnSource>; readonly copy: boolean },
): Lineage {
  const places = [...sources].map((source) => catalog.placeOf(source))
  return { sources: places.filter((place): place is ColumnPlace => place !== undefined), copy }
}

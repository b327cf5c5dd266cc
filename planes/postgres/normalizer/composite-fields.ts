import type { Catalog } from './catalog.ts'
import { type Column, made, type Value } from './value.ts'

/** The fields of a value of a composite type, each made of all of it; null where the type has none. */
export function compositeFields(catalog: Catalog, typeOid: number, value: Value): readonly Column[] | null {
  const relation = catalog.relationByOid(catalog.typeByOid(typeOid)?.relationOid ?? 0)
  if (relation === undefined) return null
  const field = made([value])
  return relation.columns.map(({ name, typeOid: fieldOid }) => ({
    name,
    value: { ...field, typeOid: fieldOid, fields: compositeFields(catalog, fieldOid, field) },
  }))
}

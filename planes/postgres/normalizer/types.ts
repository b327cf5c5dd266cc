import type { TypeName } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { names } from './ast.ts'
import type { Catalog } from './catalog.ts'
import type { CatalogType } from './relation.ts'
import { opaque, unresolved, unsupported } from './refusal.ts'

/** The type that a cast or a column definition names. The input of some runs a user's code. */
export function typeOf(analysis: Analysis, typeName: TypeName | undefined): CatalogType {
  const parts = names(typeName?.names)
  const [name = '', schema] = parts.toReversed()
  if (parts.length > 2 || typeName?.setof === true)
    throw unsupported('this form of a type is not covered', typeName?.location)
  const type = find(analysis, name, schema)
  if (type === undefined)
    throw unresolved(`type "${parts.join('.')}" does not exist`, typeName?.location, 'undefinedObject')
  if (mayRunCode(analysis.catalog, type)) {
    const message = `a value cast to ${parts.join('.')} may run a user's function`
    analysis.findings.runs(opaque(`type ${type.schema}.${type.name}`, message, typeName?.location))
  }
  return type
}

/** Input to a domain runs its checks, to a range its ordering, to a composite or an array its parts' input. */
function mayRunCode(catalog: Catalog, type: CatalogType): boolean {
  if (catalog.hasRiskyCasts(type.oid)) return true
  if (type.builtin) return false
  switch (type.kind) {
    case 'domain':
    case 'range':
      return true
    case 'composite':
      return (catalog.relationByOid(type.relationOid)?.columns ?? []).some((column) =>
        insideRuns(catalog, column.declaredTypeOid),
      )
    case 'base':
      return type.insideOid !== 0 && insideRuns(catalog, type.insideOid)
    case 'enum':
    case 'pseudo':
      break
  }
  return false
}

function insideRuns(catalog: Catalog, typeOid: number): boolean {
  const inside = catalog.typeByOid(typeOid)
  return inside === undefined || mayRunCode(catalog, inside)
}

/** Its OID where it is the very type, null where it is an array of it. */
export function castOid(analysis: Analysis, typeName: TypeName | undefined): number | null {
  const { oid } = typeOf(analysis, typeName)
  return (typeName?.arrayBounds?.length ?? 0) > 0 ? null : oid
}

function find(analysis: Analysis, name: string, schema: string | undefined): CatalogType | undefined {
  const schemas = schema === undefined ? analysis.path : [schema]
  for (const each of schemas) {
    if (analysis.catalog.relation(each, name)?.own)
      throw unsupported(`the row type of the temporary ${name} is not covered`)
    const type = analysis.catalog.type(each, name)
    if (type !== undefined) return type
  }
  return undefined
}

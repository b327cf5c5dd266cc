import type { Catalog } from './catalog.ts'
import { OWN_SCHEMA, systemColumns } from './catalog-index.ts'
import {
  type Carried,
  type ColumnPlace,
  joined,
  type Lineage,
  NO_LINEAGE,
  type OwnNames,
  type OwnRelation,
} from './own-relation.ts'
import type { CatalogColumn, ColumnSource, OwnOrigin, OwnValue, Relation } from './relation.ts'

/**
 * The catalogue as a session sees it; null where something that its own relations are made of isn't there any more, so
 * that nobody can tell what they hold, or whether they are there themselves.
 */
export function ownCatalog(base: Catalog, { relations, path }: OwnNames, carried: Carried): Catalog | null {
  if (relations.length === 0 && path === null) return base
  const found: Relation[] = []
  for (const each of relations) {
    const relation = bound(base, each, carried)
    if (relation === null) return null
    found.push(relation)
  }
  return base.with(found, path)
}

interface Bound {
  readonly base: Catalog
  readonly carried: ReadonlyMap<number, Lineage> | undefined
  readonly relation: Relation | null
}

/** A session may have many, of which a statement changes one. */
const BOUND = new WeakMap<OwnRelation, Bound>()

function bound(base: Catalog, made: OwnRelation, all: Carried): Relation | null {
  const carried = all.get(made.root)
  const known = BOUND.get(made)
  if (known?.base === base && known.carried === carried) return known.relation
  const relation = bind(base, made, carried)
  BOUND.set(made, { base, carried, relation })
  return relation
}

function bind(base: Catalog, made: OwnRelation, carried: Bound['carried']): Relation | null {
  const qualified = `${OWN_SCHEMA}.${made.name}`
  const columns = made.columns.map(({ name, attnum, typeOid }): CatalogColumn => {
    const known = typeOid ?? 0
    return {
      name,
      attnum,
      typeOid: known,
      declaredTypeOid: known,
      source: { resource: qualified, part: name },
      generated: null,
    }
  })
  const lineages = made.columns.map(({ attnum, lineage }) => joined(lineage, carried?.get(attnum) ?? NO_LINEAGE))
  const own = origin(base, made, columns, lineages)
  if (own === null) return null
  return {
    oid: 0,
    schema: OWN_SCHEMA,
    name: made.name,
    qualified,
    kind: made.kind,
    partitioned: false,
    rowTypeOid: 0,
    columns,
    systemColumns: made.kind === 'view' ? [] : systemColumns(qualified),
    system: false,
    rowSecurity: false,
    definition: null,
    parents: [],
    children: [],
    triggers: [],
    referredBy: [],
    rules: false,
    own,
  }
}

function origin(
  base: Catalog,
  made: OwnRelation,
  columns: readonly CatalogColumn[],
  lineages: readonly Lineage[],
): OwnOrigin | null {
  const behind = new Set<Relation>()
  const values: OwnValue[] = []
  for (const [index, { source }] of columns.entries()) {
    const { sources, copy } = lineages[index] ?? NO_LINEAGE
    const found = sources.map((place) => find(base, place, behind))
    if (found.includes(null)) return null
    const known = found.filter((each) => each !== null)
    // What nobody's column went into is as good as a column of its own.
    values.push({
      sources: new Set([source, ...known]),
      copy: copy || known.length === 0,
      typeOid: made.columns[index]?.typeOid ?? null,
    })
  }
  const relations = (made.reads?.relations ?? []).map((oid) => base.relationByOid(oid))
  const uses = (made.reads?.uses ?? []).map(([place, use]) => [find(base, place, behind), use] as const)
  if (relations.includes(undefined) || uses.some(([source]) => source === null)) return null
  for (const relation of relations) if (relation !== undefined) behind.add(relation)
  return {
    made,
    values,
    behind: [...behind],
    uses: uses.flatMap(([source, use]) => (source === null ? [] : [[source, use]])),
  }
}

function find(base: Catalog, { oid, attnum }: ColumnPlace, behind: Set<Relation>): ColumnSource | null {
  const relation = base.relationByOid(oid)
  const column = [...(relation?.columns ?? []), ...(relation?.systemColumns ?? [])].find(
    (each) => each.attnum === attnum,
  )
  if (relation === undefined || column === undefined) return null
  behind.add(relation)
  return column.source
}

import type {
  CatalogColumn,
  CatalogFunction,
  CatalogType,
  ColumnSource,
  ForeignKey,
  ForeignKeyAction,
  Relation,
  RelationKind,
  Trigger,
} from './relation.ts'
import type { ColumnPlace } from './own-relation.ts'
import { FIRST_USER_OID } from './catalog-queries.ts'
import {
  booleanCell,
  cell,
  type CatalogRow,
  type CatalogRows,
  type CatalogSnapshot,
  numberCell,
} from './catalog-rows.ts'
import { definitionIn, type Definitions, generationOf } from './definitions.ts'

const KINDS: Readonly<Record<string, RelationKind>> = {
  r: 'table',
  p: 'table',
  v: 'view',
  m: 'materialized-view',
  f: 'foreign-table',
  S: 'sequence',
  c: 'composite',
}
const TYPE_KINDS: Readonly<Record<string, CatalogType['kind']>> = {
  b: 'base',
  c: 'composite',
  d: 'domain',
  e: 'enum',
  r: 'range',
  m: 'range',
  p: 'pseudo',
}
/** Of confdeltype and confupdtype; the others, no action and restrict, change nothing. */
const FOREIGN_KEY_ACTIONS: Readonly<Record<string, ForeignKeyAction>> = {
  c: 'cascade',
  n: 'set_null',
  d: 'set_default',
}
/** System columns of sysattr.h and their types; every relation that stores rows has them. */
const SYSTEM_COLUMNS: readonly (readonly [name: string, attnum: number, typeOid: number])[] = [
  ['ctid', -1, 27],
  ['xmin', -2, 28],
  ['cmin', -3, 29],
  ['xmax', -4, 28],
  ['cmax', -5, 29],
  ['tableoid', -6, 26],
]
const STORING: ReadonlySet<RelationKind | undefined> = new Set(['table', 'materialized-view', 'foreign-table'] as const)
/** The least known first. */
const RETURNS = ['composite', 'record', 'scalar'] as const
/** Where a session's temporary objects are, whatever the server calls it. */
export const OWN_SCHEMA = 'pg_temp'
const SYSTEM_SCHEMAS = new Set(['pg_catalog', 'information_schema'])

type MutableRelation = { -readonly [K in keyof Relation]: Relation[K] } & {
  columns: CatalogColumn[]
  parents: Relation[]
  children: Relation[]
  triggers: Trigger[]
  referredBy: ForeignKey[]
}

/** One snapshot's rows, by name and by OID. */
export class CatalogIndex {
  /** SHA-256 (hex) over all that was read. */
  readonly version: string
  readonly schemas: ReadonlySet<string>
  readonly types: Map<number, CatalogType> = new Map()
  readonly typesByName: Map<string, CatalogType> = new Map()
  readonly relations: Map<string, Relation> = new Map()
  readonly functions: Map<string, CatalogFunction> = new Map()
  /** Operator name → schema → whether C or the server itself implements all of them. */
  readonly operators: Map<string, Map<string, boolean>> = new Map()
  /** Types that a cast written in SQL or a procedural language starts or ends at. */
  readonly riskyTypes: Set<number> = new Set()
  readonly #relationsByOid = new Map<number, MutableRelation>()
  /** Made when somebody first asks. */
  #places: ReadonlyMap<ColumnSource, ColumnPlace> | null = null

  constructor({ rows, version }: CatalogSnapshot, definitions: Definitions) {
    this.version = version
    this.schemas = new Set(rows.namespaces.map((row) => cell(row, 0)))
    const bases = this.#loadTypes(rows.types)
    this.#loadRelations(rows, definitions)
    this.#loadColumns(rows.columns, bases, definitions)
    this.#loadInheritance(rows.inherits)
    for (const row of rows.triggers) {
      const trigger = { name: cell(row, 1), runs: `${cell(row, 2)}.${cell(row, 3)}` }
      this.#relationsByOid.get(numberCell(row, 0))?.triggers.push(trigger)
    }
    this.#loadReferences(rows.references)
    this.#loadFunctions(rows.functions)
    this.#loadOperators(rows.operators)
    for (const row of rows.casts) this.riskyTypes.add(numberCell(row, 0)).add(numberCell(row, 1))
  }

  relationByOid(oid: number): Relation | undefined {
    return this.#relationsByOid.get(oid)
  }

  placeOf(source: ColumnSource): ColumnPlace | undefined {
    this.#places ??= this.#allPlaces()
    return this.#places.get(source)
  }

  #allPlaces(): ReadonlyMap<ColumnSource, ColumnPlace> {
    const places = new Map<ColumnSource, ColumnPlace>()
    for (const { oid, columns, systemColumns: hidden } of this.#relationsByOid.values()) {
      for (const { source, attnum } of [...columns, ...hidden]) places.set(source, { oid, attnum })
    }
    return places
  }

  #loadTypes(rows: readonly CatalogRow[]): ReadonlyMap<number, number> {
    const bases = new Map<number, number>()
    for (const row of rows) {
      const oid = numberCell(row, 0)
      const type: CatalogType = {
        oid,
        schema: cell(row, 1),
        name: cell(row, 2),
        kind: TYPE_KINDS[cell(row, 3)] ?? 'pseudo',
        relationOid: numberCell(row, 4),
        insideOid: numberCell(row, 5),
        builtin: oid < FIRST_USER_OID,
      }
      this.types.set(oid, type)
      this.typesByName.set(nameKey(type.schema, type.name), type)
      if (type.kind === 'domain') bases.set(oid, type.insideOid)
    }
    return bases
  }

  #loadRelations(rows: CatalogRows, definitions: Definitions): void {
    const ruled = new Set(rows.rules.map((row) => numberCell(row, 0)))
    for (const row of rows.relations) {
      const oid = numberCell(row, 0)
      const schema = cell(row, 1)
      const name = cell(row, 2)
      const kind = KINDS[cell(row, 3)] ?? 'composite'
      const qualified = `${schema}.${name}`
      const relation: MutableRelation = {
        oid,
        schema,
        name,
        qualified,
        kind,
        partitioned: cell(row, 3) === 'p',
        rowTypeOid: numberCell(row, 4),
        columns: [],
        systemColumns: STORING.has(kind) ? systemColumns(qualified) : [],
        system: SYSTEM_SCHEMAS.has(schema),
        rowSecurity: booleanCell(row, 5),
        definition: definitionIn(definitions, row[6]),
        parents: [],
        children: [],
        triggers: [],
        referredBy: [],
        rules: ruled.has(oid),
        own: null,
      }
      this.#relationsByOid.set(oid, relation)
      this.relations.set(nameKey(schema, name), relation)
    }
  }

  #loadColumns(rows: readonly CatalogRow[], bases: ReadonlyMap<number, number>, definitions: Definitions): void {
    for (const row of rows) {
      const oid = numberCell(row, 0)
      const relation = this.#relationsByOid.get(oid)
      if (relation === undefined) continue
      const attnum = numberCell(row, 1)
      const name = cell(row, 2)
      const declaredTypeOid = numberCell(row, 3)
      relation.columns.push({
        name,
        attnum,
        declaredTypeOid,
        typeOid: baseOf(declaredTypeOid, bases),
        source: { resource: relation.qualified, part: name },
        generated: definitionIn(definitions, generationOf(row)),
      })
    }
  }

  #loadInheritance(rows: readonly CatalogRow[]): void {
    for (const row of rows) {
      const child = this.#relationsByOid.get(numberCell(row, 0))
      const parent = this.#relationsByOid.get(numberCell(row, 1))
      // Index partitions stand in pg_inherits as well.
      if (child === undefined || parent === undefined) continue
      child.parents.push(parent)
      parent.children.push(child)
    }
  }

  #loadReferences(rows: readonly CatalogRow[]): void {
    for (const row of rows) {
      const to = this.#relationsByOid.get(numberCell(row, 0))
      const from = this.#relationsByOid.get(numberCell(row, 1))
      if (to === undefined || from === undefined) continue
      to.referredBy.push({
        name: cell(row, 2),
        from,
        columns: columnsAt(from, cell(row, 6)),
        keys: columnsAt(to, cell(row, 5)),
        onDelete: FOREIGN_KEY_ACTIONS[cell(row, 3)] ?? null,
        onUpdate: FOREIGN_KEY_ACTIONS[cell(row, 4)] ?? null,
      })
    }
  }

  #loadFunctions(rows: readonly CatalogRow[]): void {
    for (const row of rows) {
      const returns = cell(row, 4)
      const entry: CatalogFunction = {
        schema: cell(row, 0),
        name: cell(row, 1),
        volatile: booleanCell(row, 2),
        outputs: (row[3] ?? '').split(',').filter((name) => name !== ''),
        returns: returns === 'composite' || returns === 'record' ? returns : 'scalar',
      }
      const key = nameKey(entry.schema, entry.name)
      const builtin = this.functions.get(key)
      this.functions.set(key, builtin === undefined ? entry : takenTogether(builtin, entry))
    }
  }

  #loadOperators(rows: readonly CatalogRow[]): void {
    for (const row of rows) {
      const schema = cell(row, 0)
      const name = cell(row, 1)
      const schemas = this.operators.get(name) ?? new Map<string, boolean>()
      this.operators.set(name, schemas.set(schema, row[2] === 't' && schemas.get(schema) !== false))
    }
  }
}

/** A user's functions by the name of some of the server's, in the same schema. */
function takenTogether(one: CatalogFunction, other: CatalogFunction): CatalogFunction {
  return {
    ...one,
    volatile: one.volatile || other.volatile,
    outputs: one.outputs.join() === other.outputs.join() ? one.outputs : [],
    returns: RETURNS.find((returns) => returns === one.returns || returns === other.returns) ?? 'scalar',
  }
}

/** Those of a relation that stores rows. */
export function systemColumns(resource: string): readonly CatalogColumn[] {
  return SYSTEM_COLUMNS.map((column) => systemColumn(resource, ...column))
}

function systemColumn(resource: string, name: string, attnum: number, typeOid: number): CatalogColumn {
  return { name, attnum, typeOid, declaredTypeOid: typeOid, source: { resource, part: name }, generated: null }
}

/** Names may hold dots; a NUL they can't. */
export function nameKey(schema: string, name: string): string {
  return `${schema}\0${name}`
}

function baseOf(typeOid: number, bases: ReadonlyMap<number, number>): number {
  const base = bases.get(typeOid)
  return base === undefined ? typeOid : baseOf(base, bases)
}

/** Attribute numbers, as `1,2`. */
function columnsAt({ columns }: Relation, attnums: string): readonly CatalogColumn[] {
  const wanted = new Set(attnums.split(',').map(Number))
  return columns.filter(({ attnum }) => wanted.has(attnum))
}

import { FIRST_USER_OID } from './catalog-queries.ts'
import { booleanCell, cell, numberCell, readCatalog } from './catalog-rows.ts'
import type { Builtin, CatalogRow, CatalogRows, CatalogSnapshot, CatalogSource } from './catalog-rows.ts'
import { type Definition, definitionIn, type Definitions, generationOf, parseDefinitions } from './definitions.ts'

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
const SYSTEM_SCHEMAS = new Set(['pg_catalog', 'information_schema'])

type MutableRelation = { -readonly [K in keyof Relation]: Relation[K] } & {
  columns: CatalogColumn[]
  parents: Relation[]
  children: Relation[]
  triggers: Trigger[]
  referredBy: ForeignKey[]
}

/** One database's catalogue at one instant. Immutable; a change in the database makes another one. */
export class Catalog {
  /** SHA-256 (hex) over all that was read: equal where the catalogue is. */
  readonly version: string
  readonly #builtin: Builtin
  readonly #definitions: Definitions
  readonly #schemas: ReadonlySet<string>
  readonly #types = new Map<number, CatalogType>()
  readonly #typesByName = new Map<string, CatalogType>()
  readonly #relations = new Map<string, MutableRelation>()
  readonly #relationsByOid = new Map<number, MutableRelation>()
  readonly #functions = new Map<string, CatalogFunction>()
  /** Operator name → schema → whether C or the server itself implements all of them. */
  readonly #operators = new Map<string, Map<string, boolean>>()
  /** Types that a cast written in SQL or a procedural language starts or ends at. */
  readonly #riskyTypes = new Set<number>()

  private constructor({ rows, builtin, version }: CatalogSnapshot, definitions: Definitions) {
    this.version = version
    this.#builtin = builtin
    this.#definitions = definitions
    this.#schemas = new Set(rows.namespaces.map((row) => cell(row, 0)))
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
    for (const row of rows.casts) this.#riskyTypes.add(numberCell(row, 0)).add(numberCell(row, 1))
  }

  /**
   * Reads and indexes the catalogue; view definitions and generated columns are parsed here, once. What hasn't changed
   * since `before` is taken from there; where nothing has, the answer is that same one.
   */
  static async load(source: CatalogSource, before: Catalog | null = null): Promise<Catalog> {
    const snapshot = await readCatalog(source, before === null ? null : before.#builtin)
    if (before !== null && snapshot.version === before.version) return before
    const definitions = await parseDefinitions(snapshot.rows, before === null ? undefined : before.#definitions)
    return new Catalog(snapshot, definitions)
  }

  /** Schemas in the order names are looked for: search_path pinned to `"$user", public`, no temporary objects. */
  searchPath(user: string): readonly string[] {
    return ['pg_catalog', user, 'public'].filter((schema, index, all) => {
      return this.#schemas.has(schema) && all.indexOf(schema) === index
    })
  }

  hasSchema(name: string): boolean {
    return this.#schemas.has(name)
  }

  relation(schema: string, name: string): Relation | undefined {
    return this.#relations.get(nameKey(schema, name))
  }

  relationByOid(oid: number): Relation | undefined {
    return this.#relationsByOid.get(oid)
  }

  type(schema: string, name: string): CatalogType | undefined {
    return this.#typesByName.get(nameKey(schema, name))
  }

  typeByOid(oid: number): CatalogType | undefined {
    return this.#types.get(oid)
  }

  function(schema: string, name: string): CatalogFunction | undefined {
    return this.#functions.get(nameKey(schema, name))
  }

  /** Undefined: no such operator there; else whether it is implemented in C throughout. */
  operator(schema: string, name: string): { readonly native: boolean } | undefined {
    const native = this.#operators.get(name)?.get(schema)
    return native === undefined ? undefined : { native }
  }

  /** A cast from or to this type may run a user's function unasked. */
  hasRiskyCasts(typeOid: number): boolean {
    return this.#riskyTypes.has(typeOid)
  }

  /** What RowDescription's table OID and attribute number stand for; null where they name no column we know. */
  columnAt(tableOid: number, attnum: number): ColumnSource | null {
    return this.#relationsByOid.get(tableOid)?.columns.find((column) => column.attnum === attnum)?.source ?? null
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
      this.#types.set(oid, type)
      this.#typesByName.set(nameKey(type.schema, type.name), type)
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
        systemColumns: STORING.has(kind) ? SYSTEM_COLUMNS.map((column) => systemColumn(qualified, ...column)) : [],
        system: SYSTEM_SCHEMAS.has(schema),
        rowSecurity: booleanCell(row, 5),
        definition: definitionIn(definitions, row[6]),
        parents: [],
        children: [],
        triggers: [],
        referredBy: [],
        rules: ruled.has(oid),
      }
      this.#relationsByOid.set(oid, relation)
      this.#relations.set(nameKey(schema, name), relation)
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
      const builtin = this.#functions.get(key)
      this.#functions.set(key, builtin === undefined ? entry : takenTogether(builtin, entry))
    }
  }

  #loadOperators(rows: readonly CatalogRow[]): void {
    for (const row of rows) {
      const schema = cell(row, 0)
      const name = cell(row, 1)
      const schemas = this.#operators.get(name) ?? new Map<string, boolean>()
      this.#operators.set(name, schemas.set(schema, row[2] === 't' && schemas.get(schema) !== false))
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

function systemColumn(resource: string, name: string, attnum: number, typeOid: number): CatalogColumn {
  return { name, attnum, typeOid, declaredTypeOid: typeOid, source: { resource, part: name }, generated: null }
}

/** Names may hold dots; a NUL they can't. */
function nameKey(schema: string, name: string): string {
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

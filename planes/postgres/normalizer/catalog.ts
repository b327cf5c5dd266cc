import { CatalogIndex, nameKey, OWN_SCHEMA } from './catalog-index.ts'
import { type Builtin, readCatalog, type CatalogSource } from './catalog-rows.ts'
import { type Definitions, parseDefinitions } from './definitions.ts'
import type { ColumnPlace } from './own-relation.ts'
import type { CatalogFunction, CatalogType, ColumnSource, Relation } from './relation.ts'

/** One look at the database. */
interface Read {
  readonly index: CatalogIndex
  readonly definitions: Definitions
  readonly builtin: Builtin
}

/** What a session adds to a catalogue. */
interface Own {
  /** By name: temporary objects have one schema. */
  readonly relations: ReadonlyMap<string, Relation>
  /** search_path as set; null: as every session begins. */
  readonly path: readonly string[] | null
}

const BEGINNING: readonly string[] = ['$user', 'public']
const NOBODY: Own = { relations: new Map(), path: null }

/**
 * One database's catalogue at one instant, as one session sees it: with its temporary objects and its search_path.
 * Immutable; a change in the database, or in the session, makes another one.
 */
export class Catalog {
  readonly #read: Read
  readonly #index: CatalogIndex
  readonly #own: Own

  private constructor(read: Read, own: Own) {
    this.#read = read
    this.#index = read.index
    this.#own = own
  }

  /**
   * Reads and indexes the catalogue; view definitions and generated columns are parsed here, once. What hasn't changed
   * since `before` is taken from there; where nothing has, the answer is that same one.
   */
  static async load(source: CatalogSource, before: Catalog | null = null): Promise<Catalog> {
    const known = before === null ? null : before.#read
    const snapshot = await readCatalog(source, known === null ? null : known.builtin)
    if (before !== null && snapshot.version === before.version) return before
    const definitions = await parseDefinitions(snapshot.rows, known === null ? undefined : known.definitions)
    const index = new CatalogIndex(snapshot, definitions)
    return new Catalog({ index, definitions, builtin: snapshot.builtin }, NOBODY)
  }

  /** The same catalogue as a session sees it. */
  with(relations: readonly Relation[], path: readonly string[] | null): Catalog {
    return new Catalog(this.#read, { relations: new Map(relations.map((each) => [each.name, each])), path })
  }

  /** SHA-256 (hex) over all that was read: equal where the catalogue is. */
  get version(): string {
    return this.#index.version
  }

  /** As every session begins: nothing of its own, search_path as it was. */
  get common(): boolean {
    return this.#own.relations.size === 0 && this.#own.path === null
  }

  /** The session's own relations. */
  get own(): readonly Relation[] {
    return [...this.#own.relations.values()]
  }

  /** Schemas in the order names are looked for; temporary objects come first, then the server's own unless it is listed. */
  searchPath(user: string): readonly string[] {
    const listed = (this.#own.path ?? BEGINNING).map((name) => (name === '$user' ? user : name))
    const whole = listed.includes('pg_catalog') ? listed : ['pg_catalog', ...listed]
    const temporary = this.#own.relations.size === 0 ? [] : [OWN_SCHEMA]
    const found = whole.filter((schema, index) => this.hasSchema(schema) && whole.indexOf(schema) === index)
    return [...temporary, ...found]
  }

  hasSchema(name: string): boolean {
    return this.#index.schemas.has(name)
  }

  relation(schema: string, name: string): Relation | undefined {
    return schema === OWN_SCHEMA ? this.#own.relations.get(name) : this.#index.relations.get(nameKey(schema, name))
  }

  relationByOid(oid: number): Relation | undefined {
    return this.#index.relationByOid(oid)
  }

  type(schema: string, name: string): CatalogType | undefined {
    return this.#index.typesByName.get(nameKey(schema, name))
  }

  typeByOid(oid: number): CatalogType | undefined {
    return this.#index.types.get(oid)
  }

  function(schema: string, name: string): CatalogFunction | undefined {
    return this.#index.functions.get(nameKey(schema, name))
  }

  /** Undefined: no such operator there; else whether it is implemented in C throughout. */
  operator(schema: string, name: string): { readonly native: boolean } | undefined {
    const native = this.#index.operators.get(name)?.get(schema)
    return native === undefined ? undefined : { native }
  }

  /** A cast from or to this type may run a user's function unasked. */
  hasRiskyCasts(typeOid: number): boolean {
    return this.#index.riskyTypes.has(typeOid)
  }

  /** What RowDescription's table OID and attribute number stand for; null where they name no column we know. */
  columnAt(tableOid: number, attnum: number): ColumnSource | null {
    return this.relationByOid(tableOid)?.columns.find((column) => column.attnum === attnum)?.source ?? null
  }

  /**
   * Whether a relation that the server describes a result column by is one that is known, or can be one of the session's
   * own. In a session that has none, a stranger is one that was made since the catalogue was read.
   */
  explains(tableOid: number, sources: readonly ColumnSource[]): boolean {
    if (tableOid === 0 || this.#own.relations.size === 0 || this.relationByOid(tableOid) !== undefined) return true
    return sources.some(({ resource }) => resource.startsWith(`${OWN_SCHEMA}.`))
  }

  /** Where a column stands; undefined for one of the session's own. */
  placeOf(source: ColumnSource): ColumnPlace | undefined {
    return this.#index.placeOf(source)
  }
}

import { UpstreamError } from '../../engine/index.ts'
import { movesNames, nameAlike, nameInSession, type SessionTexts, usesSessionNames } from './naming.ts'
import {
  Catalog,
  integersDecideNothing,
  type NormalizedStatement,
  type SqlParser,
  withoutIntegers,
} from './normalizer/index.ts'
import type { Named } from './session/invocations.ts'
import { ServerRefusal } from './upstream-messages.ts'
import { type BackendPlace, QueryConnection, type UpstreamConfig } from './upstream.ts'

/** Texts whose statements are kept, named, for the catalogue in force; a longer text is named anew each time. */
const KEPT_TEXTS = 1000
const KEPT_TEXT_LENGTH = 16 * 1024
/** A name that can't be found makes the catalogue be looked at again, no more often than this. */
const RELOAD_AT_MOST_MS = 1000
const ATTEMPTS = 5
/** With these the server refuses to deparse what has just been dropped: internal error, undefined table, column, object, function. */
const GONE: ReadonlySet<string> = new Set(['XX000', '42P01', '42703', '42704', '42883'])
/** Look-ups must mean what they say, whatever the role's own settings are. */
const SETTINGS: ReadonlyMap<string, string> = new Map([
  ['application_name', 'countersign catalogue'],
  ['client_encoding', 'UTF8'],
  // Deparsing a view waits for a lock that somebody's open transaction may hold on its tables.
  ['lock_timeout', '500ms'],
  ['search_path', 'pg_catalog'],
  ['standard_conforming_strings', 'on'],
])

export interface CatalogOptions {
  /** Milliseconds after which the catalogue is looked at again, in the background. */
  readonly maxAgeMs: number
  now(): number
  /** Told of each connection before anything is asked over it; durable when it resolves. */
  connected(place: BackendPlace): Promise<void>
}

/**
 * One database's catalogue, over a connection of the gateway's own, and the statements named against it. Loaded on first
 * use, again when it has grown old, and before anything else is named when an answer showed that it is out of date.
 */
export class CatalogSource {
  readonly #config: UpstreamConfig
  readonly #parser: SqlParser
  readonly #options: CatalogOptions
  #connection: QueryConnection | null = null
  #catalog: Catalog | null = null
  #named = new Map<string, Named>()
  /** By text without integers, where these decide nothing: what one of them was named holds for all. */
  #alike = new Map<string, Named>()
  #loadedAt = 0
  /** Counts what made the catalogue old. */
  #changes = 0
  /** As many of these as the catalogue is sure to know. */
  #seen = 0
  #loading: Promise<Catalog> | null = null

  constructor(config: UpstreamConfig, parser: SqlParser, options: CatalogOptions) {
    this.#config = config
    this.#parser = parser
    this.#options = options
  }

  /** Throws NormalizeError; UpstreamError when the catalogue can't be loaded at all. */
  async normalize(sql: string, session: SessionTexts): Promise<Named> {
    const catalog = await this.#current()
    const known = session.own.plain ? this.#known(sql, catalog) : undefined
    if (known !== undefined) return known
    const named = await this.#name(sql, catalog, session)
    if (this.#age() < RELOAD_AT_MOST_MS || !named.statements.some(unresolved)) return named
    // Where it can't be read just now, what was named stands: it is opaque.
    const fresh = await this.#load().catch(() => null)
    return fresh === null ? named : this.#name(sql, fresh, session)
  }

  #known(sql: string, catalog: Catalog): Named | undefined {
    const known = this.#named.get(sql)
    if (known !== undefined && known.catalog === catalog) return known
    const shape = withoutIntegers(sql)
    const alike = shape === null ? undefined : this.#alike.get(shape)
    return alike !== undefined && alike.catalog === catalog ? planned(alike, sql) : undefined
  }

  /** `done`: a statement has changed it. `suspected`: an answer looks as if somebody else had. */
  changed(how: 'done' | 'suspected'): void {
    if (how === 'suspected' && this.#age() < RELOAD_AT_MOST_MS) return
    this.#changes += 1
  }

  close(): void {
    this.#connection?.close()
  }

  async #name(sql: string, catalog: Catalog, session: SessionTexts): Promise<Named> {
    const ground = { catalog, database: this.#config.database ?? '', user: this.#config.user }
    const parsed = await this.#parser.parse(sql)
    if (!session.own.plain || usesSessionNames(parsed)) return nameInSession(parsed, ground, session, this.#parser)
    const named = { statements: nameAlike(parsed, ground), catalog }
    if (named.statements.some(movesNames)) {
      return parsed.length === 1 ? named : nameInSession(parsed, ground, session, this.#parser)
    }
    const shape = withoutIntegers(sql)
    const [first, ...others] = parsed
    const [statement] = named.statements
    const isShared =
      first !== undefined &&
      statement !== undefined &&
      others.length === 0 &&
      integersDecideNothing(sql, first, statement)
    if (shape !== null && isShared) keep(this.#alike, shape, named)
    else if (sql.length <= KEPT_TEXT_LENGTH) keep(this.#named, sql, named)
    return named
  }

  /** What was changed until now is in it; what is changed while it is being read is the business of who comes later. */
  async #current(): Promise<Catalog> {
    const changes = this.#changes
    while (this.#seen < changes) await this.#load()
    if (this.#catalog === null) return this.#load()
    if (this.#age() > this.#options.maxAgeMs) this.#load().catch(() => undefined) // the next one to need it tries again
    return this.#catalog
  }

  #age(): number {
    return this.#options.now() - this.#loadedAt
  }

  #load(): Promise<Catalog> {
    this.#loading ??= this.#reload().finally(() => {
      this.#loading = null
    })
    return this.#loading
  }

  async #connect(): Promise<QueryConnection> {
    const connection = await QueryConnection.open(this.#config, SETTINGS)
    try {
      await this.#options.connected(connection.place)
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }

  async #reload(): Promise<Catalog> {
    if (this.#connection === null || this.#connection.closed) {
      this.#connection = await this.#connect()
    }
    const changes = this.#changes
    const connection = this.#connection
    const loaded = await readAgain(() => Catalog.load(connection, this.#catalog))
    this.#loadedAt = this.#options.now()
    this.#seen = changes
    if (this.#catalog === loaded) return loaded
    this.#catalog = loaded
    this.#named = new Map()
    this.#alike = new Map()
    return loaded
  }
}

/** Reads again where something was dropped in the midst: the server deparses by what is there now, not by its snapshot. */
export async function readAgain<T>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await read()
    } catch (error) {
      if (attempt === ATTEMPTS || !isGone(error)) throw error
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof UpstreamError && error.cause instanceof ServerRefusal && GONE.has(error.cause.sqlstate)
}

function keep(kept: Map<string, Named>, text: string, named: Named): void {
  kept.set(text, named)
  if (kept.size <= KEPT_TEXTS) return
  const oldest = kept.keys().next()
  if (oldest.done !== true) kept.delete(oldest.value)
}

/** What one of several texts that are alike was named, for another of them: its own integers are what the server plans. */
function planned({ statements, catalog }: Named, sql: string): Named {
  return { statements: statements.map((statement) => ({ ...statement, planned: sql })), catalog }
}

function unresolved({ opaque }: NormalizedStatement): boolean {
  return opaque.some(({ error }) => error.code === 'ERR_NORMALIZE_UNRESOLVED')
}

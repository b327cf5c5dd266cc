import { NormalizeError } from '../../engine/index.ts'
import type { Catalog, NormalizedStatement, Opaque, ParsedStatement, SqlParser } from './normalizer/index.ts'
import { normalizeStatement, referencesOf, type SessionNames } from './normalizer/index.ts'
import { OwnState } from './own-state.ts'

/** What the names of one session stand for. */
export interface SessionTexts {
  readonly own: OwnState
  prepared(name: string): Promise<{ readonly sql: string; readonly parameterOids: readonly number[] } | undefined>
  cursor(name: string): Promise<{ readonly sql: string; readonly binary: boolean } | undefined>
}

type Names = Pick<SessionTexts, 'prepared' | 'cursor'>

/** No session's: where only a statement's text is asked for. */
export const NO_NAMES: SessionTexts = {
  own: new OwnState(),
  prepared: () => Promise.resolve(undefined),
  cursor: () => Promise.resolve(undefined),
}

/** What a text means under one catalogue. */
export interface NamingGround {
  readonly catalog: Catalog
  readonly database: string
  readonly user: string
}

/** Whether what a text means depends on the session that sent it. */
export function usesSessionNames(parsed: readonly ParsedStatement[]): boolean {
  return parsed.some(({ node }) => {
    const { prepared, cursor } = referencesOf(node)
    return prepared !== null || cursor !== null
  })
}

/** Statements that mean the same to every session. */
export function nameAlike(parsed: readonly ParsedStatement[], ground: NamingGround): readonly NormalizedStatement[] {
  const names = { ...ground, prepared: () => undefined, cursor: () => undefined }
  return parsed.map((statement) => normalizeStatement(statement, ground.catalog, names))
}

/** It makes names of the catalogue mean something else to its session. */
export function movesNames({ effect }: NormalizedStatement): boolean {
  return effect.kind === 'own' || effect.kind === 'path' || effect.kind === 'discard_all'
}

/**
 * One text's statements in their order: what one of them makes or names is what those behind it mean by it. Should it not
 * come to be, the server gets to none of those.
 */
export async function nameInSession(
  parsed: readonly ParsedStatement[],
  ground: NamingGround,
  session: SessionTexts,
  parser: Pick<SqlParser, 'parse'>,
): Promise<{ readonly statements: readonly NormalizedStatement[]; readonly catalog: Catalog }> {
  session.own.over(ground.catalog) // so that the session itself knows whether it can still be told
  const own = session.own.copy()
  const texts = new TextNames(session)
  const statements: NormalizedStatement[] = []
  for (const statement of parsed) {
    const names = await standing(statement, ground, texts, parser)
    const name = (): NormalizedStatement => {
      const catalog = own.over(ground.catalog)
      const named = normalizeStatement(statement, catalog ?? ground.catalog, names)
      return catalog === null ? doubtful(named, [CLOUDED]) : named
    }
    // What it writes, it may read again: RETURNING, or another part of the same statement.
    let named = name()
    while (own.carry(named.carries)) named = name()
    own.done(named.effect)
    texts.follow(named.effect)
    statements.push(named)
  }
  return { statements, catalog: own.over(ground.catalog) ?? ground.catalog }
}

export const CLOUDED: Opaque = {
  what: 'session',
  error: new NormalizeError(
    'ERR_NORMALIZE_OPAQUE',
    'code that could not be seen into ran in this session, so names may not mean what they did',
  ),
}

/** The same statement, of which nobody knows for certain what its names mean. */
export function doubtful(statement: NormalizedStatement, why: readonly Opaque[]): NormalizedStatement {
  const { action } = statement
  const opaque = [
    ...statement.opaque,
    ...why.filter(({ what }) => !statement.opaque.some((each) => each.what === what)),
  ]
  return { ...statement, opaque, effectFree: false, action: { ...action, class: 'control' } }
}

async function standing(
  { node }: ParsedStatement,
  ground: NamingGround,
  own: Names,
  parser: Pick<SqlParser, 'parse'>,
): Promise<SessionNames> {
  const { prepared, cursor } = referencesOf(node)
  const statement = prepared === null ? undefined : await own.prepared(prepared)
  const portal = cursor === null ? undefined : await own.cursor(cursor)
  const [parsed] = statement === undefined ? [] : await parser.parse(statement.sql)
  const [over] = portal === undefined ? [] : await parser.parse(portal.sql)
  return {
    ...ground,
    prepared: () => (parsed === undefined ? undefined : { parsed, parameterOids: statement?.parameterOids ?? [] }),
    cursor: () => (over === undefined ? undefined : { parsed: over, binary: portal?.binary ?? false }),
  }
}

/** The session's names under those that earlier statements of the same text give and take. */
class TextNames implements Names {
  readonly #session: Names
  readonly #prepared = new Map<string, Awaited<ReturnType<SessionTexts['prepared']>>>()
  readonly #cursors = new Map<string, Awaited<ReturnType<SessionTexts['cursor']>>>()
  #allPrepared = true
  #allCursors = true

  constructor(session: Names) {
    this.#session = session
  }

  async prepared(name: string): ReturnType<SessionTexts['prepared']> {
    if (this.#prepared.has(name)) return this.#prepared.get(name)
    return this.#allPrepared ? this.#session.prepared(name) : undefined
  }

  async cursor(name: string): ReturnType<SessionTexts['cursor']> {
    if (this.#cursors.has(name)) return this.#cursors.get(name)
    return this.#allCursors ? this.#session.cursor(name) : undefined
  }

  follow(effect: NormalizedStatement['effect']): void {
    if (effect.kind === 'prepare') this.#prepared.set(effect.name, effect)
    else if (effect.kind === 'declare') this.#cursors.set(effect.name, effect)
    else if (effect.kind === 'deallocate' && effect.name !== null) this.#prepared.set(effect.name, undefined)
    else if (effect.kind === 'close' && effect.name !== null) this.#cursors.set(effect.name, undefined)
    else if (effect.kind === 'deallocate') this.#forgetPrepared()
    else if (effect.kind === 'close') this.#forgetCursors()
    else if (effect.kind === 'discard_all') {
      this.#forgetPrepared()
      this.#forgetCursors()
    }
  }

  #forgetPrepared(): void {
    this.#prepared.clear()
    this.#allPrepared = false
  }

  #forgetCursors(): void {
    this.#cursors.clear()
    this.#allCursors = false
  }
}

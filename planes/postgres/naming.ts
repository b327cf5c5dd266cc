import type { Catalog, NormalizedStatement, ParsedStatement, SqlParser } from './normalizer/index.ts'
import { normalizeStatement, referencesOf, type SessionNames } from './normalizer/index.ts'

/** What the names of one session stand for, as texts. */
export interface SessionTexts {
  prepared(name: string): Promise<{ readonly sql: string; readonly parameterOids: readonly number[] } | undefined>
  cursor(name: string): Promise<{ readonly sql: string; readonly binary: boolean } | undefined>
}

/** No session's: where only a statement's text is asked for. */
export const NO_NAMES: SessionTexts = {
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

/**
 * One text's statements in their order: a name that one of them gives is what those behind it mean by it. Should it not
 * come to be, the server gets to none of those.
 */
export async function nameInSession(
  parsed: readonly ParsedStatement[],
  ground: NamingGround,
  session: SessionTexts,
  parser: Pick<SqlParser, 'parse'>,
): Promise<readonly NormalizedStatement[]> {
  const own = new TextNames(session)
  const statements: NormalizedStatement[] = []
  for (const statement of parsed) {
    const names = await standing(statement, ground, own, parser)
    const named = normalizeStatement(statement, ground.catalog, names)
    own.follow(named.effect)
    statements.push(named)
  }
  return statements
}

async function standing(
  { node }: ParsedStatement,
  ground: NamingGround,
  own: SessionTexts,
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
class TextNames implements SessionTexts {
  readonly #session: SessionTexts
  readonly #prepared = new Map<string, Awaited<ReturnType<SessionTexts['prepared']>>>()
  readonly #cursors = new Map<string, Awaited<ReturnType<SessionTexts['cursor']>>>()
  #allPrepared = true
  #allCursors = true

  constructor(session: SessionTexts) {
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

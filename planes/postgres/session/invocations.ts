import { NormalizeError } from '../../../engine/index.ts'
import type { Invocation } from '../enforcer/enforcer.ts'
import type { Catalog, NormalizedStatement, SessionEffect } from '../normalizer/index.ts'
import type { SessionTexts } from '../naming.ts'
import type { Naming } from './expected-replies.ts'
import type { Portal, PreparedStatement } from './statements.ts'
import type { Wire } from './wire.ts'

/** The statements of one text, named against the catalogue in force. */
export interface Named {
  readonly statements: readonly NormalizedStatement[]
  readonly catalog: Catalog
  /** When what it names was prepared, in changes of the session's own names; left out: now. */
  readonly since?: number
}

/** What naming asks of the session around it. */
export interface NamingHost {
  /** Throws NormalizeError. Empty for a text without a statement. */
  normalize(sql: string, session: SessionTexts): Promise<Named>
  /** A statement has changed the schema. */
  catalogueChanged(how: 'done'): void
}

/** No batch: a name that is defined in it is nobody's before the server has confirmed it. */
const NO_BATCH = -1

/** A client's text → the statements in it, ready to be judged. */
export class Invocations {
  readonly #wire: Wire
  readonly #host: NamingHost

  constructor(wire: Wire, host: NamingHost) {
    this.#wire = wire
    this.#host = host
  }

  /** What isn't a NormalizeError is thrown on: the catalogue can't be had at all. `batch`: whose new names it may use. */
  async name(sql: string, batch: number = NO_BATCH, since: number = Infinity): Promise<Named | NormalizeError> {
    try {
      return await this.#named(sql, batch, since)
    } catch (error) {
      if (error instanceof NormalizeError) return error
      throw error
    }
  }

  async #named(sql: string, batch: number, since: number): Promise<Named> {
    const { state, expected } = this.#wire
    // What earlier batches made may still come to nothing.
    if (state.unsettled || !state.own.plain) await expected.settled()
    const texts = this.#texts(batch)
    const named = await this.#host.normalize(sql, texts)
    for (const { effect } of named.statements) this.#admit(effect)
    const oldest = Math.min(since, texts.oldest())
    const statements = state.mark(named.statements, oldest)
    const plain = statements === named.statements && oldest >= state.own.changes
    return plain ? named : { ...named, statements, since: oldest }
  }

  get #known(): number {
    return this.#wire.state.own.changes
  }

  /** A client's names live in our memory as long as its session. */
  #admit(effect: SessionEffect): void {
    const { statements, portals } = this.#wire
    const full =
      (effect.kind === 'prepare' && statements.full(preparedBy(effect, this.#known))) ||
      (effect.kind === 'declare' && portals.full(declaredBy(effect, this.#known)))
    if (full) throw new NormalizeError('ERR_NORMALIZE_TOO_COMPLEX', 'this session has too many names: take some back')
  }

  /** One statement of a text as it stands, with nothing bound. */
  of(sql: string, named: Named, index: number, batch: number = NO_BATCH): Invocation {
    const pick = ({ statements, catalog }: Named): Pick<Invocation, 'statement' | 'catalog'> => {
      const statement = statements[index]
      if (statement === undefined)
        throw new NormalizeError('ERR_NORMALIZE_UNRESOLVED', 'the statement reads differently now')
      return { statement, catalog }
    }
    const { statement, catalog } = pick(named)
    let naming: Naming | null = null
    return {
      statement,
      catalog,
      parameters: statement.values ?? [],
      bound: sql,
      resultFormats: statement.effect.kind === 'fetch' && statement.effect.binary ? [BINARY] : [],
      transaction: this.#transaction(),
      spent: this.#spentIn(statement.effect, batch),
      prepareOnly: false,
      again: async () => pick(await this.#named(sql, batch, named.since ?? Infinity)),
      onAllowed: () => {
        this.#wire.state.allowed(statement)
        naming = this.#names(statement, batch)
      },
      onComplete: () => {
        naming?.confirm()
        this.#wire.state.ended(statement, 'done')
        this.#completed(statement)
      },
      onFail: () => {
        naming?.abandon()
        this.#wire.state.ended(statement, 'failed')
      },
    }
  }

  /** A cursor's limit holds for all that is fetched from it. */
  #spentIn(effect: SessionEffect, batch: number): Invocation['spent'] {
    const portal = effect.kind === 'fetch' ? this.#wire.portals.lookUp(effect.name, batch) : undefined
    return portal === undefined || portal === 'unsettled' ? { rows: 0, bytes: 0 } : portal.spent
  }

  #transaction(): Invocation['transaction'] {
    switch (this.#wire.transaction) {
      case 'I':
        return 'none'
      case 'T':
        return 'open'
      case 'E':
        return 'failed'
    }
  }

  /** `oldest`: of the names that were asked for, when the first of them was given. */
  #texts(batch: number): SessionTexts & { oldest(): number } {
    const wire = this.#wire
    let oldest = Infinity
    const met = (prepared: PreparedStatement | undefined): void => {
      if (prepared !== undefined) oldest = Math.min(oldest, prepared.known)
    }
    return {
      own: wire.state.own,
      oldest: () => oldest,
      prepared: async (name) => {
        const prepared = await wire.lookUp(wire.statements, name, batch)
        met(prepared)
        return prepared
      },
      cursor: async (name) => {
        const portal = await wire.lookUp(wire.portals, name, batch)
        met(portal?.prepared)
        return portal && { sql: portal.prepared.sql, binary: portal.cursor?.binary ?? false }
      },
    }
  }

  /** PREPARE and DECLARE name what Parse and Bind do; the same goes for taking names back. */
  #names({ effect }: NormalizedStatement, batch: number): Naming | null {
    const { statements, portals } = this.#wire
    switch (effect.kind) {
      case 'prepare':
        return statements.define(effect.name, preparedBy(effect, this.#known), batch)
      case 'declare':
        return portals.define(effect.name, declaredBy(effect, this.#known), batch)
      case 'deallocate':
        return effect.name === null ? null : statements.define(effect.name, null, batch)
      case 'close':
        return effect.name === null ? null : portals.define(effect.name, null, batch)
      default:
        return null
    }
  }

  /** The server has done it: names that are gone now. */
  #completed({ effect }: NormalizedStatement): void {
    const { statements, portals, state } = this.#wire
    if (effect.kind === 'deallocate' && effect.name === null) statements.clear()
    if (effect.kind === 'close' && effect.name === null) portals.clear()
    if (effect.kind === 'rollback') portals.keep(({ cursor }) => cursor?.committed === true)
    if (effect.kind === 'discard_all') {
      statements.clear()
      portals.clear()
      state.discarded()
    }
    // Within a transaction nobody else can see it yet: the session tells once that is over.
    const changed = (effect.kind === 'catalog' && !effect.temporary) || effect.kind === 'unseen'
    if (changed && this.#wire.transaction === 'I') this.#host.catalogueChanged('done')
  }
}

const BINARY = 1

type Prepare = Extract<SessionEffect, { kind: 'prepare' }>

function preparedBy({ name, sql, parameterOids }: Prepare, known: number): PreparedStatement {
  return { name, sql, parameterOids, known, allowed: true, checked: false }
}

function declaredBy({ sql, hold, binary }: Extract<SessionEffect, { kind: 'declare' }>, known: number): Portal {
  const prepared = { name: '', sql, parameterOids: [], known, allowed: true, checked: false }
  const cursor = { hold, binary, committed: false }
  return { prepared, parameters: [], parameterFormats: [], resultFormats: [], spent: { rows: 0, bytes: 0 }, cursor }
}

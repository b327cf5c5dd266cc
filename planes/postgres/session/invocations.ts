import { NormalizeError } from '../../../engine/index.ts'
import type { Invocation } from '../enforcer/enforcer.ts'
import type { Catalog, NormalizedStatement } from '../normalizer/index.ts'
import type { Wire } from './wire.ts'

/** The statements of one text, named against the catalogue in force. */
export interface Named {
  readonly statements: readonly NormalizedStatement[]
  readonly catalog: Catalog
}

/** What naming asks of the session around it. */
export interface NamingHost {
  /** Throws NormalizeError. Empty for a text without a statement. */
  normalize(sql: string): Promise<Named>
  /** A statement has changed the schema. */
  catalogueChanged(how: 'done'): void
}

/** A client's text → the statements in it, ready to be judged. */
export class Invocations {
  readonly #wire: Wire
  readonly #host: NamingHost

  constructor(wire: Wire, host: NamingHost) {
    this.#wire = wire
    this.#host = host
  }

  /** What isn't a NormalizeError is thrown on: the catalogue can't be had at all. */
  async name(sql: string): Promise<Named | NormalizeError> {
    try {
      return await this.#host.normalize(sql)
    } catch (error) {
      if (error instanceof NormalizeError) return error
      throw error
    }
  }

  /** One statement of a text as it stands, with nothing bound. */
  of(sql: string, named: Named, index: number): Invocation {
    const pick = ({ statements, catalog }: Named): Pick<Invocation, 'statement' | 'catalog'> => {
      const statement = statements[index]
      if (statement === undefined)
        throw new NormalizeError('ERR_NORMALIZE_UNRESOLVED', 'the statement reads differently now')
      return { statement, catalog }
    }
    return {
      ...pick(named),
      parameters: [],
      bound: sql,
      resultFormats: [],
      transaction: this.#transaction(),
      spent: { rows: 0, bytes: 0 },
      prepareOnly: false,
      again: async () => pick(await this.#host.normalize(sql)),
      onComplete: () => this.#completed(pick(named).statement),
    }
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

  /** The server has done it: names that are gone now. */
  #completed({ effect }: NormalizedStatement): void {
    const { statements, portals } = this.#wire
    if (effect.kind === 'deallocate' && effect.name !== null) statements.delete(effect.name)
    else if (effect.kind === 'deallocate' || effect.kind === 'discard_all') statements.clear()
    if (effect.kind === 'discard_all') portals.clear()
    if (effect.kind === 'catalog') this.#host.catalogueChanged('done')
  }
}

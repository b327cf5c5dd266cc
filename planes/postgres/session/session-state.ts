import { NormalizeError } from '../../../engine/index.ts'
import type { NormalizedStatement } from '../normalizer/index.ts'

/** What keeps the catalogue from telling what a name means to this session. */
interface Doubts {
  /** Code ran, or a setting was changed, that may have given every name another meaning. */
  readonly clouded: boolean
  /** This transaction defines what no other session can see yet, the gateway's own among them. */
  readonly drafts: boolean
}

const CLOUDED: NormalizedStatement['opaque'][number] = {
  what: 'session',
  error: new NormalizeError(
    'ERR_NORMALIZE_OPAQUE',
    'code that could not be seen into ran in this session, so names may not mean what they did',
  ),
}
const DRAFTS: NormalizedStatement['opaque'][number] = {
  what: 'uncommitted',
  error: new NormalizeError(
    'ERR_NORMALIZE_OPAQUE',
    'this transaction defines what can not be seen from outside it yet: commit it first',
  ),
}

/** Whether names still mean to this session what the catalogue says. */
export class SessionState {
  #doubts: Doubts = { clouded: false, drafts: false }
  readonly #channels = new Set<string>()

  get clouded(): boolean {
    return this.#doubts.clouded
  }

  /** The statements of one text, in order, with what makes their names doubtful. */
  mark(statements: readonly NormalizedStatement[]): readonly NormalizedStatement[] {
    let doubts = this.#doubts
    if (!doubts.clouded && !doubts.drafts && statements.length === 1) return statements
    return statements.map((statement) => {
      const marked = doubted(statement, doubts)
      doubts = after(doubts, statement)
      return marked
    })
  }

  /** From here on it may take effect at any moment. */
  allowed(statement: NormalizedStatement): void {
    this.#doubts = after(this.#doubts, statement)
    if (statement.effect.kind === 'listen') this.#channels.add(statement.effect.channel)
  }

  /** A LISTEN on this channel was let through; an UNLISTEN may still be rolled back, so it takes nothing away. */
  listensTo(channel: string): boolean {
    return this.#channels.has(channel) || this.clouded
  }

  /** DISCARD ALL is done: every setting, name and temporary object is as at the beginning. */
  discarded(): void {
    this.#doubts = { ...this.#doubts, clouded: false }
  }

  /** No transaction is open any more. True: what it defined can be seen from outside now. */
  idle(): boolean {
    const { drafts } = this.#doubts
    if (drafts) this.#doubts = { ...this.#doubts, drafts: false }
    return drafts
  }
}

function after(doubts: Doubts, { effect, functions }: NormalizedStatement): Doubts {
  const unseen = effect.kind === 'unseen' || functions.includes('pg_catalog.set_config')
  const temporary = effect.kind === 'catalog' && effect.temporary
  if (unseen) return { clouded: true, drafts: true }
  if (temporary) return { ...doubts, clouded: true }
  return effect.kind === 'catalog' ? { ...doubts, drafts: true } : doubts
}

function doubted(statement: NormalizedStatement, { clouded, drafts }: Doubts): NormalizedStatement {
  if ((!clouded && !drafts) || !usesNames(statement)) return statement
  const opaque = [...statement.opaque, ...(clouded ? [CLOUDED] : []), ...(drafts ? [DRAFTS] : [])]
  return { ...statement, opaque, effectFree: false, action: { ...statement.action, class: 'control' } }
}

/** A transaction's end, a setting or a name of the session's own needs nothing of the catalogue. */
function usesNames({ action, kind, resources, functions }: NormalizedStatement): boolean {
  return (action.class !== 'control' && kind !== 'show') || resources.length > 0 || functions.length > 0
}

import { NormalizeError } from '../../../engine/index.ts'
import { CLOUDED, doubtful, movesNames } from '../naming.ts'
import type { NormalizedStatement } from '../normalizer/index.ts'
import { OwnState } from '../own-state.ts'

/** What keeps the catalogue from telling what a name means to this session. */
interface Doubts {
  /** Code ran, or a setting was changed, that may have given every name another meaning. */
  readonly clouded: boolean
  /** This transaction defines what no other session can see yet, the gateway's own among them. */
  readonly drafts: boolean
}

const DRAFTS: NormalizedStatement['opaque'][number] = {
  what: 'uncommitted',
  error: new NormalizeError(
    'ERR_NORMALIZE_OPAQUE',
    'this transaction defines what can not be seen from outside it yet: commit it first',
  ),
}

const UNSETTLED: NormalizedStatement['opaque'][number] = {
  what: 'unsettled',
  error: new NormalizeError(
    'ERR_NORMALIZE_OPAQUE',
    'a statement before this one changes what names mean, and the server has not answered it yet: wait for that',
  ),
}
const CHANGED: NormalizedStatement['opaque'][number] = {
  what: 'changed',
  error: new NormalizeError(
    'ERR_NORMALIZE_OPAQUE',
    'a name in it has come to mean something else since it was prepared: prepare it again',
  ),
}

/** Whether names still mean to this session what the catalogue says. */
export class SessionState {
  #doubts: Doubts = { clouded: false, drafts: false }
  readonly #channels = new Set<string>()
  /** Temporary objects, and where names are looked for. */
  readonly own: OwnState = new OwnState()
  /** Statements under way that change those, and such that may undo it. */
  #moving = 0
  #ending = 0
  #searchPath: string | null = null

  get clouded(): boolean {
    return this.#doubts.clouded
  }

  /** What names mean depends on answers that are still to come. */
  get unsettled(): boolean {
    return this.#moving > 0 || (this.#ending > 0 && !this.own.plain)
  }

  /** The statements of one text, in order, with what makes their names doubtful. `since`: when it was prepared. */
  mark(statements: readonly NormalizedStatement[], since: number): readonly NormalizedStatement[] {
    let doubts = this.#doubts
    const { clouded, drafts } = doubts
    const settled = !this.unsettled && since >= this.own.changes && !this.own.lost
    if (settled && !clouded && !drafts && statements.length === 1) return statements
    return statements.map((statement) => {
      const marked = this.#doubted(statement, doubts, since)
      doubts = after(doubts, marked)
      return marked
    })
  }

  #doubted(statement: NormalizedStatement, { clouded, drafts }: Doubts, since: number): NormalizedStatement {
    if (!usesNames(statement)) return statement
    const why = [
      ...(clouded || this.own.lost ? [CLOUDED] : []),
      ...(drafts ? [DRAFTS] : []),
      ...(this.unsettled ? [UNSETTLED] : []),
      ...(this.own.changedSince(since, statement) ? [CHANGED] : []),
    ]
    return why.length === 0 ? statement : doubtful(statement, why)
  }

  /** From here on it may take effect at any moment. */
  allowed(statement: NormalizedStatement): void {
    this.#doubts = after(this.#doubts, statement)
    if (statement.effect.kind === 'listen') this.#channels.add(statement.effect.channel)
    this.own.carry(statement.carries)
    this.#count(statement, 1)
  }

  /** The server has done it, or it won't. */
  ended(statement: NormalizedStatement, how: 'done' | 'failed'): void {
    this.#count(statement, -1)
    if (how === 'done') this.own.done(statement.effect)
  }

  #count(statement: NormalizedStatement, by: 1 | -1): void {
    if (movesNames(statement)) this.#moving += by
    if (ENDINGS.has(statement.effect.kind)) this.#ending += by
  }

  /** The server says where it looks for names now. */
  reported(searchPath: string): void {
    this.#searchPath = searchPath
  }

  /** ReadyForQuery. `erred`: an error came before it. False as `agrees` is. */
  ready(status: 'I' | 'T' | 'E', erred: boolean): boolean {
    this.own.ready(status, erred)
    return this.agrees()
  }

  /** False: the server has said that it looks for names elsewhere than is thought. */
  agrees(): boolean {
    const reported = this.#searchPath
    this.#searchPath = null
    return reported === null || this.clouded || this.own.agrees(reported)
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

/** Effects that may undo what was done. */
const ENDINGS: ReadonlySet<NormalizedStatement['effect']['kind']> = new Set([
  'commit',
  'rollback',
  'savepoint',
  'release',
  'rollback_to',
])

function after(doubts: Doubts, { effect, functions, opaque }: NormalizedStatement): Doubts {
  const set = effect.kind !== 'set' && effect.kind !== 'path' && functions.includes('pg_catalog.set_config')
  const unseen = effect.kind === 'unseen' || set
  // What is made under a doubt is not known.
  const temporary = (effect.kind === 'catalog' && effect.temporary) || (effect.kind === 'own' && opaque.length > 0)
  if (unseen) return { clouded: true, drafts: true }
  if (temporary) return { ...doubts, clouded: true }
  return effect.kind === 'catalog' ? { ...doubts, drafts: true } : doubts
}

/** A transaction's end, a setting or a name of the session's own needs nothing of the catalogue. */
function usesNames({ action, kind, resources, functions }: NormalizedStatement): boolean {
  return (action.class !== 'control' && kind !== 'show') || resources.length > 0 || functions.length > 0
}

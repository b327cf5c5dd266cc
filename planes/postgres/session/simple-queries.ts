import { type CountersignError, NormalizeError } from '../../../engine/index.ts'
import { type Denial, SQLSTATE } from '../enforcer/denial.ts'
import type { Invocation, Judged } from '../enforcer/enforcer.ts'
import type { RunningStatement } from '../enforcer/running-statement.ts'
import { message, POISON_SQL, SYNC } from './client-messages.ts'
import type { Invocations } from './invocations.ts'
import { errorResponse } from './server-messages.ts'
import type { Wire } from './wire.ts'

/** Who decides, and who records what can't be decided. */
export interface Judges {
  /** Decides; while held, keeps the client's connection alive and listens for a cancel. */
  judge(invocation: Invocation): Promise<Judged>
  /** Records what can't be named; the client's answer. */
  refuse(error: CountersignError, kind: string): Promise<Denial>
}

/** Where it came: behind messages of an extended batch that no Sync has ended, whose work would be undone with it. */
type Within = 'batch' | 'nothing'

const EMPTY_QUERY: Buffer = message({ kind: 'query', sql: '' })
const POISON_QUERY: Buffer = message({ kind: 'query', sql: POISON_SQL })

/** The simple query protocol: a text, all its answers, ReadyForQuery. */
export class SimpleQueries {
  readonly #wire: Wire
  readonly #host: Judges
  readonly #invocations: Invocations

  constructor(wire: Wire, host: Judges, invocations: Invocations) {
    this.#wire = wire
    this.#host = host
    this.#invocations = invocations
  }

  /** Decides every statement of a text before any of it goes up: one that is denied denies them all. */
  async run(sql: string, bytes: Buffer, within: Within): Promise<void> {
    const named = await this.#invocations.name(sql)
    if (named instanceof NormalizeError) return this.refuse(named, 'query', within)
    if (named.statements.length === 0) return this.#askEmpty()
    const running: RunningStatement[] = []
    for (const index of named.statements.keys()) {
      const judged = await this.#host.judge(this.#invocations.of(sql, named, index))
      if (judged.kind === 'denied') {
        await Promise.all(running.map((earlier) => earlier.fail(SQLSTATE.insufficientPrivilege)))
        return this.#deny(judged.denial, within)
      }
      running.push(judged.running)
    }
    this.#wire.send(bytes, { kind: 'query', statements: running, next: 0 })
    this.#wire.expected.push({ kind: 'ready' })
  }

  /** The server's own answer, to an empty text of ours: what the client's comments say is nobody's business. */
  #askEmpty(): void {
    this.#wire.send(EMPTY_QUERY, { kind: 'empty' })
    this.#wire.expected.push({ kind: 'ready' })
  }

  /** Also for a FunctionCall, which ends like a Query. */
  async refuse(error: CountersignError, kind: string, within: Within): Promise<void> {
    this.#deny(await this.#host.refuse(error, kind), within)
  }

  /** Answers a Query or FunctionCall with an error; the server makes ReadyForQuery, its transaction failed like any other. */
  #deny(denial: Denial, within: Within): void {
    this.#wire.answer(errorResponse(denial))
    if (within === 'nothing' && this.#wire.transaction === 'I') this.#wire.sendUpstream(SYNC)
    else {
      this.#wire.expected.push({ kind: 'poison' })
      this.#wire.sendUpstream(POISON_QUERY)
    }
    this.#wire.expected.push({ kind: 'ready' })
  }
}

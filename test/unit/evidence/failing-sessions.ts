import {
  openPostgresSession,
  type Connect,
  type PostgresSession,
  type Row,
} from '../../../engine/evidence/postgres-session.ts'

/** How a step goes wrong: before it did anything, or after it did all of it and before that was told. */
export type SessionFault = 'before' | 'after'

/**
 * A real database whose nth step of all fails, once: the session it ran in is lost with it, as when a server dies, a
 * network breaks, or an answer to COMMIT never comes.
 */
export class FailingSessions {
  /** The statements so far, each in its first words; `connect` where a session was opened. */
  readonly steps: string[] = []
  readonly #failAt: number
  readonly #fault: SessionFault

  constructor(failAt: number, fault: SessionFault) {
    this.#failAt = failAt
    this.#fault = fault
  }

  readonly connect: Connect = async (address) => {
    const session = await this.#step('connect', null, () => openPostgresSession(address))
    return {
      query: (text, values, name) => this.#query(session, text, values, name),
      close: () => session.close(),
    }
  }

  #query(session: PostgresSession, text: string, values?: readonly unknown[], name?: string): Promise<readonly Row[]> {
    const words = text.trim().split(/\s+/).slice(0, 4).join(' ')
    return this.#step(words, session, () => session.query(text, values, name))
  }

  async #step<T>(name: string, session: PostgresSession | null, work: () => Promise<T>): Promise<T> {
    const fails = this.steps.length === this.#failAt
    this.steps.push(name)
    if (!fails) return work()
    const result = this.#fault === 'after' ? await work() : null
    await session?.close()
    if (session === null && isSession(result)) await result.close()
    throw new Error('Connection terminated unexpectedly')
  }
}

function isSession(value: unknown): value is PostgresSession {
  return typeof value === 'object' && value !== null && 'close' in value
}

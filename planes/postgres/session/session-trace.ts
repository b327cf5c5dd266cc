import { decodeBackend } from '../codec/backend-messages.ts'
import { FrameReader } from '../codec/frame.ts'
import { decodeFrontend } from '../codec/frontend-messages.ts'
import { traceBackend, traceFrontend, UNTOLD } from '../codec/trace.ts'

/** Takes the lines of one session's trace. */
export interface TraceSink {
  line(text: string): void
}

/**
 * What passes between one client and the gateway, for support, as the client's own PQtrace would print it: what it gets is
 * traced as it leaves, so masked; of what it sends no value is told, and its SQL without literals.
 */
export class SessionTrace {
  readonly #sink: TraceSink
  readonly #reword: (sql: string) => Promise<readonly string[]>
  readonly #now: () => number
  readonly #leaving: FrameReader
  #lost = false

  /** `reword`: a text's statements without literals; throws where it has no sense. */
  constructor(
    sink: TraceSink,
    options: { reword(sql: string): Promise<readonly string[]>; now(): number; readonly maxFrameBytes: number },
  ) {
    this.#sink = sink
    this.#reword = (sql) => options.reword(sql)
    this.#now = () => options.now()
    this.#leaving = new FrameReader({ maxFrameBytes: options.maxFrameBytes })
  }

  /** A whole frame of the client's. Throws ProtocolError, as whoever decodes it next would. */
  async fromClient(type: number, buffer: Buffer, bodyStart: number, end: number): Promise<void> {
    const message = decodeFrontend(type, buffer, bodyStart, end)
    const sql = message.kind === 'query' || message.kind === 'parse' ? await this.#safely(message.sql) : ''
    this.#line(traceFrontend(message, end - bodyStart + 4, sql))
  }

  /** Whole frames that leave for the client. */
  toClient(pieces: readonly Buffer[]): void {
    if (this.#lost) return
    try {
      for (const piece of pieces) this.#leaving.push(piece)
      while (this.#leaving.advance()) {
        const { type, buffer, bodyStart, end } = this.#leaving
        this.#line(traceBackend(decodeBackend(type, buffer, bodyStart, end), end - bodyStart + 4))
      }
    } catch (error) {
      this.#lost = true // a session doesn't end because its trace does
      this.#line(`(what leaves can't be read any more: ${String(error)})`)
    }
  }

  async #safely(sql: string): Promise<string> {
    try {
      return (await this.#reword(sql)).join('; ')
    } catch {
      return UNTOLD // it has no sense, or none that can be told without what is in it
    }
  }

  #line(text: string): void {
    this.#sink.line(`${new Date(this.#now()).toISOString().replace('T', ' ').replace('Z', '000')}\t${text}`)
  }
}

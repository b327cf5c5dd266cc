import { createHash, type Hash } from 'node:crypto'
import { ProtocolError } from '../../../engine/index.ts'

/** What went up, without the framing that the client chose: SHA-256 of the very file that was copied. */
export interface SentRows {
  readonly bytes: number
  readonly sha256: string
}

/**
 * The client's rows of one COPY FROM STDIN.
 *
 * | state | is left by |
 * |---|---|
 * | `awaited`: the statement went up | the server's CopyInResponse → `open`; the statement's end → `over`; `giveUp` → `given-up` |
 * | `open`: rows may go up | the client's CopyDone or CopyFail → `sent`; the statement's end → `over` |
 * | `sent`: the client has no more | the statement's end → `over` |
 * | `given-up`: nobody is there to send any | the server's CopyInResponse, which is then to be answered with CopyFail |
 */
export class IncomingCopy {
  #state: 'awaited' | 'open' | 'sent' | 'given-up' | 'over' = 'awaited'
  readonly #answered = Promise.withResolvers<void>()
  readonly #digest: Hash = createHash('sha256')
  #bytes = 0

  get open(): boolean {
    return this.#state === 'open'
  }

  get sent(): boolean {
    return this.#state === 'sent'
  }

  get awaited(): boolean {
    return this.#state === 'awaited'
  }

  /** It has ended, or will without us. */
  get over(): boolean {
    return this.#state === 'over' || this.#state === 'given-up'
  }

  /** Until then nobody can tell what the client's next message means: within COPY the server takes other ones than outside. */
  answered(): Promise<void> {
    return this.#answered.promise
  }

  /** The server wants rows. False: there is nobody any more to send them. */
  begin(): boolean {
    if (this.#state === 'given-up') return false
    if (this.#state !== 'awaited') {
      throw new ProtocolError('ERR_PROTOCOL_STATE', 'the server asks for rows that it has asked for already')
    }
    this.#state = 'open'
    this.#answered.resolve()
    return true
  }

  /** One CopyData that goes up. */
  take(buffer: Buffer, bodyStart: number, end: number): void {
    this.#digest.update(buffer.subarray(bodyStart, end))
    this.#bytes += end - bodyStart
  }

  /** The client's CopyDone or CopyFail goes up. */
  finish(): void {
    this.#state = 'sent'
  }

  giveUp(): void {
    if (this.#state === 'awaited') this.#state = 'given-up'
    this.#answered.resolve()
  }

  /** The statement has ended. What went up until then: */
  end(): SentRows {
    this.#state = 'over'
    this.#answered.resolve()
    return { bytes: this.#bytes, sha256: this.#digest.digest('hex') }
  }
}

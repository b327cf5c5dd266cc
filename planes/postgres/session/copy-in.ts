import { ProtocolError } from '../../../engine/index.ts'
import type { FrontendMessage } from '../codec/frontend-messages.ts'
import { FRONTEND } from '../codec/message-types.ts'
import type { IncomingCopy } from '../enforcer/incoming-copy.ts'
import type { RunningStatement } from '../enforcer/running-statement.ts'
import { message } from './client-messages.ts'

/** Of our own, where the client has gone in the middle of its rows: the server takes back what came. */
export const COPY_FAIL: Buffer = message({ kind: 'copyFail', reason: 'the client has gone' })

/**
 * The COPYs from the client that went up and aren't over, in the order in which the server will come to them: one for an
 * Execute, any number for a simple Query.
 */
export class CopyIn {
  readonly #upstream: (bytes: Buffer) => void
  #copies: IncomingCopy[] = []

  constructor(upstream: (bytes: Buffer) => void) {
    this.#upstream = upstream
  }

  /** These statements went up. */
  follow(statements: readonly RunningStatement[]): void {
    for (const { incoming } of statements) if (incoming !== null) this.#copies.push(incoming)
  }

  /** The one that the client's messages are for now, or will be once the server has answered; null where there is none. */
  current(): IncomingCopy | null {
    for (let head = this.#copies[0]; head !== undefined; head = this.#copies[0]) {
      if (!head.over && !head.sent) return head
      this.#copies.shift()
    }
    return null
  }

  /** A frame of rows; false where it is none, or the server doesn't want any now. */
  data(type: number, buffer: Buffer, start: number, bodyStart: number, end: number): boolean {
    const copy = type === FRONTEND.copyData && this.#copies.length > 0 ? this.current() : null
    if (copy === null || !copy.open) return false
    copy.take(buffer, bodyStart, end)
    this.#upstream(buffer.subarray(start, end))
    return true
  }

  /** Any other message while the server waits for rows. */
  take(copy: IncomingCopy, incoming: FrontendMessage, bytes: Buffer): void {
    switch (incoming.kind) {
      case 'copyDone':
      case 'copyFail':
        copy.finish()
        return this.#upstream(bytes)
      case 'flush':
      case 'sync':
        return // as the server: a client may have sent them before it knew that its statement was a COPY
      case 'copyData':
      case 'query':
      case 'parse':
      case 'bind':
      case 'describe':
      case 'execute':
      case 'close':
      case 'functionCall':
      case 'password':
      case 'terminate': {
        const type = (bytes[0] ?? 0).toString(16).padStart(2, '0').toUpperCase()
        throw new ProtocolError('ERR_PROTOCOL_STATE', `unexpected message type 0x${type} during COPY from stdin`)
      }
    }
  }

  /** The client has gone: a COPY under way fails, one that the server has still to come to will. */
  giveUp(): void {
    for (const copy of this.#copies) {
      if (copy.open) {
        copy.finish()
        this.#upstream(COPY_FAIL)
      } else copy.giveUp()
    }
  }
}

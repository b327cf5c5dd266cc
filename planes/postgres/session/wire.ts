import type { TransactionStatus } from '../codec/backend-messages.ts'
import { ExpectedReplies } from './expected-replies.ts'
import type { Outbox } from './outbox.ts'
import { NameTable, type Portal, type PreparedStatement } from './statements.ts'

/** What the two directions of one client connection share: what the server owes, which names stand, whose turn it is. */
export class Wire {
  readonly expected: ExpectedReplies = new ExpectedReplies()
  readonly statements: NameTable<PreparedStatement> = new NameTable()
  readonly portals: NameTable<Portal> = new NameTable()
  readonly outbox: Outbox
  /** As the server's last ReadyForQuery told. */
  transaction: TransactionStatus = 'I'
  readonly #upstream: (bytes: Buffer) => void

  constructor(outbox: Outbox, upstream: (bytes: Buffer) => void) {
    this.outbox = outbox
    this.#upstream = upstream
  }

  /** Only for bytes that a decision has let through, or of the gateway's own making. */
  sendUpstream(bytes: Buffer): void {
    this.#upstream(bytes)
  }

  /** An answer of the gateway's own: it waits its turn behind what the server still owes. */
  answer(bytes: Buffer): void {
    this.expected.push({ kind: 'local', bytes })
    this.emitLocal()
    this.outbox.flush()
  }

  /** Moves the gateway's own answers that have come to the head of the line into the outbox. */
  emitLocal(): void {
    for (let head = this.expected.peek(); head?.kind === 'local'; head = this.expected.peek()) {
      this.expected.shift()
      this.outbox.push(head.bytes)
    }
  }
}

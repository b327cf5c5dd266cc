import type { TransactionStatus } from '../codec/backend-messages.ts'
import type { RunningStatement } from '../enforcer/running-statement.ts'
import { CopyIn } from './copy-in.ts'
import { type ExpectedReply, ExpectedReplies } from './expected-replies.ts'
import type { Outbox } from './outbox.ts'
import { SessionState } from './session-state.ts'
import { NameTable, type Portal, portalBytes, type PreparedStatement, statementBytes } from './statements.ts'

/** What the two directions of one client connection share: what the server owes, which names stand, whose turn it is. */
export class Wire {
  readonly expected: ExpectedReplies = new ExpectedReplies()
  readonly statements: NameTable<PreparedStatement>
  readonly portals: NameTable<Portal>
  readonly outbox: Outbox
  readonly state: SessionState = new SessionState()
  readonly copies: CopyIn
  /** As the server's last ReadyForQuery told. */
  transaction: TransactionStatus = 'I'
  /** After an error within a batch: its SQLSTATE, until the Sync up to which the server discards everything. */
  discarding: string | null = null
  /** The client was told of an error that the server knows nothing of: it has to be made to fail before the next Sync. */
  mustFail = false
  readonly #upstream: (bytes: Buffer) => void
  /** The statement whose answer came last, or is coming. */
  #begun: RunningStatement | null = null

  /** `kept`: how many prepared statements, and how many portals, the client may have, and how many bytes behind them. */
  constructor(
    outbox: Outbox,
    upstream: (bytes: Buffer) => void,
    kept: { readonly names: number; readonly bytes: number },
  ) {
    this.outbox = outbox
    this.statements = new NameTable({ most: kept.names, bytes: kept.bytes, sizeOf: statementBytes })
    this.portals = new NameTable({ most: kept.names, bytes: kept.bytes, sizeOf: portalBytes })
    this.#upstream = upstream
    this.copies = new CopyIn(upstream)
  }

  /** Only for bytes that a decision has let through, or of the gateway's own making. */
  sendUpstream(bytes: Buffer): void {
    this.#upstream(bytes)
  }

  /** Sends one message of a batch; one that the server would discard isn't sent, and comes to nothing at once. */
  send(bytes: Buffer, reply: ExpectedReply): void {
    if (this.discarding !== null) return this.abandon(reply, this.discarding)
    this.expected.push(reply)
    if (reply.kind === 'execute') this.copies.follow([reply.statement])
    if (reply.kind === 'query') this.copies.follow(reply.statements)
    this.#upstream(bytes)
  }

  /** What a name stands for; waits where the server has still to say. `batch`: whose unconfirmed names may be used. */
  async lookUp<T>(table: NameTable<T>, name: string, batch: number): Promise<T | undefined> {
    const found = table.lookUp(name, batch)
    if (found !== 'unsettled') return found
    await this.expected.settled()
    const settled = table.lookUp(name, batch)
    return settled === 'unsettled' ? undefined : settled
  }

  /** No transaction is open any more: cursors are gone, but for those that outlive one. */
  idle(): void {
    this.portals.keep(({ cursor }) => cursor?.hold === true)
    for (const { cursor } of this.portals.confirmed()) if (cursor !== null) cursor.committed = true
  }

  /** This will not be done any more: names go back to what they were, statements have failed. */
  abandon(reply: ExpectedReply, sqlstate: string): void {
    switch (reply.kind) {
      case 'parse':
        reply.naming.abandon()
        if (reply.prepare !== null) this.#failed(reply.prepare, sqlstate)
        return
      case 'bind':
      case 'close':
        return reply.naming.abandon()
      case 'execute':
        return this.#failed(reply.statement, sqlstate)
      case 'query':
        for (const statement of reply.statements.slice(reply.next)) this.#failed(statement, sqlstate)
        return
      case 'describe':
      case 'empty':
      case 'ready':
      case 'poison':
      case 'local':
    }
  }

  /** From here on answers to this statement may come: none leaves before its intent is durable. */
  begin(statement: RunningStatement): void {
    statement.begin()
    this.#begun = statement
  }

  /** Something of the answers that have begun is to leave: what that needs to be on disk is sent there. */
  gateBegun(gate: (durable: Promise<void>) => void): void {
    this.#begun?.flush(gate)
  }

  /** An answer of the gateway's own: it waits its turn behind what the server still owes; after an error there is none. */
  answer(bytes: Buffer): void {
    if (this.discarding !== null) return
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

  #failed(statement: RunningStatement, sqlstate: string): void {
    this.begin(statement)
    this.outbox.gate(statement.fail(sqlstate))
  }
}

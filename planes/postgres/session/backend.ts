import { ObligationError, ProtocolError } from '../../../engine/index.ts'
import { type BackendMessage, decodeBackend, type ErrorFields } from '../codec/backend-messages.ts'
import type { FrameReader } from '../codec/frame.ts'
import { BACKEND, typeLabel } from '../codec/message-types.ts'
import { Writer } from '../codec/writer.ts'
import type { RunningStatement } from '../enforcer/running-statement.ts'
import type { ExpectedReply } from './expected-replies.ts'
import { withheld } from './server-messages.ts'
import type { Wire } from './wire.ts'

/** Settings that the normalizer relies on: a server that reports another value has been led astray. */
const PINNED: ReadonlyMap<string, string> = new Map([
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
])
/** SQLSTATEs that say the catalogue isn't what it was: undefined table, column, function. */
const STALE_CATALOGUE: ReadonlySet<string> = new Set(['42P01', '42703', '42883', '0A000'])

export interface BackendHost {
  /** The server has forgotten or changed what the normalizer knew. */
  catalogueChanged(): void
}

/** What becomes of the current frame. */
type Fate = 'pass' | 'drop'

/**
 * The server's side of a session: every frame is matched with what the server owes, masked, recorded, and passed on.
 * A frame that isn't owed ends the session: it would be the answer to something that nobody decided.
 */
export class Backend {
  readonly #wire: Wire
  readonly #host: BackendHost
  readonly #out: Writer = new Writer(64 * 1024)
  readonly #gate: (durable: Promise<void>) => void
  /** The part of the current chunk that goes out as it lies there. */
  #passing: Buffer | null = null
  #from = 0
  #to = 0

  constructor(wire: Wire, host: BackendHost) {
    this.#wire = wire
    this.#host = host
    this.#gate = (durable) => wire.outbox.gate(durable)
  }

  /** Takes all whole frames that the reader has; what leaves, leaves as one batch. */
  take(reader: FrameReader): void {
    while (reader.advance()) {
      const { type, buffer, start, bodyStart, end } = reader
      if (this.#frame(type, buffer, start, bodyStart, end) === 'pass') this.#pass(buffer, start, end)
      if (this.#wire.expected.peek()?.kind === 'local') {
        this.#endRun()
        this.#wire.emitLocal()
      }
    }
    this.#endRun()
    this.#current()?.flush(this.#gate)
    this.#wire.outbox.flush()
  }

  #frame(type: number, buffer: Buffer, start: number, bodyStart: number, end: number): Fate {
    if (type === BACKEND.dataRow) return this.#row(buffer, start, bodyStart, end)
    const message = decodeBackend(type, buffer, bodyStart, end)
    switch (message.kind) {
      case 'noticeResponse':
        return this.#text('noticeResponse', message.fields)
      case 'parameterStatus':
        return this.#parameter(message)
      case 'errorResponse':
        return this.#error(message.fields)
      case 'readyForQuery':
        return this.#ready(message.status)
      default:
        return this.#reply(message, type)
    }
  }

  /** A message that answers the head of the line. */
  #reply(message: BackendMessage, type: number): Fate {
    const head = this.#wire.expected.peek()
    switch (head?.kind) {
      case 'parse':
        if (message.kind === 'parseComplete') return this.#parsed(head)
        break
      case 'bind':
        if (message.kind === 'bindComplete') return this.#named(head)
        break
      case 'close':
        if (message.kind === 'closeComplete') return this.#named(head)
        break
      case 'describe':
        return this.#described(head, message, type)
      case 'empty':
        if (message.kind === 'emptyQueryResponse') return this.#shift('pass')
        break
      case 'execute':
        return this.#executed(head.statement, message, type, () => this.#wire.expected.shift())
      case 'query': {
        const statement = head.statements[head.next]
        if (statement === undefined) break
        return this.#executed(statement, message, type, () => {
          head.next += 1
          if (head.next === head.statements.length) this.#wire.expected.shift()
        })
      }
      default: // nothing is owed, or something that only ReadyForQuery or an error answers
    }
    throw notOwed(type)
  }

  #parsed(head: Extract<ExpectedReply, { kind: 'parse' }>): Fate {
    head.naming.confirm()
    if (head.prepare !== null) {
      this.#begin(head.prepare)
      this.#gate(head.prepare.complete('PARSE'))
    }
    return this.#shift('pass')
  }

  #named(head: Extract<ExpectedReply, { kind: 'bind' | 'close' }>): Fate {
    head.naming.confirm()
    return this.#shift('pass')
  }

  #described(head: Extract<ExpectedReply, { kind: 'describe' }>, message: BackendMessage, type: number): Fate {
    const fate = head.swallow ? 'drop' : 'pass'
    switch (message.kind) {
      case 'parameterDescription':
        head.described({ parameterOids: message.types })
        return fate
      case 'rowDescription':
        head.described({ fields: message.fields })
        return this.#shift(fate)
      case 'noData':
        head.described({ fields: null })
        return this.#shift(fate)
      default:
        throw notOwed(type)
    }
  }

  #executed(statement: RunningStatement, message: BackendMessage, type: number, finished: () => void): Fate {
    this.#begin(statement)
    switch (message.kind) {
      case 'rowDescription':
        statement.describe(message.fields)
        return 'pass'
      case 'commandComplete':
        finished()
        this.#gate(statement.complete(message.tag))
        return 'pass'
      case 'portalSuspended':
        finished()
        this.#gate(statement.complete('SUSPENDED'))
        return 'pass'
      default:
        throw notOwed(type)
    }
  }

  #row(buffer: Buffer, start: number, bodyStart: number, end: number): Fate {
    const statement = this.#current()
    if (statement === null) throw notOwed(BACKEND.dataRow)
    this.#begin(statement)
    const rebuilt = statement.row(buffer, start, bodyStart, end, this.#out, this.#gate)
    if (!rebuilt) return 'pass'
    this.#endPassing()
    return 'drop'
  }

  /** The statement whose rows may come now. */
  #current(): RunningStatement | null {
    const head = this.#wire.expected.peek()
    if (head?.kind === 'execute') return head.statement
    if (head?.kind === 'query') return head.statements[head.next] ?? null
    return null
  }

  #begin(statement: RunningStatement): void {
    const durable = statement.begin()
    if (durable !== null) this.#gate(durable)
  }

  #error(fields: ErrorFields): Fate {
    const sqlstate = fields.get('C') ?? 'XX000'
    if (STALE_CATALOGUE.has(sqlstate)) this.#host.catalogueChanged()
    const head = this.#wire.expected.peek()
    if (head === undefined) return 'pass' // FATAL while idle: the server is going away and says so
    const fate = head.kind === 'poison' ? 'drop' : this.#text('errorResponse', fields)
    for (const skipped of this.#wire.expected.skipped()) this.#abandon(skipped, sqlstate)
    return fate
  }

  /** The server will not do this any more: names go back to what they were, statements have failed. */
  #abandon(reply: ExpectedReply, sqlstate: string): void {
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

  #failed(statement: RunningStatement, sqlstate: string): void {
    this.#begin(statement)
    this.#gate(statement.fail(sqlstate))
  }

  /** Error and notice text prints values; about a statement on labelled tables it is withheld. */
  #text(kind: 'errorResponse' | 'noticeResponse', fields: ErrorFields): Fate {
    if (this.#concerned()?.sensitive !== true) return 'pass'
    this.#endRun()
    this.#wire.outbox.push(withheld(kind, fields))
    return 'drop'
  }

  /** The statement that the server is, or may be, speaking of. */
  #concerned(): RunningStatement | null {
    return this.#current() ?? this.#wire.expected.nextStatement()
  }

  #parameter({ name, value }: { readonly name: string; readonly value: string }): Fate {
    const pinned = PINNED.get(name)
    if (pinned !== undefined && pinned !== value) {
      throw new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', `the server changed ${name}, on which decisions rely`)
    }
    return 'pass'
  }

  #ready(status: Wire['transaction']): Fate {
    const head = this.#wire.expected.peek()
    if (head?.kind !== 'ready') throw notOwed(BACKEND.readyForQuery)
    this.#wire.transaction = status
    if (status === 'I') this.#wire.portals.clear()
    return this.#shift('pass')
  }

  #shift(fate: Fate): Fate {
    this.#wire.expected.shift()
    return fate
  }

  /** Lengthens the run of bytes that go out as they lie, or begins another. */
  #pass(buffer: Buffer, start: number, end: number): void {
    if (this.#passing === buffer && this.#to === start) {
      this.#to = end
      return
    }
    this.#endRun()
    this.#passing = buffer
    this.#from = start
    this.#to = end
  }

  #endPassing(): void {
    if (this.#passing === null) return
    // What was rebuilt before this run began has been pushed by the #pass that began it.
    this.#wire.outbox.push(this.#passing.subarray(this.#from, this.#to))
    this.#passing = null
  }

  /** Pushes what is rebuilt or passing; one of the two is always empty. */
  #endRun(): void {
    this.#endPassing()
    if (this.#out.length > 0) this.#wire.outbox.push(this.#out.take())
  }
}

function notOwed(type: number): ProtocolError {
  return new ProtocolError(
    'ERR_PROTOCOL_STATE',
    `the server sent ${typeLabel(type)} where nothing of that kind is expected`,
  )
}

import { ObligationError, ProtocolError } from '../../../engine/index.ts'
import { type BackendMessage, decodeBackend, type ErrorFields } from '../codec/backend-messages.ts'
import type { FrameReader } from '../codec/frame.ts'
import { BACKEND, typeLabel } from '../codec/message-types.ts'
import { Writer } from '../codec/writer.ts'
import type { RunningStatement } from '../enforcer/running-statement.ts'
import { COPY_FAIL } from './copy-in.ts'
import type { ExpectedReply } from './expected-replies.ts'
import { withheld } from './server-messages.ts'
import type { Wire } from './wire.ts'

/** Settings that decisions rely on: a server that reports another value than at first has been led astray. */
const PINNED: ReadonlySet<string> = new Set([
  'client_encoding',
  'is_superuser',
  'search_path',
  'session_authorization',
  'standard_conforming_strings',
])
const FATAL: ReadonlySet<string | undefined> = new Set(['FATAL', 'PANIC'])
/** SQLSTATEs that say the catalogue isn't what it was: undefined table, column, function. */
const STALE_CATALOGUE: ReadonlySet<string> = new Set(['42P01', '42703', '42883', '0A000'])

export interface BackendHost {
  /** The server has forgotten or changed what the normalizer knew. */
  catalogueChanged(how: 'suspected'): void
  /** As the server reported them when the session began. */
  readonly parameters: ReadonlyMap<string, string>
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
  /** This transaction wrote to a labelled table: constraints and triggers may speak of it as late as its end. */
  #wroteSensitive = false
  /** This batch, or Query, touched one: what comes behind its last answer may still be about it. */
  #touchedSensitive = false
  /** A batch, or a Query, ends with its first error. */
  #erred = false
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
    if (type === BACKEND.copyData) return this.#copied(buffer, start, bodyStart, end)
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
    const { expected } = this.#wire
    const head = expected.peek()
    const next = expected.nextStatement()
    if (next !== null) this.#begin(next)
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
        if (message.kind === 'rowDescription') break // the answer to a Describe that nobody sent
        return this.#executed(head.statement, message, type, () => expected.shift())
      case 'query': {
        const statement = head.statements[head.next]
        if (statement === undefined || message.kind === 'portalSuspended') break // a Query has no row limit
        return this.#executed(statement, message, type, () => {
          head.next += 1
          if (head.next === head.statements.length) expected.shift()
        })
      }
      default: // nothing is owed, or something that only ReadyForQuery or an error answers
    }
    throw notOwed(type)
  }

  #parsed(head: Extract<ExpectedReply, { kind: 'parse' }>): Fate {
    head.naming.confirm()
    if (head.prepare !== null) this.#gate(head.prepare.complete('PARSE'))
    return this.#shift('pass')
  }

  #named(head: Extract<ExpectedReply, { kind: 'bind' | 'close' }>): Fate {
    head.naming.confirm()
    return this.#shift('pass')
  }

  #described(head: Extract<ExpectedReply, { kind: 'describe' }>, message: BackendMessage, type: number): Fate {
    const fate = head.swallow ? 'drop' : 'pass'
    if (head.owesParameters && message.kind !== 'parameterDescription') throw notOwed(type)
    switch (message.kind) {
      case 'parameterDescription':
        if (!head.owesParameters) throw notOwed(type)
        head.owesParameters = false
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
    switch (message.kind) {
      case 'rowDescription':
        if (statement.described) throw notOwed(type)
        statement.describe(message.fields)
        return 'pass'
      case 'copyOutResponse':
        statement.copyOut(message)
        return 'pass'
      case 'copyInResponse':
        if (!statement.copyIn()) this.#wire.sendUpstream(COPY_FAIL)
        return 'pass'
      case 'copyDone':
        statement.copyDone()
        return 'pass'
      case 'commandComplete':
        this.#gate(statement.complete(message.tag)) // throws before it is out of the line: then its outcome is in doubt
        finished()
        return 'pass'
      case 'portalSuspended':
        this.#gate(statement.complete('SUSPENDED'))
        finished()
        return 'pass'
      default:
        throw notOwed(type)
    }
  }

  #row(buffer: Buffer, start: number, bodyStart: number, end: number): Fate {
    const statement = this.#current()
    const undescribed = this.#wire.expected.peek()?.kind === 'query' && statement?.described === false
    if (statement === null || undescribed) throw notOwed(BACKEND.dataRow)
    this.#begin(statement)
    const rebuilt = statement.row(buffer, start, bodyStart, end, this.#out, this.#gate)
    if (!rebuilt) return 'pass'
    this.#endPassing()
    return 'drop'
  }

  #copied(buffer: Buffer, start: number, bodyStart: number, end: number): Fate {
    const statement = this.#current()
    if (statement === null) throw notOwed(BACKEND.copyData)
    const rebuilt = statement.copyData(buffer, start, bodyStart, end, this.#out, this.#gate)
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
    this.#wire.begin(statement)
    this.#touchedSensitive ||= statement.sensitive
    this.#wroteSensitive ||= statement.sensitive && statement.writes
  }

  #error(fields: ErrorFields): Fate {
    const sqlstate = fields.get('C') ?? 'XX000'
    if (STALE_CATALOGUE.has(sqlstate)) this.#host.catalogueChanged('suspected')
    const { expected } = this.#wire
    const head = expected.peek()
    if ((head === undefined || this.#erred) && !isFatal(fields)) throw notOwed(BACKEND.errorResponse)
    this.#erred = true
    const fate = head?.kind === 'poison' ? 'drop' : this.#text('errorResponse', fields)
    for (const skipped of expected.skipped()) this.#wire.abandon(skipped, sqlstate)
    if (head !== undefined && expected.length === 0) this.#wire.discarding = sqlstate
    return fate
  }

  /** Error and notice text prints values; about a statement on labelled tables it is withheld. */
  #text(kind: 'errorResponse' | 'noticeResponse', fields: ErrorFields): Fate {
    const sensitive = this.#touchedSensitive || this.#wroteSensitive || this.#concerned()?.sensitive === true
    if (!sensitive) return 'pass'
    this.#endRun()
    this.#wire.outbox.push(withheld(kind, fields))
    return 'drop'
  }

  /** The statement that the server is, or may be, speaking of. */
  #concerned(): RunningStatement | null {
    return this.#current() ?? this.#wire.expected.nextStatement()
  }

  #parameter({ name, value }: { readonly name: string; readonly value: string }): Fate {
    if (PINNED.has(name) && this.#host.parameters.get(name) !== value) {
      throw new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', `the server changed ${name}, on which decisions rely`)
    }
    return 'pass'
  }

  #ready(status: Wire['transaction']): Fate {
    const head = this.#wire.expected.peek()
    if (head?.kind !== 'ready') throw notOwed(BACKEND.readyForQuery)
    this.#wire.transaction = status
    this.#erred = false
    this.#touchedSensitive = false
    if (status === 'I') {
      this.#wire.portals.clear()
      this.#wroteSensitive = false
    }
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

function isFatal(fields: ErrorFields): boolean {
  return FATAL.has(fields.get('V') ?? fields.get('S'))
}

function notOwed(type: number): ProtocolError {
  return new ProtocolError(
    'ERR_PROTOCOL_STATE',
    `the server sent ${typeLabel(type)} where nothing of that kind is expected`,
  )
}

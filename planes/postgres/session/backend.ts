import { ObligationError, ProtocolError } from '../../../engine/index.ts'
import { type BackendMessage, decodeBackend, type ErrorFields } from '../codec/backend-messages.ts'
import type { FrameReader } from '../codec/frame.ts'
import { BACKEND, typeLabel } from '../codec/message-types.ts'
import { Writer } from '../codec/writer.ts'
import { type Denial, SQLSTATE } from '../enforcer/denial.ts'
import type { RunningStatement } from '../enforcer/running-statement.ts'
import { POISON_PARSE, SYNC } from './client-messages.ts'
import { COPY_FAIL } from './copy-in.ts'
import type { ExpectedReply } from './expected-replies.ts'
import { encoded, errorResponse, withheld } from './server-messages.ts'
import type { Wire } from './wire.ts'

/** Settings that decisions rely on: a server that reports another value than at first has been led astray. */
const PINNED: ReadonlySet<string> = new Set([
  'client_encoding',
  'is_superuser',
  'session_authorization',
  'standard_conforming_strings',
])
const FATAL: ReadonlySet<string | undefined> = new Set(['FATAL', 'PANIC'])
/** SQLSTATEs that say the catalogue isn't what it was: undefined table, column, function. */
const STALE_CATALOGUE: ReadonlySet<string> = new Set(['42P01', '42703', '42883', '0A000'])

export interface BackendHost {
  /** The server has forgotten or changed what the normalizer knew. */
  catalogueChanged(how: 'suspected'): void
  /** Cancels what runs; nothing more is sent to the server before that has been delivered. */
  cancel(): void
  /** No transaction is open any more. */
  idle(): void
  /** Anything at all is labelled. */
  protects(): boolean
  /** As the server reported them when the session began. */
  readonly parameters: ReadonlyMap<string, string>
}

/** What becomes of the current frame. `done`: it is among the bytes that pass already. */
type Fate = 'pass' | 'drop' | 'done'

/**
 * The server's side of a session: every frame is matched with what the server owes, masked, recorded, and passed on.
 * A frame that isn't owed ends the session: it would be the answer to something that nobody decided.
 */
export class Backend {
  readonly #wire: Wire
  readonly #host: BackendHost
  /** Rows that outgrew their place; most sessions never write any. */
  readonly #out: Writer = new Writer(0)
  /** This transaction wrote to a labelled table: constraints and triggers may speak of it as late as its end. */
  #wroteSensitive = false
  /** This batch, or Query, touched one: what comes behind its last answer may still be about it. */
  #touchedSensitive = false
  /** Something was changed since the last ReadyForQuery. */
  #wroteInBatch = false
  /** A cancel was sent because of this one. */
  #givenUp: RunningStatement | null = null
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
    this.#wire.gateBegun(this.#gate)
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
      case 'notificationResponse':
        return this.#notification(message)
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
        if (isCut(statement)) return this.#completedBeyond(statement, finished)
        this.#gate(statement.complete(message.tag)) // throws before it is out of the line: then its outcome is in doubt
        finished()
        return 'pass'
      case 'portalSuspended':
        if (isCut(statement)) return this.#completedBeyond(statement, finished)
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
    const toward = this.#passing === buffer ? this.#to : start
    const how = statement.row(buffer, start, bodyStart, end, toward, this.#out, this.#gate)
    if (typeof how !== 'number') return this.#handedOut(statement, how)
    this.#pass(buffer, toward, how)
    return 'done'
  }

  #copied(buffer: Buffer, start: number, bodyStart: number, end: number): Fate {
    const statement = this.#current()
    if (statement === null) throw notOwed(BACKEND.copyData)
    return this.#handedOut(statement, statement.copyData(buffer, start, bodyStart, end, this.#out, this.#gate))
  }

  #handedOut(statement: RunningStatement, how: 'passed' | 'rebuilt' | 'dropped'): Fate {
    if (how === 'passed') return 'pass'
    if (how === 'rebuilt') this.#endPassing()
    else this.#giveUp(statement)
    return 'drop'
  }

  /** The statement's time is up. False: it isn't running yet. */
  expire(statement: RunningStatement): boolean {
    if (this.#current() !== statement) return false
    statement.expire()
    this.#giveUp(statement)
    return true
  }

  /** The server need not go on with it. */
  #giveUp(statement: RunningStatement): void {
    if (this.#givenUp === statement) return
    this.#givenUp = statement
    this.#host.cancel()
  }

  /**
   * The server had done all of it before the cancel came, so it knows of no failure; the client is told of one. What the
   * client then holds for failed must have failed: an open transaction, or what came before in the same batch. Where it
   * is too late for that, the session ends.
   */
  #completedBeyond(statement: RunningStatement, finished: () => void): Fate {
    const { expected } = this.#wire
    const denial = this.#tellOverrun(statement)
    finished()
    const next = expected.peek()
    const open = this.#wire.transaction !== 'I'
    if (next === undefined) {
      this.#wire.discarding = denial.code
      this.#wire.mustFail = open || this.#wroteInBatch
    } else if (next.kind !== 'ready' || expected.length > 1 || (!open && this.#wroteInBatch)) {
      throw new ObligationError('ERR_OBLIGATION_LIMIT', denial.message)
    } else if (open) {
      next.swallow = true
      expected.push({ kind: 'poison' })
      expected.push({ kind: 'ready' })
      this.#wire.sendUpstream(POISON_PARSE)
      this.#wire.sendUpstream(SYNC)
    }
    return 'drop'
  }

  #tellOverrun(statement: RunningStatement): Denial {
    const denial = statement.overrunDenial
    if (denial === null) throw new ObligationError('ERR_OBLIGATION_LIMIT', 'an answer was cut off that has no limit')
    this.#gate(statement.cutOff(denial))
    this.#endRun()
    this.#wire.outbox.push(errorResponse(denial))
    return denial
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
    this.#wroteInBatch ||= statement.writes
  }

  #error(fields: ErrorFields): Fate {
    const sqlstate = fields.get('C') ?? 'XX000'
    if (STALE_CATALOGUE.has(sqlstate)) this.#host.catalogueChanged('suspected')
    const { expected } = this.#wire
    const head = expected.peek()
    if ((head === undefined || this.#erred) && !isFatal(fields)) throw notOwed(BACKEND.errorResponse)
    this.#erred = true
    const silent = head?.kind === 'poison' || this.#cutOff(sqlstate)
    const fate = silent ? 'drop' : this.#text('errorResponse', fields)
    for (const skipped of expected.skipped()) this.#wire.abandon(skipped, sqlstate)
    if (head !== undefined && expected.length === 0) this.#wire.discarding = sqlstate
    return fate
  }

  /** An error in the midst of an answer that ran into a limit: the client is told of the limit instead. */
  #cutOff(sqlstate: string): boolean {
    const statement = this.#current()
    if (statement === null || statement.overrun === null) return false
    if (statement.overrun.kind === 'time' && sqlstate !== SQLSTATE.queryCanceled) return false
    this.#tellOverrun(statement)
    return true
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

  /** Text of another session's, which knows nothing of this one's masks: where anything is masked, it is withheld. */
  #notification(message: Extract<BackendMessage, { kind: 'notificationResponse' }>): Fate {
    if (!this.#wire.state.listensTo(message.channel)) throw notOwed(BACKEND.notificationResponse)
    if (!this.#host.protects()) return 'pass'
    this.#endRun()
    this.#wire.outbox.push(encoded({ ...message, payload: '' }))
    return 'drop'
  }

  #parameter({ name, value }: { readonly name: string; readonly value: string }): Fate {
    if (name === 'search_path') this.#wire.state.reported(value)
    // Within a batch it is told before its ReadyForQuery, which tells whether what set it stands.
    if (this.#wire.expected.length === 0 && !this.#wire.state.agrees()) throw changed(name)
    if (PINNED.has(name) && !this.#wire.state.clouded && this.#host.parameters.get(name) !== value) {
      throw changed(name)
    }
    return 'pass'
  }

  #ready(status: Wire['transaction']): Fate {
    const head = this.#wire.expected.peek()
    if (head?.kind !== 'ready') throw notOwed(BACKEND.readyForQuery)
    this.#wire.transaction = status
    if (!this.#wire.state.ready(status, this.#erred)) throw changed('search_path')
    this.#erred = false
    this.#touchedSensitive = false
    this.#wroteInBatch = false
    if (status === 'I') {
      this.#wire.idle()
      this.#host.idle()
      this.#wroteSensitive = false
    }
    return this.#shift(head.swallow === true ? 'drop' : 'pass')
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

/** Rows of it were not handed out. */
function isCut({ overrun }: RunningStatement): boolean {
  return overrun !== null && overrun.kind !== 'time'
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

function changed(setting: string): ObligationError {
  return new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', `the server changed ${setting}, on which decisions rely`)
}

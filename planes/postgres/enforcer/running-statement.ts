import type { AppliedMask, Decision, Outcome, Session } from '../../../engine/index.ts'
import { ObligationError, ProtocolError } from '../../../engine/index.ts'
import type { CopyResponse, FieldDescription } from '../codec/backend-messages.ts'
import type { Writer } from '../codec/writer.ts'
import type { AnswerLimit, Overrun } from './answer-limit.ts'
import { type AnswerColumn, answerColumns } from './answer-columns.ts'
import type { CopyMasker } from './copy-masker.ts'
import { type Denial, denialOfOverrun } from './denial.ts'
import { IncomingCopy } from './incoming-copy.ts'
import { RecordedAnswer } from './recorded-answer.ts'
import { moved, REBUILT, type RowMasker } from './row-masker.ts'

/** A COPY as it was judged. */
export interface Copying {
  readonly columns: number | 'any'
  /** Null where its options were not understood. */
  readonly binary: boolean | null
  /** Null where nothing is masked. */
  readonly masker: CopyMasker | null
}

/** What the enforcer found out about a statement before it let it run. */
export interface Enforcement {
  readonly session: Session
  readonly decision: Decision
  /** How many result columns by lineage; null where the statement returns none, `any` where nobody can tell beforehand. */
  readonly columns: number | 'any' | null
  /** How the recording names them; null where they have no names. */
  readonly answerColumns: readonly AnswerColumn[] | null
  /** A COPY to the client: its rows come as bytes, not as rows of columns. */
  readonly copy: Copying | null
  /** A COPY from the client. */
  readonly takesCopy: boolean
  /** Null where nothing is masked. */
  readonly masker: RowMasker | null
  readonly masks: readonly Omit<AppliedMask, 'count'>[]
  /** It touches a labelled table: the server's error and notice text is withheld. */
  readonly sensitive: boolean
  /** It may change something. */
  readonly writes: boolean
  readonly resultFormats: readonly number[]
  /** Null where as much may be handed out as there is. */
  readonly limit: AnswerLimit | null
  /** Throws when the server's own description of the result contradicts lineage. */
  checkFields(fields: readonly FieldDescription[] | null): void
  /** The server confirmed it: what it does to the session (names, transaction). */
  onComplete?(): void
  /** The server refused it, or skipped it. */
  onFail?(): void
}

/**
 * A statement whose decision lets it run, until its answer has ended. Owns the masking, recording and outcome of that
 * answer; hands out promises that the outbox waits for before the bytes leave.
 */
export class RunningStatement {
  readonly #is: Enforcement
  readonly #recorded: RecordedAnswer
  /** The rows that the client sends; null where the statement takes none. */
  readonly incoming: IncomingCopy | null
  /** Whether its answer has begun to come, and what keeps that from leaving has been asked for. */
  #answer: 'ahead' | 'begun' | 'gated' = 'ahead'
  #described = false
  #copying: 'before' | 'open' | 'done' = 'before'
  #settled: Promise<void> | null = null
  readonly #ended = Promise.withResolvers<void>()

  constructor(enforcement: Enforcement) {
    this.#is = enforcement
    this.#recorded = new RecordedAnswer(enforcement.resultFormats, enforcement.answerColumns)
    this.incoming = enforcement.takesCopy ? new IncomingCopy() : null
  }

  get sensitive(): boolean {
    return this.#is.sensitive
  }

  get writes(): boolean {
    return this.#is.writes
  }

  /** The limit that its answer ran into; what the server still sends of it is not handed out. */
  get overrun(): Overrun | null {
    return this.#is.limit?.overrun ?? null
  }

  /** What the client is told of that. */
  get overrunDenial(): Denial | null {
    const { overrun } = this
    return overrun === null ? null : denialOfOverrun(overrun, this.#is.decision)
  }

  get timeoutMs(): number | null {
    return this.#is.limit?.timeoutMs ?? null
  }

  /** Its time is up. */
  expire(): void {
    this.#is.limit?.expire()
  }

  /** Resolves when its outcome is recorded. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** The server has described its result, and lineage agreed. */
  get described(): boolean {
    return this.#described
  }

  /** The first sign of its answer. */
  begin(): void {
    if (this.#answer === 'ahead') this.#answer = 'begun'
  }

  describe(fields: readonly FieldDescription[] | null): void {
    this.#is.checkFields(fields)
    this.#described = true
    if (this.#is.columns === 'any' && fields !== null) this.#recorded.name(answerColumns(fields, []))
  }

  /**
   * Masks and records one DataRow, and moves it to `toward` (see RowMasker). Gives where it then ends; `rebuilt`: what
   * stands in `out` goes out instead; `dropped`: it is beyond a limit. The durability of a full recording frame goes
   * through `gate`.
   */
  row(
    buffer: Buffer,
    start: number,
    bodyStart: number,
    end: number,
    toward: number,
    out: Writer,
    gate: (durable: Promise<void>) => void,
  ): number | 'rebuilt' | 'dropped' {
    const { masker, columns, limit } = this.#is
    if (columns === null || end < bodyStart + 2 || (columns !== 'any' && buffer.readUInt16BE(bodyStart) !== columns))
      throw unexpectedColumns(columns)
    if (limit !== null && !limit.admits(end - start)) return 'dropped'
    const before = out.length
    const rowEnd =
      masker === null ? moved(buffer, start, end, toward) : masker.mask(buffer, start, bodyStart, end, toward, out)
    if (rowEnd !== REBUILT) {
      if (this.#recorded.row(buffer, toward, toward + 5, rowEnd)) this.flush(gate)
      return rowEnd
    }
    const at = out.start + before
    if (this.#recorded.row(out.buffer, at, at + 5, out.start + out.length)) this.flush(gate)
    return 'rebuilt'
  }

  /** The server begins a COPY to the client. Throws where the statement is none, or was judged to be another. */
  copyOut({ format, columnFormats }: Pick<CopyResponse, 'format' | 'columnFormats'>): void {
    const { copy } = this.#is
    if (this.#copying !== 'before' || copy === null) throw unexpectedCopy()
    const counted = copy.columns === 'any' || columnFormats.length === copy.columns
    if (!counted || (copy.binary !== null && copy.binary !== (format === 1))) {
      throw new ObligationError(
        'ERR_OBLIGATION_UNENFORCEABLE',
        'the server copies other columns than the statement was judged to, so its answer is withheld; the schema may just have changed: send the statement again',
      )
    }
    this.#copying = 'open'
  }

  /** The same for one CopyData, which counts as one row. */
  copyData(
    buffer: Buffer,
    start: number,
    bodyStart: number,
    end: number,
    out: Writer,
    gate: (durable: Promise<void>) => void,
  ): 'passed' | 'rebuilt' | 'dropped' {
    if (this.#copying !== 'open') throw unexpectedCopy()
    const { limit } = this.#is
    if (limit !== null && !limit.admits(end - start)) return 'dropped'
    const masker = this.#is.copy?.masker ?? null
    if (masker === null) {
      if (this.#recorded.copied(buffer, start, bodyStart, end)) this.flush(gate)
      return 'passed'
    }
    const before = out.length
    out.begin(buffer[start] ?? 0)
    masker.take(buffer, bodyStart, end, out)
    out.end()
    const at = out.start + before
    if (this.#recorded.copied(out.buffer, at, at + 5, out.start + out.length)) this.flush(gate)
    return 'rebuilt'
  }

  copyDone(): void {
    if (this.#copying !== 'open') throw unexpectedCopy()
    if (this.overrun === null) this.#is.copy?.masker?.finish()
    this.#copying = 'done'
  }

  /** The server asks for the client's rows. False: the client has gone. Throws where the statement takes none. */
  copyIn(): boolean {
    if (this.incoming === null) throw unexpectedCopy()
    return this.incoming.begin()
  }

  /** What has come so far is to leave: its intent, and what was recorded of it, are sent on their way to the disk. */
  flush(gate: (durable: Promise<void>) => void): void {
    const { session, decision } = this.#is
    if (this.#answer === 'begun') {
      this.#answer = 'gated'
      gate(decision.recorded())
    }
    const body = this.#recorded.take()
    if (body !== null) gate(session.record({ dir: 'upstream', kind: 'sql.rows', decision: decision.id, body }))
  }

  /** Its answer ended well. */
  complete(tag: string): Promise<void> {
    if (this.#is.copy !== null && this.#copying !== 'done') throw unexpectedCopy()
    if (this.incoming?.sent === false) throw unexpectedCopy()
    this.#is.onComplete?.()
    return this.#end({ end: tag }, { status: 'ok', error: null, rows: this.#rowsOf(tag) })
  }

  /** The server refused it, or skipped it after an earlier failure. */
  fail(sqlstate: string): Promise<void> {
    if (this.#settled === null) this.#is.onFail?.()
    return this.#end({ error: sqlstate }, { status: 'failed', error: sqlstate, rows: 0 })
  }

  /** Its answer ran into a limit; what is within has been handed out. */
  cutOff({ code }: Denial): Promise<void> {
    return this.#end({ error: code }, { status: 'failed', error: code, rows: this.#recorded.rows })
  }

  /** Nobody can tell whether it took effect: the server, the client or the gateway went away in the middle. */
  doubt(): Promise<void> {
    return this.#end({ error: 'unknown' }, { status: 'unknown', error: null, rows: null })
  }

  #end(
    end: { readonly end: string } | { readonly error: string },
    how: Pick<Outcome, 'status' | 'error' | 'rows'>,
  ): Promise<void> {
    this.#settled ??= this.#settle(end, how).finally(() => this.#ended.resolve())
    return this.#settled
  }

  #settle(
    end: { readonly end: string } | { readonly error: string },
    how: Pick<Outcome, 'status' | 'error' | 'rows'>,
  ): Promise<void> {
    const { session, decision, masker, copy, masks } = this.#is
    const sent = this.incoming?.end()
    const body = { ...this.#recorded.finish(end), ...(sent === undefined ? {} : { sent: { ...sent } }) }
    const counts = (masker ?? copy?.masker)?.counts ?? []
    const outcome: Outcome = {
      ...how,
      bytes: this.#recorded.bytes + (sent?.bytes ?? 0),
      masks: masks.map((mask, index) => ({ ...mask, count: counts[index] ?? 0 })),
    }
    this.#answer = 'gated' // by the promise that this returns
    return session.settle(decision, outcome, { kind: 'sql.rows', body })
  }

  /** The count in the server's tag (`INSERT 0 1`, `SELECT 5`), else the rows that came. */
  #rowsOf(tag: string): number {
    const count = /\d+$/.exec(tag)
    return count === null ? this.#recorded.rows : Number(count[0])
  }
}

function unexpectedCopy(): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_STATE', 'the server copies what the statement was not judged to copy')
}

function unexpectedColumns(expected: number | 'any' | null): ProtocolError {
  return new ProtocolError(
    'ERR_PROTOCOL_MESSAGE',
    expected === null
      ? 'the server sent a row for a statement that returns none'
      : 'the server sent a row with another number of columns than the statement was judged to have',
  )
}

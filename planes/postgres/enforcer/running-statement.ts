import type { Decision, FieldMask, Outcome, Session } from '../../../engine/index.ts'
import { ProtocolError } from '../../../engine/index.ts'
import type { FieldDescription } from '../codec/backend-messages.ts'
import type { Writer } from '../codec/writer.ts'
import type { AnswerColumn } from './answer-columns.ts'
import { RecordedAnswer } from './recorded-answer.ts'
import type { RowMasker } from './row-masker.ts'

/** What the enforcer found out about a statement before it let it run. */
export interface Enforcement {
  readonly session: Session
  readonly decision: Decision
  /** How many result columns by lineage; null where the statement returns none, `any` where nobody can tell beforehand. */
  readonly columns: number | 'any' | null
  /** How the recording names them; null where they have no names. */
  readonly answerColumns: readonly AnswerColumn[] | null
  /** A COPY to the client: its rows come as bytes, not as rows of columns. */
  readonly copies: boolean
  /** Null where nothing is masked. */
  readonly masker: RowMasker | null
  readonly masks: readonly FieldMask[]
  /** It touches a labelled table: the server's error and notice text is withheld. */
  readonly sensitive: boolean
  /** It may change something. */
  readonly writes: boolean
  readonly resultFormats: readonly number[]
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
  #begun = false
  #described = false
  #copying: 'before' | 'open' | 'done' = 'before'
  #settled: Promise<void> | null = null

  constructor(enforcement: Enforcement) {
    this.#is = enforcement
    this.#recorded = new RecordedAnswer(enforcement.resultFormats, enforcement.answerColumns)
  }

  get sensitive(): boolean {
    return this.#is.sensitive
  }

  get writes(): boolean {
    return this.#is.writes
  }

  /** The server has described its result, and lineage agreed. */
  get described(): boolean {
    return this.#described
  }

  /** The first sign of its answer: what has to be durable before any of it leaves; null from then on. */
  begin(): Promise<void> | null {
    if (this.#begun) return null
    this.#begun = true
    return this.#is.decision.durable
  }

  describe(fields: readonly FieldDescription[] | null): void {
    this.#is.checkFields(fields)
    this.#described = true
  }

  /**
   * Masks and records one DataRow. `null`: the frame goes out where it lies; else it was rebuilt into `out`. Returns the
   * durability of a full recording frame through `gate`.
   */
  row(
    buffer: Buffer,
    start: number,
    bodyStart: number,
    end: number,
    out: Writer,
    gate: (durable: Promise<void>) => void,
  ): boolean {
    const { masker, columns } = this.#is
    if (columns === null || end < bodyStart + 2 || (columns !== 'any' && buffer.readUInt16BE(bodyStart) !== columns))
      throw unexpectedColumns(columns)
    const before = out.length
    const rebuilt = masker !== null && masker.mask(buffer, start, bodyStart, end, out) === 'rebuilt'
    const full = rebuilt ? this.#recordRebuilt(out.peek(before)) : this.#recorded.row(buffer, start, bodyStart, end)
    if (full) this.flush(gate)
    return rebuilt
  }

  /** The server begins a COPY to the client. Throws where the statement is none. */
  copyOut(): void {
    if (this.#copying !== 'before' || !this.#is.copies) throw unexpectedCopy()
    this.#copying = 'open'
  }

  /** Records one CopyData, which goes out as it lies. */
  copyData(
    buffer: Buffer,
    start: number,
    bodyStart: number,
    end: number,
    gate: (durable: Promise<void>) => void,
  ): void {
    if (this.#copying !== 'open') throw unexpectedCopy()
    if (this.#recorded.copied(buffer, start, bodyStart, end)) this.flush(gate)
  }

  copyDone(): void {
    if (this.#copying !== 'open') throw unexpectedCopy()
    this.#copying = 'done'
  }

  /** Sends what was recorded so far on its way to the disk. */
  flush(gate: (durable: Promise<void>) => void): void {
    const body = this.#recorded.take()
    if (body === null) return
    gate(this.#is.session.record({ dir: 'upstream', kind: 'sql.rows', decision: this.#is.decision.id, body }))
  }

  /** Its answer ended well. */
  complete(tag: string): Promise<void> {
    if (this.#is.copies && this.#copying !== 'done') throw unexpectedCopy()
    this.#is.onComplete?.()
    return this.#end({ end: tag }, { status: 'ok', error: null, rows: this.#rowsOf(tag) })
  }

  /** The server refused it, or skipped it after an earlier failure. */
  fail(sqlstate: string): Promise<void> {
    if (this.#settled === null) this.#is.onFail?.()
    return this.#end({ error: sqlstate }, { status: 'failed', error: sqlstate, rows: 0 })
  }

  /** Nobody can tell whether it took effect: the server, the client or the gateway went away in the middle. */
  doubt(): Promise<void> {
    return this.#end({ error: 'unknown' }, { status: 'unknown', error: null, rows: null })
  }

  #recordRebuilt(frame: Buffer): boolean {
    return this.#recorded.row(frame, 0, 5, frame.length)
  }

  #end(
    end: { readonly end: string } | { readonly error: string },
    how: Pick<Outcome, 'status' | 'error' | 'rows'>,
  ): Promise<void> {
    this.#settled ??= this.#settle(end, how)
    return this.#settled
  }

  /** Last frame and outcome are queued together and share one write to the disk. */
  async #settle(
    end: { readonly end: string } | { readonly error: string },
    how: Pick<Outcome, 'status' | 'error' | 'rows'>,
  ): Promise<void> {
    const { session, decision, masker, masks } = this.#is
    const body = this.#recorded.finish(end)
    const frame = session.record({ dir: 'upstream', kind: 'sql.rows', decision: decision.id, body })
    const counts = masker?.counts ?? []
    const outcome: Outcome = {
      ...how,
      bytes: this.#recorded.bytes,
      masks: masks.map((mask, index) => ({ ...mask, count: counts[index] ?? 0 })),
    }
    await Promise.all([frame, session.settle(decision, outcome)])
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

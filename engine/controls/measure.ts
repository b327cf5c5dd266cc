import type { JsonObject } from '../access-request.ts'
import type { EvidenceRecord } from '../evidence/index.ts'

/** One record of the log on its way through a report. */
export interface Seen {
  readonly record: EvidenceRecord
  readonly fields: JsonObject
  /** Its leaf in the log. */
  readonly index: number
  /** Whether its clock lies in the period; what lies outside is seen too, because an outcome may follow its intent late. */
  readonly inPeriod: boolean
}

/** Something that an examiner should look at, by the record that shows it. */
export interface Exception {
  readonly index: number
  readonly record: string
  readonly ts: string
  readonly what: string
}

export interface Exceptions {
  readonly listed: readonly Exception[]
  /** Found beyond those listed. */
  readonly omitted: number
}

/** A breakdown: what was counted, largest first. */
export interface Breakdown {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly omitted: number
}

/**
 * `as expected` says that the records show no exception to this expectation; it is never more than that.
 * `not measurable`: what would tell isn't in this log.
 */
export type MeasureState = 'as expected' | 'exceptions' | 'listed' | 'nothing to measure' | 'not measurable'

export interface MeasureResult {
  readonly what: string
  readonly expectation: string
  readonly measured: string
  readonly state: MeasureState
  readonly exceptions: Exceptions
  readonly breakdown: Breakdown | null
}

/** One figure, taken from every record in the log's order, in bounded memory. */
export interface Measure {
  take(seen: Seen): void
  result(): MeasureResult
}

const NO_EXCEPTIONS: Exceptions = { listed: [], omitted: 0 }
/** Exceptions that one measure keeps; what is beyond is counted, and found with `countersign evidence tail`. */
const MAX_EXCEPTIONS = 500
/** Different names that one tally keeps apart. */
const MAX_NAMES = 10_000
/** Rows of a breakdown that are printed. */
const MAX_ROWS = 40

/** Exceptions as they are found, and a count of those that are too many to keep. */
export class ExceptionList {
  readonly #listed: Exception[] = []
  #omitted = 0

  get count(): number {
    return this.#listed.length + this.#omitted
  }

  add({ index, record: { id, ts } }: Pick<Seen, 'index' | 'record'>, what: string): void {
    if (this.#listed.length === MAX_EXCEPTIONS) this.#omitted += 1
    else this.#listed.push({ index, record: id, ts, what })
  }

  /** In the log's order. */
  all(): Exceptions {
    return { listed: this.#listed.toSorted((one, other) => one.index - other.index), omitted: this.#omitted }
  }
}

/** How many of what there was are as expected; each that isn't is an exception. */
export class Share {
  readonly exceptions: ExceptionList = new ExceptionList()
  #total = 0

  count(seen: Pick<Seen, 'index' | 'record'>, asExpected: boolean, what: string): void {
    this.#total += 1
    if (!asExpected) this.exceptions.add(seen, what)
  }

  result(what: string, breakdown: Breakdown | null = null): MeasureResult {
    const exceptions = this.exceptions.all()
    const met = this.#total - this.exceptions.count
    const measured =
      this.#total === 0
        ? 'none in the period'
        : `${amount(met)} of ${amount(this.#total)} (${percent(met, this.#total)})`
    const state = this.#total === 0 ? 'nothing to measure' : met === this.#total ? 'as expected' : 'exceptions'
    return { what, expectation: '100 %', measured, state, exceptions, breakdown }
  }
}

/** Counts by name. Names come out of records that somebody may have filled: no more than so many are kept apart. */
export class Tally<Row> {
  readonly #rows = new Map<string, Row>()
  readonly #blank: () => Row
  #omitted = 0

  constructor(blank: () => Row) {
    this.#blank = blank
  }

  get size(): number {
    return this.#rows.size + this.#omitted
  }

  /** The row of a name, to be counted up; one that is thrown away when there are too many names. */
  row(name: string): Row {
    const known = this.#rows.get(name)
    if (known !== undefined) return known
    const row = this.#blank()
    if (this.#rows.size === MAX_NAMES) this.#omitted += 1
    else this.#rows.set(name, row)
    return row
  }

  /** `weight`: what the largest-first order goes by; equal ones by name. */
  breakdown(
    columns: readonly string[],
    weight: (row: Row) => number,
    cells: (row: Row) => readonly string[],
  ): Breakdown {
    const sorted = [...this.#rows].toSorted(
      ([one, first], [other, second]) => weight(second) - weight(first) || (one < other ? -1 : 1),
    )
    const rows = sorted.slice(0, MAX_ROWS).map(([name, row]) => [name, ...cells(row)])
    return { columns, rows, omitted: Math.max(0, this.#rows.size - MAX_ROWS) + this.#omitted }
  }
}

/** A figure that is told, and expected to be nothing in particular. */
export function listed(what: string, measured: string, breakdown: Breakdown | null): MeasureResult {
  const state = breakdown !== null && breakdown.rows.length === 0 ? 'nothing to measure' : 'listed'
  return { what, expectation: 'listed', measured, state, exceptions: NO_EXCEPTIONS, breakdown }
}

/** What a control's metric asks for and these records can't tell. */
export function unmeasurable(what: string, why: string): MeasureResult {
  return {
    what,
    expectation: 'see the metric',
    measured: `not measurable from this log: ${why}`,
    state: 'not measurable',
    exceptions: NO_EXCEPTIONS,
    breakdown: null,
  }
}

export function amount(count: number): string {
  return count.toLocaleString('en')
}

export function plural(count: number, noun: string): string {
  return `${amount(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** Rounded down, so that 100 % is said of nothing less. */
export function percent(part: number, whole: number): string {
  const tenths = Math.floor((part * 1000) / whole)
  return `${tenths % 10 === 0 ? tenths / 10 : (tenths / 10).toFixed(1)} %`
}

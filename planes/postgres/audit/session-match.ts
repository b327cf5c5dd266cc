/** What one gateway session did, by evidence and by the server's log, each in order; held against each other as they come. */

/** An intent: the gateway let this statement go up. */
export interface Intent {
  readonly decision: string
  readonly record: string
  readonly time: number
  /** Without literals; null where retention has erased it. */
  readonly text: string | null
  /** `open` until its outcome has been read. Only what ended `ok` must be in the log. */
  status: 'open' | 'ok' | 'failed' | 'unknown'
  /** When its outcome was recorded. */
  ended: number | null
  /** When the server logged it. */
  logged: number | null
}

/** A statement that the server logged. */
export interface Unit {
  readonly time: number
  /** null: not taken by the grammar. */
  readonly text: string | null
  readonly reads: boolean
  /** File and line. */
  readonly at: string
}

export interface Matches {
  matched: number
  /** Matched by order alone: the text was erased. */
  untold: number
  /** Let through, and not begun by the server: it failed before, or something before it in its batch did. */
  notRun: number
}

/** What becomes of the two when they don't fit. */
export interface Mismatches {
  /** At the server, in this session, and in no record. */
  extra(unit: Unit): void
  /** Recorded as done, and not in the log. */
  unlogged(intent: Intent): void
  /** Recorded, logged, and recorded as done, in this order: what tells the two clocks apart. */
  timed(logged: number, begun: number, ended: number): void
}

/** How far ahead the two are compared to find where they go on together. */
const AHEAD = 32

export class SessionMatch {
  readonly counts: Matches = { matched: 0, untold: 0, notRun: 0 }
  readonly #told: Mismatches
  readonly #byDecision = new Map<string, Intent>()
  readonly #intents: Intent[] = []
  readonly #units: Unit[] = []
  /** Lines that went to an intent that failed: by text, as it may have been the next one's, and that never run. */
  readonly #lent = new Map<string, number>()

  constructor(told: Mismatches) {
    this.#told = told
  }

  intent(intent: Intent): void {
    this.#intents.push(intent)
    this.#byDecision.set(intent.decision, intent)
    this.#settle(false)
  }

  outcome(decision: string, status: Intent['status'], time: number): void {
    const intent = this.#byDecision.get(decision)
    if (intent === undefined) return
    intent.status = status
    intent.ended = time
    this.#both(intent)
    this.#byDecision.delete(decision)
    this.#settle(false)
  }

  unit(unit: Unit): void {
    this.#units.push(unit)
    this.#settle(false)
  }

  /** What is older than this has no counterpart to wait for on the other side. */
  expire(unitsBefore: number, intentsBefore: number): void {
    this.#settle(false)
    while (this.#intents.length === 0 && (this.#units[0]?.time ?? Infinity) < unitsBefore) this.#dropUnit()
    for (;;) {
      const intent = this.#units.length === 0 ? this.#intents[0] : undefined
      if (intent === undefined || intent.time >= intentsBefore || intent.status === 'open') return
      this.#dropIntent()
    }
  }

  /** Both sides have been read to their end. */
  end(): void {
    this.#settle(true)
    while (this.#units.length > 0) this.#dropUnit()
    while (this.#intents.length > 0) this.#dropIntent()
  }

  #settle(final: boolean): void {
    for (;;) {
      const unit = this.#units[0]
      if (unit === undefined || this.#intents.length === 0) return
      const skipped = this.#skippable(unit)
      if (skipped >= 0) this.#match(0, skipped)
      else if (!this.#realign(final)) return
    }
  }

  /** How many intents that didn't run stand before the one that `unit` is; -1 where it isn't found so. */
  #skippable(unit: Unit): number {
    for (const [index, intent] of this.#intents.entries()) {
      if (same(unit, intent)) return index
      if (intent.status !== 'failed' && intent.status !== 'unknown') return -1
    }
    return -1
  }

  /** The two differ: goes on where all that is ahead fits best. False: too little is known yet. */
  #realign(final: boolean): boolean {
    const [units, intents] = [this.#units.slice(0, AHEAD), this.#intents.slice(0, AHEAD)]
    if (!final && (units.length < AHEAD || intents.length < AHEAD)) return false
    const whole = this.#units.length <= AHEAD && this.#intents.length <= AHEAD
    const meeting = firstMeeting(units, intents, whole)
    if (meeting === null) this.#match(1, 1, false)
    else this.#match(meeting.units, meeting.intents)
    return true
  }

  /** Lets go of what stands before the two that meet, and of them. */
  #match(units: number, intents: number, meets = true): void {
    for (let left = units; left > 0; left -= 1) this.#dropUnit()
    for (let left = intents; left > 0; left -= 1) this.#dropIntent()
    if (!meets) return
    const unit = this.#units.shift()
    const intent = this.#intents.shift()
    if (intent === undefined || unit === undefined) return
    intent.logged = unit.time
    this.#both(intent)
    if (intent.text === null) this.counts.untold += 1
    else this.counts.matched += 1
  }

  /** Its line and its outcome are both known, whichever came last. */
  #both({ status, text, time, logged, ended }: Intent): void {
    if (logged === null || ended === null) return
    if (status === 'ok') this.#told.timed(logged, time, ended)
    else if (text !== null) this.#lend(text, 1)
  }

  #lend(text: string, by: 1 | -1): void {
    const left = (this.#lent.get(text) ?? 0) + by
    if (left > 0) this.#lent.set(text, left)
    else this.#lent.delete(text)
  }

  #dropUnit(): void {
    const unit = this.#units.shift()
    if (unit !== undefined) this.#told.extra(unit)
  }

  #dropIntent(): void {
    const intent = this.#intents.shift()
    if (intent === undefined) return
    this.#byDecision.delete(intent.decision)
    if (intent.status !== 'ok') this.counts.notRun += 1
    else if (intent.text !== null && this.#lent.has(intent.text)) {
      this.#lend(intent.text, -1) // sent again after it had failed: the line was this one's, and the first never ran
      this.counts.notRun += 1
    } else this.#told.unlogged(intent)
  }
}

function same(unit: Unit, intent: Intent): boolean {
  return intent.text === null || unit.text === intent.text
}

/** What stands before the first two that meet, where as little as possible is left without its counterpart. */
function firstMeeting(
  units: readonly Unit[],
  intents: readonly Intent[],
  whole: boolean,
): { readonly units: number; readonly intents: number } | null {
  const costs = costsOf(units, intents, whole)
  let [u, i] = [0, 0]
  for (;;) {
    const [unit, intent] = [units[u], intents[i]]
    if (unit === undefined || intent === undefined) return null
    const [meet, dropUnit, dropIntent] = movesFrom(costs, u, i, intent)
    if (same(unit, intent) && meet <= dropUnit && meet <= dropIntent) return { units: u, intents: i }
    if (dropIntent <= dropUnit) i += 1
    else u += 1
  }
}

/** `costs[u][i]`: the least that the units from u on and the intents from i on leave alone. Beyond what is ahead, nothing. */
function costsOf(units: readonly Unit[], intents: readonly Intent[], whole: boolean): readonly (readonly number[])[] {
  const costs = Array.from({ length: units.length + 1 }, () => Array.from({ length: intents.length + 1 }, () => 0))
  for (let u = units.length; u >= 0; u -= 1) {
    const row = costs[u] ?? []
    for (let i = intents.length; i >= 0; i -= 1) {
      const [unit, intent] = [units[u], intents[i]]
      if (unit === undefined && intent === undefined) continue
      if (intent === undefined) row[i] = whole ? units.length - u : 0
      else if (unit === undefined) row[i] = whole ? (row[i + 1] ?? 0) + price(intent) : 0
      else {
        const [meet, ...drops] = movesFrom(costs, u, i, intent)
        row[i] = Math.min(...drops, same(unit, intent) ? meet : Infinity)
      }
    }
  }
  return costs
}

/** Both go; the unit goes alone; the intent goes alone. */
function movesFrom(
  costs: readonly (readonly number[])[],
  u: number,
  i: number,
  intent: Intent,
): readonly [number, number, number] {
  const [here, below] = [costs[u] ?? [], costs[u + 1] ?? []]
  return [below[i + 1] ?? 0, (below[i] ?? 0) + 1, (here[i + 1] ?? 0) + price(intent)]
}

function price({ status }: Intent): number {
  return status === 'ok' || status === 'open' ? 1 : 0
}

import { Counter, Histogram, Registry } from 'prom-client'

/** Sets of labels that are kept apart; a policy that makes up rule names must not fill the memory. */
const MAX_SERIES = 5_000
const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

interface Decided {
  readonly plane: () => string
  readonly verdict: string
  readonly rules: readonly string[]
  readonly decidedUs: number | null
}

interface Settled {
  readonly status: string
  readonly bytes: number | null
  readonly tookUs: number | null
}

/** Counts what this gateway's own writer records: the numbers are of one process, as Prometheus wants them. */
export class Meter {
  readonly #writer: string
  readonly #registry = new Registry()
  readonly #rulesSeen = new Set<string>()
  readonly #decisions = new Counter({
    name: 'countersign_decisions_total',
    help: 'Decisions recorded since the start; one that was held is counted as held, and again as it was answered.',
    labelNames: ['plane', 'verdict'],
    registers: [this.#registry],
  })
  readonly #rules = new Counter({
    name: 'countersign_rule_decisions_total',
    help: 'Decisions by the rule behind them; one with several rules is counted for each.',
    labelNames: ['plane', 'verdict', 'rule'],
    registers: [this.#registry],
  })
  readonly #outcomes = new Counter({
    name: 'countersign_outcomes_total',
    help: 'Outcomes of what was let through.',
    labelNames: ['status'],
    registers: [this.#registry],
  })
  readonly #bytes = new Counter({
    name: 'countersign_answer_bytes_total',
    help: 'Bytes handed to clients, as outcomes account for them.',
    registers: [this.#registry],
  })
  readonly #decided = new Histogram({
    name: 'countersign_decision_duration_seconds',
    help: 'From a request’s coming to its judgement.',
    buckets: SECONDS,
    registers: [this.#registry],
  })
  readonly #took = new Histogram({
    name: 'countersign_forward_duration_seconds',
    help: 'From an intent to its outcome: what the upstream and the client took.',
    buckets: SECONDS,
    registers: [this.#registry],
  })

  constructor(writer: string) {
    this.#writer = writer
  }

  decided(writer: string, { plane, verdict, rules, decidedUs }: Decided): void {
    if (writer !== this.#writer) return
    const labels = { plane: plane(), verdict }
    this.#decisions.inc(labels)
    for (const rule of rules) {
      if (this.#rulesSeen.size < MAX_SERIES) this.#rulesSeen.add(rule)
      this.#rules.inc({ ...labels, rule: this.#rulesSeen.has(rule) ? rule : 'others' })
    }
    if (decidedUs !== null) this.#decided.observe(decidedUs / 1e6)
  }

  settled(writer: string, { status, bytes, tookUs }: Settled): void {
    if (writer !== this.#writer) return
    this.#outcomes.inc({ status })
    this.#bytes.inc(bytes ?? 0)
    if (tookUs !== null) this.#took.observe(tookUs / 1e6)
  }

  /** In Prometheus's text. */
  read(): Promise<string> {
    return this.#registry.metrics()
  }
}

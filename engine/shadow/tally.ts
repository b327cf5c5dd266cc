import { Ajv } from 'ajv'
import type { Evaluation } from '../verdict.ts'
import { difference } from './difference.ts'

/** One difference, for whoever looks after it. No value of the request is in it. */
export type Example = {
  readonly decision: string
  readonly action: string
  readonly difference: string
  readonly live: Side
  readonly candidate: Side
}

type Side = { readonly verdict: string; readonly rules: readonly string[] }

/** What came of one candidate beside the live policy. */
export type Counts = {
  /** Requests that both have answered. */
  readonly compared: number
  readonly same: number
  /** Requests that came while too many waited for the candidate, or that it never answered in time. */
  readonly dropped: number
  /** Requests that it gave no verdict to: in force, each would be rejected. */
  readonly failed: number
  /** `<action>: <difference>` → how often. */
  readonly differences: Readonly<Record<string, number>>
  readonly examples: readonly Example[]
}

const MAX_KINDS = 200
const MAX_EXAMPLES_EACH = 3
const OTHERS = 'others'

export class Tally {
  #compared = 0
  #same = 0
  #dropped = 0
  #failed = 0
  readonly #differences = new Map<string, number>()
  readonly #examples: Example[] = []

  constructor(from: Counts | null = null) {
    if (from === null) return
    this.#compared = from.compared
    this.#same = from.same
    this.#dropped = from.dropped
    this.#failed = from.failed
    for (const [key, count] of Object.entries(from.differences)) this.#differences.set(key, count)
    this.#examples.push(...from.examples)
  }

  drop(count: number): void {
    this.#dropped += count
  }

  fail(): void {
    this.#failed += 1
  }

  add(decision: string, action: string, live: Evaluation, candidate: Evaluation): void {
    this.#compared += 1
    const found = difference(live, candidate)
    if (found === null) {
      this.#same += 1
      return
    }
    const named = `${action}: ${found}`
    const key = this.#differences.has(named) || this.#differences.size < MAX_KINDS ? named : OTHERS
    const before = this.#differences.get(key) ?? 0
    this.#differences.set(key, before + 1)
    if (key === OTHERS || before >= MAX_EXAMPLES_EACH) return
    this.#examples.push({ decision, action, difference: found, live: sideOf(live), candidate: sideOf(candidate) })
  }

  get counts(): Counts {
    return {
      compared: this.#compared,
      same: this.#same,
      dropped: this.#dropped,
      failed: this.#failed,
      differences: Object.fromEntries(this.#differences),
      examples: [...this.#examples],
    }
  }
}

function sideOf({ verdict, reasons }: Evaluation): Side {
  return { verdict: verdict.kind, rules: reasons.map(({ rule }) => rule) }
}

/** Several gateways' counts as one. */
export function together(all: readonly Counts[]): Counts {
  const sum = (of: (counts: Counts) => number): number => all.reduce((total, counts) => total + of(counts), 0)
  const differences = new Map<string, number>()
  for (const counts of all) {
    for (const [key, count] of Object.entries(counts.differences)) {
      differences.set(key, (differences.get(key) ?? 0) + count)
    }
  }
  return {
    compared: sum(({ compared }) => compared),
    same: sum(({ same }) => same),
    dropped: sum(({ dropped }) => dropped),
    failed: sum(({ failed }) => failed),
    differences: Object.fromEntries([...differences].toSorted(([one], [other]) => (one < other ? -1 : 1))),
    examples: all.flatMap(({ examples }) => examples),
  }
}

const count = { type: 'integer', minimum: 0 } as const
const text = { type: 'string' } as const
const side = {
  type: 'object',
  required: ['verdict', 'rules'],
  properties: { verdict: text, rules: { type: 'array', items: text } },
}

/** Whether a document of the state database is one of these. */
export const isCounts: (value: unknown) => value is Counts = new Ajv().compile<Counts>({
  type: 'object',
  required: ['compared', 'same', 'dropped', 'failed', 'differences', 'examples'],
  properties: {
    compared: count,
    same: count,
    dropped: count,
    failed: count,
    differences: { type: 'object', additionalProperties: count },
    examples: {
      type: 'array',
      items: {
        type: 'object',
        required: ['decision', 'action', 'difference', 'live', 'candidate'],
        properties: { decision: text, action: text, difference: text, live: side, candidate: side },
      },
    },
  },
})

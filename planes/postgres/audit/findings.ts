import type { Around, Unjudged, Unlogged } from './reconciliation.ts'

/** More are counted, not kept: who goes around the gateway must not fill the memory of who looks for him. */
const KEPT = 1000
const EXAMPLES = 5

/** What was found, bounded. */
export class Findings {
  readonly around: Around[] = []
  readonly unlogged: Unlogged[] = []
  aroundCount = 0
  unloggedCount = 0
  readonly #unjudged = new Map<string, { count: number; readonly examples: string[] }>()

  addAround(finding: Around): void {
    this.aroundCount += 1
    if (this.around.length < KEPT) this.around.push(finding)
  }

  addUnlogged(finding: Unlogged): void {
    this.unloggedCount += 1
    if (this.unlogged.length < KEPT) this.unlogged.push(finding)
  }

  addUnjudged(reason: string, example: string): void {
    const known = this.#unjudged.get(reason) ?? { count: 0, examples: [] }
    known.count += 1
    if (known.examples.length < EXAMPLES) known.examples.push(example)
    this.#unjudged.set(reason, known)
  }

  get unjudged(): readonly Unjudged[] {
    return [...this.#unjudged].map(([reason, { count, examples }]) => ({ reason, count, examples }))
  }

  get status(): 'matched' | 'unmatched' | 'incomplete' {
    if (this.aroundCount + this.unloggedCount > 0) return 'unmatched'
    return this.#unjudged.size > 0 ? 'incomplete' : 'matched'
  }
}

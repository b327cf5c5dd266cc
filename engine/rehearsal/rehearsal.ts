import type { StoredRecord } from '../evidence/index.ts'
import { rebuiltInput } from '../recorded-input.ts'
import type { Candidate } from './candidate.ts'
import { differences } from './comparison.ts'
import type { Answer, Difference } from './comparison.ts'
import { recordedAnswer } from './recorded-answer.ts'
import type { Question, Reply } from './worker.ts'

/** One request to be answered, with what is already known of its answer. */
export interface Item {
  /** The decision's id, or a case's name. */
  readonly id: string
  /** Who did what to what, for a person. */
  readonly about: string
  readonly question: Question
  /** What was answered when it was decided; null where only two bundles are held against each other. */
  readonly recorded: Answer | null
}

export interface Rehearsal {
  readonly total: number
  readonly compared: number
  readonly same: number
  /** Why decisions could not be taken again → how many. */
  readonly skipped: ReadonlyMap<string, number>
  readonly groups: readonly Group[]
  /** Controls that some decision no longer evidences → how many decisions. */
  readonly controlsLost: ReadonlyMap<string, number>
}

/** Decisions that differ in the same way. */
export interface Group {
  readonly differences: readonly Difference[]
  readonly count: number
  readonly examples: readonly { readonly id: string; readonly about: string }[]
}

const BATCH = 100
const EXAMPLES = 3

export type Skipped = { readonly why: string }

/**
 * Answers everything again and tells how the answers differ: from the record, or from what `before` answers where it is
 * given. `progress` is called once a batch.
 */
export async function rehearse(
  items: AsyncIterable<Item | Skipped>,
  candidate: Candidate,
  before: Candidate | null,
  progress: (done: number) => void = () => {},
): Promise<Rehearsal> {
  const tally = new Tally()
  for await (const batch of batches(items, tally)) {
    const questions = batch.map(({ question }) => question)
    const [after, earlier] = await Promise.all([candidate.ask(questions), before?.ask(questions)])
    for (const [at, item] of batch.entries()) tally.compare(item, earlier?.[at], after[at])
    progress(tally.total)
  }
  return tally.result()
}

async function* batches(items: AsyncIterable<Item | Skipped>, tally: Tally): AsyncGenerator<readonly Item[]> {
  let batch: Item[] = []
  for await (const item of items) {
    if ('why' in item) tally.skip(item.why)
    else batch.push(item)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  yield batch
}

class Tally {
  total = 0
  #same = 0
  #compared = 0
  readonly #skipped = new Map<string, number>()
  readonly #groups = new Map<
    string,
    { differences: readonly Difference[]; count: number; examples: Group['examples'] }
  >()
  readonly #lost = new Map<string, number>()

  skip(why: string): void {
    this.total += 1
    this.#skipped.set(why, (this.#skipped.get(why) ?? 0) + 1)
  }

  compare(item: Item, earlier: Reply | undefined, after: Reply | undefined): void {
    const before = earlier === undefined ? item.recorded : earlier.kind === 'answer' ? earlier.answer : null
    if (after?.kind === 'incomparable') return this.skip(after.why)
    if (earlier?.kind === 'incomparable') return this.skip(earlier.why)
    if (after === undefined || before === null) return this.skip('it was not policy that decided')
    this.total += 1
    this.#compared += 1
    // A record doesn't tell what a hold masks before it is granted.
    const maskless = earlier === undefined && before.kind === 'hold' && before.masks.length === 0
    const found = differences(before, maskless ? { ...after.answer, masks: [] } : after.answer)
    if (found.length === 0) this.#same += 1
    else this.#differs(item, found, before, after.answer)
  }

  #differs({ id, about }: Item, found: readonly Difference[], before: Answer, after: Answer): void {
    const key = found.map(({ kind, what }) => `${kind} ${what}`).join('\n')
    const group = this.#groups.get(key) ?? { differences: found, count: 0, examples: [] }
    const examples = group.examples.length < EXAMPLES ? [...group.examples, { id, about }] : group.examples
    this.#groups.set(key, { ...group, count: group.count + 1, examples })
    for (const control of before.controls) {
      if (!after.controls.includes(control)) this.#lost.set(control, (this.#lost.get(control) ?? 0) + 1)
    }
  }

  result(): Rehearsal {
    const groups = [...this.#groups.values()].toSorted((one, other) => other.count - one.count)
    return {
      total: this.total,
      compared: this.#compared,
      same: this.#same,
      skipped: this.#skipped,
      groups,
      controlsLost: this.#lost,
    }
  }
}

/** A decision's record as something to answer again. */
export function itemOf(stored: StoredRecord): Item | Skipped {
  const recorded = recordedAnswer(stored.fields)
  if (recorded === null) return { why: 'it was not policy that decided' }
  const rebuilt = rebuiltInput(stored)
  if (rebuilt.kind === 'unreplayable') return { why: rebuilt.why }
  const { plane, input, masked, nowMs, nondeterministic } = rebuilt
  return {
    id: stored.record.decision ?? stored.record.id,
    about: aboutOf(input),
    question: { plane, input, masked, nowMs, nondeterministic },
    recorded,
  }
}

/** `reconciler postgres.select public.customers, public.accounts`. */
export function aboutOf(input: string): string {
  const request: unknown = JSON.parse(input)
  const principal = textAt(request, 'principal', 'id')
  const action = textAt(request, 'action', 'name')
  const resources = memberOf(request, 'resources')
  const names = Array.isArray(resources) ? resources.map((resource: unknown) => textAt(resource, 'name')) : []
  return [principal, action, names.slice(0, 3).join(', ')].filter((part) => part !== '').join(' ')
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? new Map<string, unknown>(Object.entries(value)).get(name)
    : undefined
}

function textAt(value: unknown, ...path: readonly string[]): string {
  const found = path.reduce(memberOf, value)
  return typeof found === 'string' ? found : ''
}

import type { JsonObject } from '../access-request.ts'
import { asObject, asText, isCount } from './decision-record.ts'
import type { EntryKind } from './line.ts'
import { readRecords, type Evidence } from './reading.ts'
import type { Subject } from './retention.ts'

/** Payloads of one writer's file whose erasing is recorded: those of the entries `from` to `to`, as far as they have any. */
export interface ErasedRange {
  readonly kind: EntryKind
  readonly writer: string
  readonly from: number
  readonly to: number
}

/** What erasing needs to know of all records, whichever file they are in. */
export interface RetentionIndex {
  /** What an entry with this decision, or else of this session, is about. */
  subject(decision: string | null, session: string | null): Subject
  /** Whether a `retention.applied` names the payload of this entry. */
  named(kind: EntryKind, writer: string, seq: number): boolean
}

/**
 * Reads all records once. Subjects are few where decisions are many, so each stands once; a decision costs its id and a
 * place in a map.
 */
export async function indexForRetention(evidence: Evidence): Promise<RetentionIndex> {
  const index = new Index()
  for await (const { record, fields } of readRecords(evidence)) {
    if (record.event === 'retention.applied') index.erased(record.detail)
    else index.record(fields)
  }
  return index
}

class Index implements RetentionIndex {
  readonly #subjects = new Map<string, Subject>()
  readonly #decisions = new Map<string, Subject>()
  readonly #sessions = new Map<string, Subject>()
  readonly #erased = new Map<string, Ranges>()

  subject(decision: string | null, session: string | null): Subject {
    const ofDecision = decision === null ? undefined : this.#decisions.get(decision)
    const ofSession = session === null ? undefined : this.#sessions.get(session)
    return ofDecision ?? ofSession ?? { resources: [], session, agent: null }
  }

  named(kind: EntryKind, writer: string, seq: number): boolean {
    return this.#erased.get(`${kind} ${writer}`)?.has(seq) ?? false
  }

  record(fields: JsonObject): void {
    const session = asText(fields.session)
    const decision = asText(fields.decision)
    const principal = asText(asObject(fields.principal)?.id)
    const event = asText(fields.event) ?? ''
    if (event === 'session.opened' && session !== null)
      this.#sessions.set(session, this.#shared([], session, principal))
    if (decision === null || !event.startsWith('decision.')) return
    const before = this.#decisions.get(decision)
    const resources = [...new Set([...(before?.resources ?? []), ...namesOf(fields)])].toSorted()
    this.#decisions.set(decision, this.#shared(resources, session, principal ?? before?.agent ?? null))
  }

  erased(detail: JsonObject | null): void {
    const ranges = detail?.erased
    if (!Array.isArray(ranges)) return
    for (const range of ranges.map(readRange)) {
      if (range === undefined) continue
      const key = `${range.kind} ${range.writer}`
      const known = this.#erased.get(key) ?? new Ranges()
      this.#erased.set(key, known)
      known.add(range.from, range.to)
    }
  }

  #shared(resources: readonly string[], session: string | null, agent: string | null): Subject {
    const key = JSON.stringify([resources, session, agent])
    const known = this.#subjects.get(key)
    if (known !== undefined) return known
    const subject = { resources, session, agent }
    this.#subjects.set(key, subject)
    return subject
  }
}

/** Numbers from … to …, overlapping or not; sorted and joined when first asked. */
class Ranges {
  #ranges: { from: number; to: number }[] = []
  #sorted = true

  add(from: number, to: number): void {
    this.#ranges.push({ from, to })
    this.#sorted = false
  }

  has(number: number): boolean {
    if (!this.#sorted) this.#sort()
    let [low, high] = [0, this.#ranges.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ranges[middle]?.to ?? Infinity) < number) low = middle + 1
      else high = middle
    }
    return (this.#ranges[low]?.from ?? Infinity) <= number
  }

  #sort(): void {
    const joined: { from: number; to: number }[] = []
    for (const range of this.#ranges.toSorted((one, other) => one.from - other.from)) {
      const last = joined.at(-1)
      if (last === undefined || range.from > last.to) joined.push(range)
      else last.to = Math.max(last.to, range.to)
    }
    this.#ranges = joined
    this.#sorted = true
  }
}

function namesOf({ resources }: JsonObject): readonly string[] {
  if (!Array.isArray(resources)) return []
  return resources.map((resource) => asText(asObject(resource)?.name)).filter((name) => name !== null)
}

/** A member of `detail.erased`; undefined for one that is not of its shape. */
function readRange(value: JsonObject): ErasedRange | undefined {
  const { kind, writer, from, to } = asObject(value) ?? {}
  if ((kind !== 'record' && kind !== 'frame') || typeof writer !== 'string') return undefined
  return isCount(from) && isCount(to) ? { kind, writer, from, to } : undefined
}

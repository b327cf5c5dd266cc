import type { JsonObject } from '../access-request.ts'
import {
  asObject,
  asText,
  awaitsOutcome,
  isDecision,
  isIntent,
  isOutcome,
  type EvidenceRecord,
} from './decision-record.ts'
import type { Place, Report } from './finding.ts'
import { inDoubt, type InDoubt } from './recovery.ts'
import { tampered } from './scan.ts'

/** An intent that no outcome has answered, and where it stands. */
export interface OpenIntent {
  readonly about: InDoubt
  readonly place: Place
}

/** When and where something was recorded, for what must have come before what. */
interface Moment {
  readonly writerId: string
  readonly seq: number
  readonly ts: string
  readonly decision: string
  readonly place: Place
}

/**
 * What must follow from what, over all records of a directory: an outcome from its intent, a decision from a policy that
 * its gateway had put in force, an intent that uses an approval from that approval, granted earlier and used by one
 * decision only. Records come in an order in which each instance's own are in theirs. What is kept are intents without an
 * outcome, and one line an approval: people give those, so they are few beside decisions.
 */
export class Causality {
  /** Intents whose outcome is recorded as unknown. */
  readonly unknown: InDoubt[] = []
  readonly #report: Report
  readonly #open = new Map<string, OpenIntent>()
  readonly #grants = new Map<string, Moment>()
  readonly #uses: { readonly approval: string; readonly by: Moment }[] = []
  /** Per writer, the policies that it has put in force. */
  readonly #policies = new Map<string, Set<string>>()

  constructor(report: Report) {
    this.#report = report
  }

  add(record: EvidenceRecord, place: Place): void {
    const { event, decision } = record
    const approval = asText(record.approval?.id)
    if (approval !== null) this.#approval(approval, record, place)
    if (event.startsWith('policy.')) this.#activated(record)
    if (event === 'writer.closed') this.#policies.delete(record.writerId)
    if (decision === null) return
    if (isOutcome(event)) this.#outcome(record, decision, place)
    if (isDecision(event)) this.#judgePolicy(record, decision, place)
    if (awaitsOutcome(record)) this.#open.set(decision, { about: inDoubt(record, decision), place })
  }

  /** Intents without any outcome, once all records are in. */
  open(): readonly OpenIntent[] {
    return [...this.#open.values()]
  }

  /** Judges the approvals, once all records are in: an approval may be recorded by another instance than its use. */
  end(): void {
    const users = new Map<string, string>()
    for (const { approval, by } of this.#uses) {
      this.#judgeUse(approval, by)
      const { decision } = by
      const user = users.get(approval)
      if (user === undefined) users.set(approval, decision)
      else if (user !== decision) {
        this.#report(
          tampered(by.place, `approval ${approval} is used twice`, `only decision ${user}`, `decision ${decision}`),
        )
      }
    }
  }

  #outcome(record: EvidenceRecord, decision: string, place: Place): void {
    const intent = this.#open.get(decision)
    this.#open.delete(decision)
    if (intent !== undefined && record.event === 'outcome.unknown') this.unknown.push(intent.about)
    if (intent !== undefined) return
    this.#report({
      severity: 'incomplete',
      ...place,
      message: 'an outcome without its intent',
      expected: `an earlier intent of decision ${decision}, without an outcome so far`,
      found: 'none in this directory',
    })
  }

  #activated({ event, writerId, fields }: EvidenceRecord): void {
    if (!ACTIVATIONS.has(event)) return
    const known = this.#policies.get(writerId) ?? new Set()
    this.#policies.set(writerId, known.add(policyName(fields)))
  }

  // Each gateway puts its policy in force itself, in its own records, before it decides anything.
  #judgePolicy({ writerId, fields }: EvidenceRecord, decision: string, place: Place): void {
    const policy = policyName(fields)
    if (policy === '' || this.#policies.get(writerId)?.has(policy) === true) return
    const message = `decision ${decision} is by a policy that was not in force`
    this.#report(tampered(place, message, `an earlier policy.activated of ${policy}`, 'none of this writer'))
  }

  #approval(approval: string, record: EvidenceRecord, place: Place): void {
    const { event, writerId, seq, ts, decision, id } = record
    const moment = { writerId, seq, ts, decision: decision ?? id, place }
    if (event === 'approval.granted' && !this.#grants.has(approval)) this.#grants.set(approval, moment)
    if (isIntent(event) && record.approval?.state === 'used') this.#uses.push({ approval, by: moment })
  }

  #judgeUse(approval: string, use: Moment): void {
    const grant = this.#grants.get(approval)
    if (grant === undefined) {
      this.#report({
        severity: 'incomplete',
        ...use.place,
        message: 'an approval is used that is not recorded',
        expected: `an earlier approval.granted of ${approval}`,
        found: 'none in this directory',
      })
    } else if (!isBefore(grant, use)) {
      const found = `granted in ${grant.place.file}:${grant.place.line}, at ${grant.ts}`
      this.#report(tampered(use.place, `approval ${approval} came after its use`, `a grant before ${use.ts}`, found))
    }
  }
}

const ACTIVATIONS: ReadonlySet<string> = new Set([
  'policy.activated',
  'policy.rolled_back',
  'policy.emergency_activated',
])

/** Revision and digest, told as one; empty where a record names no policy. */
function policyName({ policy }: JsonObject): string {
  const { revision, digest } = asObject(policy) ?? {}
  return asText(digest) === null ? '' : `${asText(revision)} (${asText(digest)})`
}

// Between two writers only clocks can be compared.
function isBefore(one: Moment, other: Moment): boolean {
  return one.writerId === other.writerId ? one.seq < other.seq : one.ts <= other.ts
}

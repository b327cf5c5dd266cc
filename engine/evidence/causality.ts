import { asText, isDecision, isIntent, isOutcome, type EvidenceRecord } from './decision-record.ts'
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
  readonly record: EvidenceRecord
  readonly place: Place
}

/**
 * What must follow from what, over all records of a directory: an outcome from its intent, an intent that uses an approval
 * from that approval, granted earlier and used by one decision only. Records come writer by writer, oldest first.
 */
export class Causality {
  /** Intents whose outcome is recorded as unknown. */
  readonly unknown: InDoubt[] = []
  readonly #report: Report
  readonly #decided = new Set<string>()
  readonly #open = new Map<string, OpenIntent>()
  readonly #grants = new Map<string, Moment>()
  readonly #uses: { readonly approval: string; readonly by: Moment }[] = []

  constructor(report: Report) {
    this.#report = report
  }

  add(record: EvidenceRecord, place: Place): void {
    const { event, decision } = record
    const approval = asText(record.approval?.id)
    if (approval !== null) this.#approval(approval, { record, place })
    if (decision === null) return
    if (isOutcome(event)) this.#outcome(record, decision, place)
    if (isDecision(event)) this.#decided.add(decision)
    if (isIntent(event)) this.#open.set(decision, { about: inDoubt(record, decision), place })
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
      const decision = by.record.decision ?? by.record.id
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
    if (this.#decided.has(decision)) return
    this.#report({
      severity: 'incomplete',
      ...place,
      message: 'an outcome without its intent',
      expected: `an earlier decision ${decision}`,
      found: 'none in this directory',
    })
  }

  #approval(approval: string, moment: Moment): void {
    const { event } = moment.record
    if (event === 'approval.granted' && !this.#grants.has(approval)) this.#grants.set(approval, moment)
    if (isIntent(event) && moment.record.approval?.state === 'used') this.#uses.push({ approval, by: moment })
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
    } else if (!isBefore(grant.record, use.record)) {
      const found = `granted in ${grant.place.file}:${grant.place.line}, at ${grant.record.ts}`
      this.#report(
        tampered(use.place, `approval ${approval} came after its use`, `a grant before ${use.record.ts}`, found),
      )
    }
  }
}

// Between two writers only clocks can be compared.
function isBefore(one: EvidenceRecord, other: EvidenceRecord): boolean {
  return one.writerId === other.writerId ? one.seq < other.seq : one.ts <= other.ts
}

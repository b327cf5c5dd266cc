import type { JsonObject } from '../access-request.ts'
import { listAt, numberAt, textAt } from './field.ts'
import { tellsApproval } from '../evidence/index.ts'
import type { Seen } from './measure.ts'

/** A policy revision that was put in force: in the period, or as the last one before it. */
export interface PolicyActivation {
  readonly revision: string
  readonly digest: string
  /** Version of the control pack that the bundle was built against. */
  readonly pack: string | null
  readonly ts: string
  readonly index: number
  readonly writer: string
  readonly beforePeriod: boolean
}

const MAX_ACTIVATIONS = 500

export class Activations {
  readonly #before = new Map<string, PolicyActivation>()
  readonly #within: PolicyActivation[] = []
  #omitted = 0

  take({ record, fields, index, inPeriod }: Seen, from: string): void {
    if (record.event !== 'policy.activated' && record.event !== 'policy.rolled_back') return
    const activation = {
      revision: textAt(fields, 'policy', 'revision') ?? 'unnamed',
      digest: textAt(fields, 'policy', 'digest') ?? 'none',
      pack: textAt(fields, 'detail', 'control_pack', 'version'),
      ts: record.ts,
      index,
      writer: record.writerId,
      beforePeriod: !inPeriod,
    }
    const instance = record.writerId.slice(0, record.writerId.lastIndexOf('.'))
    if (!inPeriod && record.ts < from) this.#before.set(instance, activation)
    if (!inPeriod) return
    if (this.#within.length === MAX_ACTIVATIONS) this.#omitted += 1
    else this.#within.push(activation)
  }

  get omitted(): number {
    return this.#omitted
  }

  all(): readonly PolicyActivation[] {
    return [...this.#before.values(), ...this.#within].toSorted((one, other) => one.index - other.index)
  }
}

/** A hold, and what people said to it. */
export interface ApprovalAccount {
  readonly id: string
  readonly rule: string
  readonly message: string
  readonly requester: string
  readonly owner: string | null
  readonly quorum: number | null
  readonly answers: readonly ApprovalAnswer[]
  /** As the last record of it in the log says. */
  readonly state: string
  /** Leaves of its records. */
  readonly records: readonly number[]
}

export interface ApprovalAnswer {
  readonly by: string
  readonly answer: string
  readonly reason: string | null
  readonly at: string
}

const MAX_APPROVALS = 5000

/** Approvals with a record in the period; others are let go once they can't change any more. */
export class Approvals {
  readonly #open = new Map<string, { account: ApprovalAccount; inPeriod: boolean }>()
  readonly #ended = new Map<string, ApprovalAccount>()
  #omitted = 0

  take({ record: { event, approval }, index, inPeriod }: Seen): void {
    const id = approval === null || !tellsApproval(event) ? null : textAt(approval, 'id')
    if (approval === null || id === null) return
    const ended = this.#ended.get(id) // the review of a break-glass comes after its end
    const known = this.#open.get(id) ?? (ended === undefined ? undefined : { account: ended, inPeriod: true })
    const account = accountOf(id, approval, [...(known?.account.records ?? []), index])
    const state = { account, inPeriod: inPeriod || known?.inPeriod === true }
    this.#open.set(id, state)
    if (!FINAL.has(account.state)) return
    this.#open.delete(id)
    if (state.inPeriod) this.#keep(account)
  }

  get omitted(): number {
    return this.#omitted
  }

  all(): ReadonlyMap<string, ApprovalAccount> {
    for (const { account, inPeriod } of this.#open.values()) if (inPeriod) this.#keep(account)
    this.#open.clear()
    return this.#ended
  }

  #keep(account: ApprovalAccount): void {
    if (this.#ended.size === MAX_APPROVALS) this.#omitted += 1
    else this.#ended.set(account.id, account)
  }
}

const FINAL: ReadonlySet<string> = new Set(['denied', 'expired', 'withdrawn', 'used', 'revoked'])

function accountOf(id: string, approval: JsonObject, records: readonly number[]): ApprovalAccount {
  return {
    id,
    rule: textAt(approval, 'rule') ?? 'unnamed',
    message: textAt(approval, 'message') ?? '',
    requester: textAt(approval, 'requester', 'id') ?? 'unnamed',
    owner: textAt(approval, 'requester', 'owner'),
    quorum: numberAt(approval, 'terms', 'quorum'),
    answers: listAt(approval, 'answers').map((answer) => ({
      by: textAt(answer, 'by') ?? 'unnamed',
      answer: textAt(answer, 'answer') ?? 'unknown',
      reason: textAt(answer, 'reason'),
      at: timeOf(numberAt(answer, 'at')),
    })),
    state: textAt(approval, 'state') ?? 'unknown',
    records,
  }
}

function timeOf(ms: number | null): string {
  return ms !== null && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : 'unknown'
}

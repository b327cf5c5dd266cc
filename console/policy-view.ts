import { Ajv } from 'ajv'
import type { ShadowStatus } from '../engine/shadow/index.ts'
import type { PolicyStatus, Proposal } from '../engine/lifecycle/index.ts'
import * as shape from './shape.ts'

/** What the API tells of policies. Times are RFC 3339, UTC. */
export interface PolicyView {
  readonly review: 'required' | 'none'
  readonly here: PolicyStatus['here']
  readonly active: InForceView | null
  readonly previous: InForceView | null
  readonly proposals: readonly ProposalView[]
}

export interface InForceView {
  readonly policy: { readonly revision: string; readonly digest: string }
  /** null: the configuration. */
  readonly by: string | null
  readonly since: string
}

export interface ProposalView {
  readonly policy: { readonly revision: string; readonly digest: string }
  /** SHA-256 of the file that was proposed. */
  readonly archive: string
  readonly by: string
  readonly at: string
  readonly tested: string | null
  readonly review: {
    readonly by: string
    readonly answer: string
    readonly reason: string | null
    readonly at: string
  } | null
}

export function policyStatusView({ review, here, active, previous, proposals }: PolicyStatus): PolicyView {
  return { review, here, active: inForce(active), previous: inForce(previous), proposals: proposals.map(proposalView) }
}

export function proposalView({ policy, archive, by, at, tested, review }: Proposal): ProposalView {
  const said = review === null ? null : { ...review, by: review.by.id, at: shape.rfc3339(review.at) }
  return { policy, archive, by: by.id, at: shape.rfc3339(at), tested, review: said }
}

function inForce(value: PolicyStatus['active']): InForceView | null {
  return value === null ? null : { policy: value.policy, by: value.by?.id ?? null, since: shape.rfc3339(value.since) }
}

const policy = shape.object({ revision: shape.text, digest: shape.text })
const force = shape.orNull(shape.object({ policy, by: shape.optionalText, since: shape.text }))
const said = shape.object({ by: shape.text, answer: shape.text, reason: shape.optionalText, at: shape.text })

export const proposalShape: shape.Shape = shape.object({
  policy,
  archive: shape.text,
  by: shape.text,
  at: shape.text,
  tested: shape.optionalText,
  review: shape.orNull(said),
})

export const policyShape: shape.Shape = shape.object({
  review: { enum: ['required', 'none'] },
  here: shape.object({ revision: shape.text, digest: shape.text, suspended: shape.flag }),
  active: force,
  previous: force,
  proposals: shape.list(proposalShape),
})

const side = shape.object({ verdict: shape.text, rules: shape.texts })
const example = shape.object({
  decision: shape.text,
  action: shape.text,
  difference: shape.text,
  live: side,
  candidate: side,
})

export const shadowShape: shape.Shape = shape.object({
  candidate: shape.optionalText,
  counts: shape.object({
    compared: shape.count,
    same: shape.count,
    dropped: shape.count,
    failed: shape.count,
    differences: { type: 'object', additionalProperties: shape.count },
    examples: shape.list(example),
  }),
})

const ajv = new Ajv({ allowUnionTypes: true })

/** Whether what an API answered is the status of policies. */
export const isPolicyView: (value: unknown) => value is PolicyView = ajv.compile<PolicyView>(policyShape)

/** Whether what an API answered is one proposal. */
export const isProposalView: (value: unknown) => value is ProposalView = ajv.compile<ProposalView>(proposalShape)

/** Whether what an API answered tells of a candidate beside the live policy. */
export const isShadowView: (value: unknown) => value is ShadowStatus = ajv.compile<ShadowStatus>(shadowShape)

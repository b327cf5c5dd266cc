import { Ajv } from 'ajv'
import type { ShadowStatus } from '../engine/shadow/index.ts'
import type { PolicyStatus, Proposal } from '../engine/lifecycle/index.ts'

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
  const said = review === null ? null : { ...review, by: review.by.id, at: rfc3339(review.at) }
  return { policy, archive, by: by.id, at: rfc3339(at), tested, review: said }
}

function inForce(value: PolicyStatus['active']): InForceView | null {
  return value === null ? null : { policy: value.policy, by: value.by?.id ?? null, since: rfc3339(value.since) }
}

function rfc3339(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

const text = { type: 'string' } as const
const optionalText = { type: ['string', 'null'] } as const

/** All of `properties` required; more is let through, so that a newer gateway can be asked by an older client. */
function object(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', required: Object.keys(properties), properties }
}

const orNull = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] })
const policy = object({ revision: text, digest: text })
const force = orNull(object({ policy, by: optionalText, since: text }))
const proposal = object({
  policy,
  archive: text,
  by: text,
  at: text,
  tested: optionalText,
  review: orNull(object({ by: text, answer: text, reason: optionalText, at: text })),
})

const ajv = new Ajv({ allowUnionTypes: true })

/** Whether what an API answered is the status of policies. */
export const isPolicyView: (value: unknown) => value is PolicyView = ajv.compile<PolicyView>(
  object({
    review: { enum: ['required', 'none'] },
    here: object({ revision: text, digest: text, suspended: { type: 'boolean' } }),
    active: force,
    previous: force,
    proposals: { type: 'array', items: proposal },
  }),
)

/** Whether what an API answered is one proposal. */
export const isProposalView: (value: unknown) => value is ProposalView = ajv.compile<ProposalView>(proposal)

const count = { type: 'integer' } as const
const side = object({ verdict: text, rules: { type: 'array', items: text } })

/** Whether what an API answered tells of a candidate beside the live policy. */
export const isShadowView: (value: unknown) => value is ShadowStatus = ajv.compile<ShadowStatus>(
  object({
    candidate: optionalText,
    counts: object({
      compared: count,
      same: count,
      dropped: count,
      failed: count,
      differences: { type: 'object', additionalProperties: count },
      examples: {
        type: 'array',
        items: object({ decision: text, action: text, difference: text, live: side, candidate: side }),
      },
    }),
  }),
)

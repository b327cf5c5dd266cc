import {
  constant,
  isConstant,
  seenBlock,
  type AccessRequest,
  type JsonObject,
  type Principal,
  type Resource,
  type SealedRequest,
} from './access-request.ts'
import type { RecordDraft } from './evidence/index.ts'
import type { PolicyAnswer } from './policy/index.ts'
import { recordedInput } from './recorded-input.ts'
import type { Decision, Limits, PolicyReference, Reason, Verdict } from './verdict.ts'

/*
 * What is written of a decision before it takes effect, and what an approver is shown of it.
 */

export type ApprovalRef = NonNullable<Decision['approval']>

/** One judged request on its way to a decision: what the record needs beside the verdict. */
export interface Judgement {
  readonly sealed: SealedRequest
  readonly policy: PolicyReference
  readonly answer: PolicyAnswer
  /** From the request's coming to its judgement. */
  readonly decidedUs: number
  /** When, of the clock that never goes back, in nanoseconds. */
  readonly decidedNs: bigint
}

/** The record of an intent. */
export function intentOf(
  principal: Principal,
  decision: string,
  { sealed, policy, answer, decidedUs }: Judgement,
  verdict: Verdict,
  approval: ApprovalRef | null,
): Omit<RecordDraft, 'session'> {
  const { request, digest } = sealed
  const { reasons, nondeterministic } = answer
  return {
    event: `decision.${verdict.kind}`,
    principal,
    decision,
    action: request.action,
    resources: withoutValues(request.recorded.resources),
    verdict: verdict.kind,
    reasons,
    controls: controlsOf(reasons),
    policy,
    request: { digest },
    payload: {
      block: recordedBlock(request),
      ...recordedInput(request),
      values: writtenValues(request.recorded.resources),
    },
    ...(verdict.kind === 'mask' ? { masks: verdict.fields } : {}),
    ...withLimits(limitsOf(verdict)),
    ...(approval === null ? {} : { approval: { ...approval } }),
    ...(nondeterministic === null ? {} : { nondeterministic }),
    detail: { decided_us: decidedUs, ...grantsHeld(request) },
  }
}

/** By id: the payload, which has them in full, can be erased. */
function grantsHeld({ context: { grants } }: AccessRequest): { readonly grants?: readonly string[] } {
  return grants === undefined ? {} : { grants: grants.map(({ id }) => id) }
}

function recordedBlock({ recorded, observed }: AccessRequest): JsonObject {
  return observed === undefined ? recorded.block : seenBlock({ block: recorded.block, observed })
}

export function limitsOf(verdict: Verdict): Limits | undefined {
  return verdict.kind === 'reject' ? undefined : verdict.limits
}

export function withLimits(limits: Limits | undefined): { readonly limits?: Limits } {
  return limits === undefined ? {} : { limits }
}

const CONTROLS = new WeakMap<readonly Reason[], readonly string[]>()

// A verdict that is kept by policy has the same reasons each time.
export function controlsOf(reasons: readonly Reason[]): readonly string[] {
  const known = CONTROLS.get(reasons)
  if (known !== undefined) return known
  const controls = constant([...new Set(reasons.flatMap((reason) => reason.controls))].toSorted())
  if (isConstant(reasons)) CONTROLS.set(reasons, controls)
  return controls
}

/** What a statement writes is a value like what it reads: it goes into the payload, which can be erased. */
function withoutValues(resources: readonly Resource[]): readonly Resource[] {
  if (!resources.some(hasValues)) return resources // the same object: its canonical form is kept
  return resources.map((resource) => {
    if (!hasValues(resource)) return resource
    return { ...resource, parts: resource.parts.map(({ name, labels, uses }) => ({ name, labels, uses })) }
  })
}

function writtenValues(resources: readonly Resource[]): readonly JsonObject[] {
  if (!resources.some(hasValues)) return NO_VALUES
  return resources.flatMap(({ name, parts }) =>
    parts.flatMap(({ name: part, values }) => (values === undefined ? [] : [{ resource: name, part, values }])),
  )
}

const NO_VALUES: readonly JsonObject[] = constant([])

function hasValues({ parts }: Resource): boolean {
  return parts.some(({ values }) => values !== undefined)
}

/** What an approver needs in ten seconds: who asks for whom, for what, and what will be hidden from the answer. */
export function approverView(
  request: AccessRequest,
  { fields, limits }: Extract<Verdict, { kind: 'hold' }>,
): JsonObject {
  const { principal, action, context, recorded } = request
  const { id, kind, act, owner, groups } = principal
  return asJson({
    principal: { id, kind, act, owner, groups },
    action,
    resources: recorded.resources,
    [context.plane]: recordedBlock(request),
    context,
    masks: fields,
    ...withLimits(limits),
  })
}

/** Interfaces of plain values are JSON, but TypeScript can't see it; a copy through JSON also cuts every tie. */
function asJson(value: object): JsonObject {
  const copy: JsonObject = JSON.parse(JSON.stringify(value))
  return copy
}

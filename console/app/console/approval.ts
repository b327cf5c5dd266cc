import { listOf, objectOf, textOf, textsOf } from './api.ts'

export type State = 'requested' | 'granted' | 'denied' | 'expired' | 'withdrawn' | 'used' | 'revoked'

/** A column that the request writes, tests or reads. `values`: null where only the server can tell. */
export interface Part {
  readonly name: string
  readonly labels: readonly string[]
  readonly uses: readonly string[]
  readonly values: readonly string[] | null
}

export interface Resource {
  readonly name: string
  readonly parts: readonly Part[]
}

/** A hold as this page shows it: `/v1/approvals/ID`, read once. */
export interface Approval {
  readonly id: string
  readonly state: State
  readonly requester: {
    readonly id: string
    readonly kind: string
    readonly owner: string
    readonly act: readonly string[]
  }
  readonly rule: string
  readonly message: string
  readonly approvers: readonly string[]
  readonly quorum: number
  readonly reasonRequired: boolean
  readonly requestedAt: number
  readonly expiresAt: number
  readonly answers: readonly {
    readonly by: string
    readonly approved: boolean
    readonly reason: string
    readonly at: number
  }[]
  readonly mayAnswer: boolean
  readonly whyNot: string
  readonly action: string
  readonly actionClass: string
  readonly resources: readonly Resource[]
  readonly masks: readonly { readonly field: string; readonly method: string }[]
  readonly statement: string
  readonly parameters: readonly (string | null)[]
  /** Access for a time, in the place of one request. */
  readonly grant: {
    readonly plane: string
    readonly actions: readonly string[]
    readonly resources: readonly string[]
    readonly seconds: number
    readonly reason: string
    readonly breakGlass: boolean
  } | null
  /** Rows that the server expects to be met, where the plane could ask. */
  readonly estimate: number | null
  readonly transaction: string
  readonly traces: readonly (readonly [name: string, value: string])[]
}

export function approvalOf(value: unknown): Approval {
  const view = objectOf(value)
  const terms = objectOf(view['terms'])
  const summary = objectOf(view['summary'])
  const context = objectOf(summary['context'])
  const block = objectOf(summary[textOf(context['plane'])])
  const you = objectOf(view['you'])
  const requester = objectOf(view['requester'])
  return {
    id: textOf(view['id']),
    state: stateOf(view['state']),
    requester: {
      id: textOf(requester['id']),
      kind: textOf(requester['kind']),
      owner: textOf(requester['owner']),
      act: textsOf(requester['act']),
    },
    rule: textOf(view['rule']),
    message: textOf(view['message']),
    approvers: textsOf(terms['approvers']),
    quorum: Number(terms['quorum']),
    reasonRequired: terms['reason_required'] === true,
    requestedAt: Date.parse(textOf(view['requested_at'])),
    expiresAt: Date.parse(textOf(view['expires_at'])),
    answers: listOf(view['answers']).map(answerOf),
    mayAnswer: you['may_answer'] === true,
    whyNot: textOf(you['why_not']),
    action: textOf(objectOf(summary['action'])['name']),
    actionClass: textOf(objectOf(summary['action'])['class']),
    resources: listOf(summary['resources']).map(resourceOf),
    masks: listOf(summary['masks']).map((mask) => ({
      field: textOf(objectOf(mask)['field']),
      method: textOf(objectOf(mask)['method']),
    })),
    statement: textOf(block['statement']),
    parameters: listOf(block['parameters']).map((each) => (each === null ? null : textOf(each))),
    estimate: estimateOf(block['estimate']),
    transaction: textOf(context['transaction']),
    grant: grantOf(view['grant']),
    traces: [
      ['approval', textOf(view['id'])],
      ['decision', textOf(view['decision'])],
      ['session', textOf(view['session'])],
      ['policy', textOf(objectOf(view['policy'])['revision'])],
      ['digest', textOf(view['digest'])],
    ],
  }
}

function grantOf(value: unknown): Approval['grant'] {
  const { plane, actions, resources, seconds, reason, break_glass: breakGlass } = objectOf(value)
  if (typeof seconds !== 'number') return null
  return {
    plane: textOf(plane),
    actions: textsOf(actions),
    resources: textsOf(resources),
    seconds,
    reason: textOf(reason),
    breakGlass: breakGlass === true,
  }
}

const STATES: readonly State[] = ['requested', 'granted', 'denied', 'expired', 'withdrawn', 'used', 'revoked']

export function stateOf(value: unknown): State {
  return STATES.find((state) => state === value) ?? 'expired'
}

function answerOf(value: unknown): Approval['answers'][number] {
  const { by, answer, reason, at } = objectOf(value)
  return { by: textOf(by), approved: answer === 'approve', reason: textOf(reason), at: Date.parse(textOf(at)) }
}

function resourceOf(value: unknown): Resource {
  const { name, parts } = objectOf(value)
  return { name: textOf(name), parts: listOf(parts).map(partOf) }
}

function partOf(value: unknown): Part {
  const { name, labels, uses, values } = objectOf(value)
  return {
    name: textOf(name),
    labels: textsOf(labels),
    uses: textsOf(uses),
    values: Array.isArray(values) ? textsOf(values) : null,
  }
}

function estimateOf(value: unknown): number | null {
  const { rows } = objectOf(value)
  return typeof rows === 'number' ? rows : null
}

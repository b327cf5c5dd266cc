import { listOf, objectOf, textOf, textsOf } from './api.ts'

/** A decision as these pages show it, read once from `/v1/decisions`. */
export interface Decision {
  readonly id: string
  readonly at: string
  readonly session: string
  readonly agent: string
  readonly plane: string
  readonly action: string
  readonly resources: readonly string[]
  readonly more: number
  readonly verdict: string
  /** Empty while a hold waits. */
  readonly answer: string
  readonly rules: readonly { readonly rule: string; readonly controls: readonly string[] }[]
  readonly revision: string
  readonly approval: string
  /** What became of the approval so far. */
  readonly state: string
  readonly outcome: string
  readonly rows: number | null
  readonly error: string
  readonly decidedUs: number | null
  readonly tookUs: number | null
}

export function decisionOf(value: unknown): Decision {
  const view = objectOf(value)
  return {
    id: textOf(view['id']),
    at: textOf(view['at']),
    session: textOf(view['session']),
    agent: textOf(view['agent']),
    plane: textOf(view['plane']),
    action: textOf(view['action']),
    resources: textsOf(view['resources']),
    more: numberOf(view['more_resources']) ?? 0,
    verdict: textOf(view['verdict']),
    answer: textOf(view['answer']),
    rules: listOf(view['rules']).map((each) => {
      const { rule, controls } = objectOf(each)
      return { rule: textOf(rule), controls: textsOf(controls) }
    }),
    revision: textOf(view['revision']),
    approval: textOf(view['approval']),
    state: textOf(view['approval_state']),
    outcome: textOf(view['outcome']),
    rows: numberOf(view['rows']),
    error: textOf(view['error']),
    decidedUs: numberOf(view['decided_us']),
    tookUs: numberOf(view['took_us']),
  }
}

export function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

/** What a hold came to, in a word or two. */
export function thenOf({ answer, state }: Decision): string {
  if (answer !== '') return `then ${answer}`
  return state === '' || state === 'requested' ? 'waits' : state
}

/** `select from public.transfers`: in as few words as will do. */
export function deed({ action, resources, more }: Decision): string {
  const verb = action.slice(action.indexOf('.') + 1).replaceAll('_', ' ')
  const names = resources.join(', ')
  return `${verb}${names === '' ? '' : ` ${names}`}${more === 0 ? '' : ` and ${more} more`}`
}

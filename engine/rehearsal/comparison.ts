import type { Evaluation, FieldMask, Verdict } from '../verdict.ts'

/** What a policy answered to one request, or that it gave no verdict. */
export interface Answer {
  readonly kind: Verdict['kind']
  readonly masks: readonly FieldMask[]
  /** As JSON; null where there is no hold, or where the record doesn't tell its terms. */
  readonly terms: string | null
  /** As JSON; null where there are none. */
  readonly limits: string | null
  readonly rules: readonly string[]
  readonly controls: readonly string[]
}

/** One way in which the second answer is not the first, in a form that many decisions can share. */
export interface Difference {
  readonly kind:
    | 'verdict'
    | 'masked'
    | 'unmasked'
    | 'method'
    | 'terms'
    | 'limits'
    | 'rules'
    | 'controls lost'
    | 'controls gained'
  /** `forward → reject`, `public.customers.ssn: last4 → null`, a list of controls. */
  readonly what: string
  /** Whether the second lets more through, shows more, or answers to fewer controls. */
  readonly looser: boolean
}

export function answerOf({ verdict, reasons }: Evaluation): Answer {
  const held = verdict.kind === 'hold'
  return {
    kind: verdict.kind,
    masks: verdict.kind === 'mask' || held ? verdict.fields : [],
    terms: held ? JSON.stringify(verdict.terms) : null,
    limits: verdict.kind === 'reject' ? null : limitsText(verdict.limits),
    rules: distinct(reasons.map(({ rule }) => rule)),
    controls: distinct(reasons.flatMap(({ controls }) => controls)),
  }
}

/** A policy that ends in an error has rejected. */
export function failedAnswer(): Answer {
  return { kind: 'reject', masks: [], terms: null, limits: null, rules: ['policy_error'], controls: [] }
}

const STRICTNESS: readonly Verdict['kind'][] = ['forward', 'mask', 'hold', 'reject']

/** Nothing where both answers oblige the gateway to the same, for the same rules. */
export function differences(before: Answer, after: Answer): Difference[] {
  const found: Difference[] = []
  if (before.kind !== after.kind) {
    const looser = STRICTNESS.indexOf(after.kind) < STRICTNESS.indexOf(before.kind)
    found.push({ kind: 'verdict', what: `${before.kind} → ${after.kind}`, looser })
  }
  if (before.kind !== 'reject' && after.kind !== 'reject') found.push(...maskDifferences(before, after))
  if (before.terms !== null && after.terms !== null && before.terms !== after.terms) {
    found.push({ kind: 'terms', what: `${before.terms} → ${after.terms}`, looser: false })
  }
  if (before.kind !== 'reject' && after.kind !== 'reject' && before.limits !== after.limits) {
    const what = `${before.limits ?? 'none'} → ${after.limits ?? 'none'}`
    found.push({ kind: 'limits', what, looser: after.limits === null })
  }
  if (before.rules.join('\n') !== after.rules.join('\n')) {
    found.push({ kind: 'rules', what: `${before.rules.join(', ')} → ${after.rules.join(', ')}`, looser: false })
  }
  const lost = before.controls.filter((control) => !after.controls.includes(control))
  const gained = after.controls.filter((control) => !before.controls.includes(control))
  if (lost.length > 0) found.push({ kind: 'controls lost', what: lost.join(', '), looser: before.kind === after.kind })
  if (gained.length > 0) found.push({ kind: 'controls gained', what: gained.join(', '), looser: false })
  return found
}

/** One text for equal limits, in whatever order they stand. */
export function limitsText(limits: object | undefined): string | null {
  if (limits === undefined) return null
  return Object.entries(limits)
    .map(([name, most]) => `${name} ${String(most)}`)
    .toSorted()
    .join(', ')
}

function maskDifferences(before: Answer, after: Answer): Difference[] {
  const [old, now] = [methods(before), methods(after)]
  const fields = distinct([...old.keys(), ...now.keys()])
  return fields.flatMap((field): Difference[] => {
    const [was, is] = [old.get(field), now.get(field)]
    if (was === is) return []
    if (was === undefined) return [{ kind: 'masked', what: `${field}: ${is}`, looser: false }]
    if (is === undefined) return [{ kind: 'unmasked', what: `${field}: was ${was}`, looser: true }]
    return [{ kind: 'method', what: `${field}: ${was} → ${is}`, looser: false }]
  })
}

function methods({ masks }: Answer): ReadonlyMap<string, string> {
  return new Map(masks.map(({ field, method }) => [field, method]))
}

function distinct(items: readonly string[]): string[] {
  return [...new Set(items)].toSorted()
}

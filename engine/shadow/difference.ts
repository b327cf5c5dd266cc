import type { Evaluation, Verdict } from '../verdict.ts'

/** How a candidate's answer to a request differs from the live policy's; null: it doesn't. In words that people count by. */
export function difference(live: Evaluation, candidate: Evaluation): string | null {
  if (live.verdict.kind !== candidate.verdict.kind) return NOW[candidate.verdict.kind]
  if (termsOf(live.verdict) !== termsOf(candidate.verdict)) return 'held on other terms'
  if (masksOf(live.verdict) !== masksOf(candidate.verdict)) return 'masked otherwise'
  if (limitsOf(live.verdict) !== limitsOf(candidate.verdict)) return 'limited otherwise'
  const [before, after] = [controlsOf(live), controlsOf(candidate)]
  if (before.some((control) => !after.includes(control))) return 'controls lost'
  return before.length === after.length ? null : 'controls gained'
}

const NOW: Readonly<Record<Verdict['kind'], string>> = {
  forward: 'now forwarded',
  mask: 'now masked',
  hold: 'now held',
  reject: 'now rejected',
}

function masksOf(verdict: Verdict): string {
  if (verdict.kind !== 'mask' && verdict.kind !== 'hold') return ''
  return JSON.stringify(verdict.fields.map(({ field, method }) => `${field} ${method}`).toSorted())
}

function termsOf(verdict: Verdict): string {
  return verdict.kind === 'hold' ? JSON.stringify(verdict.terms) : ''
}

function limitsOf(verdict: Verdict): string {
  return verdict.kind === 'reject'
    ? ''
    : JSON.stringify(Object.entries(verdict.limits ?? {}).toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

function controlsOf({ reasons }: Evaluation): readonly string[] {
  return [...new Set(reasons.flatMap(({ controls }) => controls))]
}

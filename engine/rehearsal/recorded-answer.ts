import type { JsonObject, JsonValue } from '../access-request.ts'
import { isObject } from '../policy/index.ts'
import { MASK_METHODS } from '../verdict.ts'
import type { FieldMask, Verdict } from '../verdict.ts'
import { limitsText } from './comparison.ts'
import type { Answer } from './comparison.ts'

/** Rejections that the gateway makes of its own accord, whatever policy says. */
const NOT_POLICYS = new Set([
  'token_expired',
  'obligation_unenforceable',
  'approval_denied',
  'approval_expired',
  'approval_withdrawn',
  'approval_used',
  'changed_since_approval',
  'policy_changed_since_approval',
  'terms_changed_since_approval',
])

/** What policy answered, as the decision's record tells it; null where it was not policy that decided. */
export function recordedAnswer(fields: JsonObject): Answer | null {
  const reasons = list(fields.reasons).filter(isObject)
  const rules = distinct(reasons.flatMap(({ rule }) => texts([rule])))
  const kind = kindOf(fields.verdict)
  if (kind === null || rules.some((rule) => NOT_POLICYS.has(rule))) return null
  // A hold that was granted is recorded as what it released; policy still asked for the hold.
  const released = isObject(fields.approval) && fields.approval.state === 'used'
  return {
    kind: released ? 'hold' : kind,
    masks: list(fields.masks).flatMap(maskOf),
    terms: null,
    limits: isObject(fields.limits) ? limitsText(fields.limits) : null,
    rules,
    controls: distinct(reasons.flatMap(({ controls }) => texts(list(controls)))),
  }
}

function kindOf(value: JsonValue | undefined): Verdict['kind'] | null {
  return (['forward', 'mask', 'hold', 'reject'] as const).find((kind) => kind === value) ?? null
}

function maskOf(value: JsonValue): FieldMask[] {
  if (!isObject(value) || typeof value.field !== 'string') return []
  const method = MASK_METHODS.find((each) => each === value.method)
  return method === undefined ? [] : [{ field: value.field, method }]
}

function list(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : []
}

function texts(values: readonly (JsonValue | undefined)[]): string[] {
  return values.filter((value) => typeof value === 'string')
}

function distinct(items: readonly string[]): string[] {
  return [...new Set(items)].toSorted()
}

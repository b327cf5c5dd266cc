import type { JsonObject, JsonValue } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import { MASK_METHODS } from '../verdict.ts'
import type { Evaluation, FieldMask, HoldTerms, Limits, MaskMethod, Reason, Verdict } from '../verdict.ts'
import { isObject } from './json-document.ts'

/** A hold that outlives this is a mistake in the policy: 31 days. */
const MAX_EXPIRY_SECONDS = 2_678_400
const MAX_QUORUM = 100
/** Beyond what can be counted: 2^53 - 1. */
const MAX_LIMIT: number = Number.MAX_SAFE_INTEGER
const LIMITS = ['max_rows', 'max_bytes', 'timeout_ms'] as const
const KINDS = ['forward', 'mask', 'hold', 'reject'] as const
const METHODS: ReadonlySet<string> = new Set(MASK_METHODS)

/**
 * Reads a result set as opa_value_dump writes it into what policy answered. The shape is the library's in policies/lib,
 * nothing more and nothing less; anything else throws PolicyError ERR_POLICY_RESULT, which rejects the request.
 */
export function readResult(dump: string): Evaluation {
  return readEvaluation(soleResult(dump))
}

/** The same for a result that is JSON already. */
export function readEvaluation(value: JsonValue | undefined): Evaluation {
  const keys = ['verdict', 'reasons', 'fields', 'hold']
  // A bundle built before there were limits sets none.
  const limited = isObject(value) && Object.hasOwn(value, 'limits')
  const result = exactly(value, 'the result', limited ? [...keys, 'limits'] : keys)
  const reasons = list(result.reasons, 'reasons').map(readReason)
  if (reasons.length === 0) throw wrong('reasons', 'at least one', 'none')
  const fields = list(result.fields, 'fields').map(readField)
  distinct(
    fields.map(({ field }) => field),
    'fields',
  )
  return { verdict: readVerdict(result, fields, readLimits(result.limits ?? null)), reasons }
}

/**
 * The dump is `{{"result": …}}`: a set of one binding. Without the outer braces it is JSON exactly when there is one
 * result, and nowhere in it a set, a key that is no string or a number JSON hasn't got.
 */
function soleResult(dump: string): JsonValue | undefined {
  if (dump === 'set()')
    throw new PolicyError('ERR_POLICY_RESULT', "the policy's entrypoint is undefined for this request")
  const bindings = parse(/^\{(.*)\}$/s.exec(dump)?.[1] ?? '')
  return exactly(bindings, 'the result set', ['result']).result
}

function parse(text: string): JsonValue {
  try {
    const value: JsonValue = JSON.parse(text)
    return value
  } catch (cause) {
    throw new PolicyError(
      'ERR_POLICY_RESULT',
      "the policy gave more than one result, or a set or number that JSON hasn't got",
      {
        cause,
      },
    )
  }
}

function readVerdict(result: JsonObject, fields: readonly FieldMask[], limits: Limits | null): Verdict {
  const kind = KINDS.find((one) => one === result.verdict)
  if (kind === undefined) throw wrong('verdict', `one of ${KINDS.join(', ')}`)
  if ((result.hold !== null) !== (kind === 'hold')) throw wrong('hold', 'terms with verdict hold, null with any other')
  const some = limits === null ? {} : { limits }
  switch (kind) {
    case 'forward':
    case 'reject':
      if (fields.length > 0) throw wrong('fields', `none with verdict ${kind}`, String(fields.length))
      if (kind === 'forward') return { kind, ...some }
      if (limits !== null) throw wrong('limits', 'null with verdict reject')
      return { kind }
    case 'mask':
      if (fields.length === 0) throw wrong('fields', 'at least one with verdict mask', 'none')
      return { kind, fields, ...some }
    case 'hold':
      return { kind, terms: readTerms(result.hold), fields, ...some }
    default:
      return kind satisfies never
  }
}

function readReason(value: JsonValue): Reason {
  const reason = exactly(value, 'a reason', ['rule', 'message', 'controls'])
  return {
    rule: text(reason.rule, 'reasons.rule'),
    message: text(reason.message, 'reasons.message'),
    controls: texts(reason.controls, 'reasons.controls'),
  }
}

function readField(value: JsonValue): FieldMask {
  const mask = exactly(value, 'a field', ['field', 'method'])
  if (!isMethod(mask.method)) throw wrong('fields.method', `one of ${MASK_METHODS.join(', ')}`)
  return { field: text(mask.field, 'fields.field'), method: mask.method }
}

function readTerms(value: JsonValue | undefined): HoldTerms {
  const terms = exactly(value, 'hold', ['approvers', 'quorum', 'expires_in', 'reason_required'])
  const approvers = texts(terms.approvers, 'hold.approvers')
  if (approvers.length === 0) throw wrong('hold.approvers', 'at least one group', 'none')
  if (typeof terms.reason_required !== 'boolean') throw wrong('hold.reason_required', 'true or false')
  return {
    approvers,
    quorum: count(terms.quorum, 'hold.quorum', MAX_QUORUM),
    expires_in: count(terms.expires_in, 'hold.expires_in', MAX_EXPIRY_SECONDS),
    reason_required: terms.reason_required,
  }
}

/** null in the place of a limit: none of that kind. All of them null: then they have no business there. */
function readLimits(value: JsonValue): Limits | null {
  if (value === null) return null
  const limits = exactly(value, 'limits', LIMITS)
  const set = LIMITS.filter((name) => limits[name] !== null)
  if (set.length === 0) throw wrong('limits', 'at least one that is not null')
  return Object.fromEntries(set.map((name) => [name, count(limits[name], `limits.${name}`, MAX_LIMIT)]))
}

function isMethod(value: JsonValue | undefined): value is MaskMethod {
  return typeof value === 'string' && METHODS.has(value)
}

function exactly(value: JsonValue | undefined, what: string, keys: readonly string[]): JsonObject {
  if (!isObject(value)) throw wrong(what, 'an object')
  const found = Object.keys(value)
  if (found.length !== keys.length || !keys.every((key) => Object.hasOwn(value, key))) {
    throw wrong(what, `exactly ${keys.join(', ')}`, found.join(', '))
  }
  return value
}

function list(value: JsonValue | undefined, what: string): readonly JsonValue[] {
  if (!Array.isArray(value)) throw wrong(what, 'an array')
  return value
}

function text(value: JsonValue | undefined, what: string): string {
  if (typeof value !== 'string' || value === '') throw wrong(what, 'a string that is not empty')
  return value
}

function texts(value: JsonValue | undefined, what: string): readonly string[] {
  const items = list(value, what).map((item) => text(item, what))
  distinct(items, what)
  return items
}

function count(value: JsonValue | undefined, what: string, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most) {
    throw wrong(what, `a whole number from 1 to ${most}`)
  }
  return value
}

function distinct(items: readonly string[], what: string): void {
  if (new Set(items).size !== items.length) throw wrong(what, 'each once', 'one twice')
}

/** Values are left out of the message: they can hold what the client sent. */
function wrong(what: string, expected: string, found?: string): PolicyError {
  const seen = found === undefined ? '' : `, found ${found}`
  return new PolicyError(
    'ERR_POLICY_RESULT',
    `the policy's answer is not a verdict: ${what}: expected ${expected}${seen}`,
  )
}

import type { JsonObject, JsonValue } from '../../engine/access-request.ts'
import { isObject } from '../../engine/policy/index.ts'
import type { Random } from './seeded-random.ts'

/** What an agent puts where a policy looks for money, or for nothing in particular. */
const BODIES: readonly JsonValue[] = [
  null,
  [],
  {},
  'text',
  7,
  ...[0, 9999, 10_000, -1, '9999.99', '10000.00', '1e9', '', null, ['5'], true].flatMap((amount): JsonValue[] => [
    { amount },
    { payment: { amount } },
    [{ amount }],
  ]),
]
const NUMBERS: readonly JsonValue[] = [0, 1, -1, 3600, 3601, 14_401, 10_000, 9_007_199_254_740_991]
/** Members that hold whatever a client sent. */
const FREE = new Set(['json', 'parsed_body'])

/**
 * Requests like those of a plane's self-test, crossed with each other and changed here and there, of whatever protocol: each
 * value keeps its kind, because a plane keeps to its schema.
 */
export function mutatedRequest(random: Random, samples: readonly JsonObject[]): JsonObject {
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)]
  const changed = (value: JsonValue, others: readonly JsonValue[], name: string): JsonValue => {
    const other = random() < 0.12 ? pick(others.filter((each) => kindOf(each) === kindOf(value))) : undefined
    if (FREE.has(name)) return random() < 0.5 ? (pick(BODIES) ?? null) : (other ?? value)
    const chosen = other ?? value
    if (typeof chosen === 'string') return random() < 0.03 ? respelled(chosen) : chosen
    if (typeof chosen === 'number') return random() < 0.1 ? (pick(NUMBERS) ?? chosen) : chosen
    if (isList(chosen)) return list(chosen, others)
    return isObject(chosen) ? object(chosen, others) : chosen
  }
  const respelled = (text: string): string => pick([`${text}x`, text.toUpperCase(), '', `über ${text}`]) ?? text
  const list = (items: readonly JsonValue[], others: readonly JsonValue[]): JsonValue => {
    const pool = [...items, ...others.flatMap((each) => (isList(each) ? each : []))]
    const kept = items.filter(() => random() > 0.08)
    const more = random() < 0.1 ? pick(pool) : undefined
    return [...kept, ...(more === undefined ? [] : [more])].map((item) => changed(item, pool, ''))
  }
  const object = (value: JsonObject, others: readonly JsonValue[]): JsonObject =>
    Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [
        name,
        changed(
          inner,
          others.flatMap((each) => (isObject(each) && each[name] !== undefined ? [each[name]] : [])),
          name,
        ),
      ]),
    )
  return object(pick(samples) ?? {}, samples)
}

function kindOf(value: JsonValue): string {
  return value === null ? 'null' : isList(value) ? 'list' : typeof value
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}

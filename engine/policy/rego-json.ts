import { PolicyError } from '../errors.ts'
import { compareRego, isNumber, isRegoObject, isSet } from './rego-value.ts'
import type { RegoObject, RegoSet, RegoValue } from './rego-value.ts'

/** Distinct values in OPA's order. */
export function regoSet(values: readonly RegoValue[]): RegoSet {
  const sorted = values.toSorted(compareRego)
  return {
    kind: 'set',
    values: sorted.filter((value, at) => at === 0 || compareRego(sorted[at - 1] ?? null, value) !== 0),
  }
}

/** The last of equal keys wins. */
export function regoObject(entries: readonly (readonly [RegoValue, RegoValue])[]): RegoObject {
  const sorted = entries.toSorted(([one], [other]) => compareRego(one, other))
  return {
    kind: 'object',
    entries: sorted.filter(([key], at) => {
      const next = sorted[at + 1]
      return next === undefined || compareRego(next[0], key) !== 0
    }),
  }
}

export function field(object: RegoObject, key: string): RegoValue | undefined {
  return object.entries.find(([name]) => name === key)?.[1]
}

/** A number's own text, on its way through JSON.parse, which would round it. */
class NumberText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** JSON text as a Rego value, every digit kept. Throws SyntaxError. */
export function regoFromJson(text: string): RegoValue {
  const parsed: unknown = JSON.parse(text, (_key: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' ? new NumberText(context?.source ?? String(value)) : value,
  )
  return fromParsed(parsed)
}

function fromParsed(value: unknown): RegoValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (value instanceof NumberText) return { kind: 'number', text: value.text }
  if (Array.isArray(value)) return value.map(fromParsed)
  if (typeof value === 'object') {
    return regoObject(Object.entries(value).map(([key, item]): [RegoValue, RegoValue] => [key, fromParsed(item)]))
  }
  throw new PolicyError('ERR_POLICY_EVALUATION', 'JSON gave a value that JSON has not')
}

const ESCAPED: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/** As Go's encoding/json writes it after OPA made JSON of it: sets become arrays, keys that are no strings their own JSON. */
export function jsonFromRego(
  value: RegoValue,
  layout: { readonly prefix: string; readonly indent: string } | null = null,
): string {
  return written(value, layout === null ? null : { ...layout, line: `\n${layout.prefix}` })
}

interface Layout {
  readonly indent: string
  readonly line: string
}

function written(value: RegoValue, layout: Layout | null): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return goJsonString(value)
  if (isNumber(value)) return value.text
  if (isRegoObject(value)) {
    const members = value.entries
      .map(([key, item]): [string, RegoValue] => [typeof key === 'string' ? key : written(key, null), item])
      .toSorted(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    return wrapped(
      '{',
      '}',
      members,
      layout,
      ([key, item], inner) => `${goJsonString(key)}:${layout === null ? '' : ' '}${written(item, inner)}`,
    )
  }
  return wrapped('[', ']', isSet(value) ? value.values : value, layout, written)
}

function wrapped<Item>(
  open: string,
  close: string,
  items: readonly Item[],
  layout: Layout | null,
  write: (item: Item, layout: Layout | null) => string,
): string {
  if (items.length === 0) return open + close
  if (layout === null) return `${open}${items.map((item) => write(item, null)).join(',')}${close}`
  const inner = { ...layout, line: layout.line + layout.indent }
  return `${open}${inner.line}${items.map((item) => write(item, inner)).join(`,${inner.line}`)}${layout.line}${close}`
}

function goJsonString(text: string): string {
  return JSON.stringify(text).replaceAll(/[<>&\u2028\u2029]/g, (char) => ESCAPED[char] ?? char)
}

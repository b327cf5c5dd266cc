import { hash } from 'node:crypto'
import type { JsonObject, Resource } from '../../../engine/index.ts'

/** Bytes of JSON that a statement's values may take in its record, half of what a record's payload holds. */
const KEPT_BYTES = 64 * 1024
/** A shorter value is no longer than its digest. */
const SHORT_LENGTH = 100

type Values = readonly (string | null)[]

interface View {
  readonly resources: readonly Resource[]
  readonly block: JsonObject
}

/**
 * What is recorded of a statement, its values no larger than a record holds: digests stand in place of the long ones or,
 * where that isn't enough, of each list of them. Where all of it fits, it is the very same object.
 */
export function withinRecord(view: View, parameters: Values): View {
  if (fits(view, parameters)) return view
  const [shorter, kept] = replaced(view, parameters, (values) => values.map(shortened))
  return fits(shorter, kept) ? shorter : replaced(view, parameters, (values) => [digestOf(values)])[0]
}

function fits({ resources }: View, parameters: Values): boolean {
  let length = lengthOf(parameters)
  for (const { parts } of resources) for (const { values } of parts) length += values ? lengthOf(values) : 0
  // A UTF-16 code unit takes at most six bytes of JSON: most statements need no count.
  if (length * 6 <= KEPT_BYTES) return true
  const lists = [parameters, ...resources.flatMap(({ parts }) => parts.map(({ values }) => values ?? []))]
  return Buffer.byteLength(JSON.stringify(lists)) <= KEPT_BYTES
}

function lengthOf(values: Values): number {
  let length = 0
  for (const value of values) length += (value?.length ?? 0) + 4
  return length
}

function replaced({ resources, block }: View, parameters: Values, by: (values: Values) => Values): [View, Values] {
  const parts = ({ parts: all }: Resource): Resource['parts'] =>
    all.map((part) => (part.values === undefined || part.values === null ? part : { ...part, values: by(part.values) }))
  const kept = parameters.length === 0 ? parameters : by(parameters)
  return [
    { resources: resources.map((each) => ({ ...each, parts: parts(each) })), block: { ...block, parameters: kept } },
    kept,
  ]
}

function shortened(value: string | null): string | null {
  if (value === null || value.length <= SHORT_LENGTH) return value
  return `[${Buffer.byteLength(value)} bytes, SHA-256 ${hash('sha256', value)}]`
}

function digestOf(values: Values): string {
  return `[${values.length} values, SHA-256 ${hash('sha256', JSON.stringify(values))}]`
}

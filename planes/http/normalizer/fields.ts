import type { JsonValue, ResourcePart } from '../../../engine/index.ts'
import type { ReadBody } from './body.ts'

const MOST_FIELDS = 100
const MOST_VALUES = 200
/** Characters of all names: they stand in the record itself, which has a limit. */
const MOST_CHARACTERS = 16 * 1024

/** A body's fields, and the values that each gets: `request.body/items/<any>/amount`. None where there are too many to list. */
export function fieldsOf({ form, json, fields, parts }: ReadBody): ReadonlyMap<string, readonly (string | null)[]> {
  const found = new Found()
  if (json !== undefined) leaves(json, form === 'ndjson' ? '' : 'request.body', found)
  for (const [name, values] of fields ?? []) for (const value of values) found.add(`request.body/${name}`, value)
  for (const { name } of parts ?? []) found.add(`request.body/${name ?? ''}`, null)
  return found.all()
}

/** What a body writes, as parts of the place it is sent to. */
export function writtenParts(body: ReadBody): readonly ResourcePart[] {
  return [...fieldsOf(body)].map(([name, values]) => ({ name, labels: [], uses: ['written'], values }))
}

class Found {
  readonly #values = new Map<string, (string | null)[]>()
  #count = 0
  #characters = 0

  get isFull(): boolean {
    return this.#values.size > MOST_FIELDS || this.#count > MOST_VALUES || this.#characters > MOST_CHARACTERS
  }

  add(name: string, value: string | null): void {
    this.#count += 1
    this.#characters += name.length
    const known = this.#values.get(name)
    if (known === undefined) this.#values.set(name, [value])
    else known.push(value)
  }

  all(): ReadonlyMap<string, readonly (string | null)[]> {
    return this.isFull ? new Map() : this.#values
  }
}

function leaves(value: JsonValue, path: string, found: Found): void {
  if (found.isFull) return
  if (typeof value !== 'object' || value === null) {
    found.add(path === '' ? 'request.body' : path, value === null ? null : String(value))
    return
  }
  const isList = Array.isArray(value)
  for (const [key, inner] of Object.entries(value)) {
    const step = isList ? '*' : key
    leaves(inner, path === '' ? 'request.body' : `${path}/${step}`, found)
  }
}

import type { AppliedMask, FieldMask, JsonObject, MaskingKey, MaskMethod } from '../../../engine/index.ts'
import {
  keyUsed,
  maskJsonValue,
  maskText,
  ObligationError,
  stricterMask,
  TEXT_PATTERNS,
} from '../../../engine/index.ts'
import { objectOf, textOf } from '../codec/members.ts'
import { isJsonContainer, rewriteJson, type Rewriting } from '../normalizer/json-text.ts'
import { pointerOf } from '../normalizer/message.ts'

/** What of a message a label or a mask can name. */
type Part =
  | { readonly kind: 'body' }
  /** `body/customer/ssn`: a path into JSON; `*` for any key or element. Goes on inside of JSON in a string (SNS). */
  | { readonly kind: 'path'; readonly path: readonly string[] }
  /** `body~iban`: what looks so, wherever it stands. */
  | { readonly kind: 'pattern'; readonly pattern: RegExp }
  | { readonly kind: 'attribute'; readonly name: string }
  | { readonly kind: 'system'; readonly name: string }

interface PlannedMask {
  readonly field: string
  readonly part: Part
  readonly method: MaskMethod
}

type Found = readonly { readonly index: number; readonly mask: PlannedMask }[]

/** The masks of one verdict over messages of one queue, and how often each was put over something. */
export class MessageMasks {
  readonly #masks: readonly PlannedMask[]
  readonly #counts: number[]
  /** Stands in the place of a body that may not be shown at all. */
  readonly #note: string
  readonly #key: MaskingKey | null

  /** `key`: of the methods that need one. Throws ObligationError for a field that no message has. */
  constructor(fields: readonly FieldMask[], arn: string, note: string, key: MaskingKey | null) {
    this.#masks = fields.map(({ field, method }) => ({ field, method, part: partOf(field, arn) }))
    this.#counts = fields.map(() => 0)
    this.#note = note
    this.#key = key
  }

  get isEmpty(): boolean {
    return this.#masks.length === 0
  }

  get counts(): readonly AppliedMask[] {
    return this.#masks.map(({ field, method }, index) => ({
      field,
      method,
      ...keyUsed(method, this.#key),
      count: this.#counts[index] ?? 0,
    }))
  }

  /** A body that can't be masked with certainty is withheld: JSON paths on what is no JSON, or a pointer to elsewhere. */
  body(text: string): string {
    const whole = this.#of('body')
    if (whole.length > 0) return this.#wholeBody(text, whole)
    const [paths, patterns] = [this.#of('path'), this.#of('pattern')]
    if (paths.length === 0 && patterns.length === 0) return text
    const isJson = isJsonContainer(text)
    if (pointerOf(text) !== null || (paths.length > 0 && !isJson)) return this.#withheld([...paths, ...patterns])
    if (!isJson) return this.#patterned(text, patterns) ?? text
    const rewritings = paths.map(({ index, mask }) => this.#rewriting(index, mask))
    return rewriteJson(text, rewritings, patterns.length === 0 ? null : (value) => this.#patterned(value, patterns))
  }

  /** Attributes of both kinds by name. What can't be shown masked in its own type is left out, digest and all. */
  attributes(attributes: JsonObject): JsonObject {
    const masks = this.#of('attribute')
    if (masks.length === 0) return attributes
    return Object.fromEntries(
      Object.entries(attributes).flatMap(([name, value]) => {
        const method = this.#methodFor(masks, name)
        if (method === null) return [[name, value]]
        const members = objectOf(value)
        const text = textOf(members['StringValue'])
        const masked = text === null ? null : this.#attribute(method, textOf(members['DataType']) ?? '', text)
        return masked === null || masked === '' ? [] : [[name, { ...members, StringValue: masked }]]
      }),
    )
  }

  /** Of a sent message they have types and values; of a received one they are texts. */
  sentSystemAttributes(attributes: JsonObject): JsonObject {
    const masks = this.#of('system')
    return Object.fromEntries(Object.entries(attributes).filter(([name]) => this.#methodFor(masks, name) === null))
  }

  systemAttributes(attributes: JsonObject): JsonObject {
    const masks = this.#of('system')
    if (masks.length === 0) return attributes
    return Object.fromEntries(
      Object.entries(attributes).flatMap(([name, value]) => {
        const method = this.#methodFor(masks, name)
        if (method === null) return [[name, value]]
        const masked = maskText(method, textOf(value) ?? '', this.#key)
        return masked === null ? [] : [[name, masked]]
      }),
    )
  }

  /** Null for what its type can't show. */
  #attribute(method: MaskMethod, type: string, text: string): string | null {
    if (type.startsWith('String')) return maskText(method, text, this.#key)
    if (method !== 'pseudonym' || !type.startsWith('Number') || !/^-?\d/.test(text)) return null
    const other = maskJsonValue(method, text, this.#key)
    return other === 'null' ? null : other
  }

  #of(kind: Part['kind']): Found {
    return this.#masks.flatMap((mask, index) => (mask.part.kind === kind ? [{ index, mask }] : []))
  }

  #wholeBody(text: string, whole: Found): string {
    for (const { index } of whole) this.#count(index)
    const method = whole.reduce<MaskMethod>((strictest, { mask }) => stricterMask(strictest, mask.method), 'email')
    return method === 'null' || method === 'redact' ? this.#note : (maskText(method, text, this.#key) ?? this.#note)
  }

  #withheld(masks: Found): string {
    for (const { index } of masks) this.#count(index)
    return this.#note
  }

  #rewriting(index: number, { part, method }: PlannedMask): Rewriting {
    return {
      path: part.kind === 'path' ? part.path : [],
      replace: (found) => {
        if (found === 'null') return found
        this.#count(index)
        return maskJsonValue(method, found, this.#key)
      },
      hide: () => {
        this.#count(index)
        return '"[redacted]"'
      },
    }
  }

  #patterned(value: string, patterns: Found): string | null {
    let changed = value
    for (const { index, mask } of patterns) {
      if (mask.part.kind !== 'pattern') continue
      changed = changed.replaceAll(mask.part.pattern, (found) => {
        this.#count(index)
        return maskText(mask.method, found, this.#key) ?? '[redacted]'
      })
    }
    return changed === value ? null : changed
  }

  #methodFor(masks: Found, name: string): MaskMethod | null {
    const found = masks.filter(({ mask: { part } }) => 'name' in part && part.name === name)
    for (const { index } of found) this.#count(index)
    return found.reduce<MaskMethod | null>(
      (strictest, { mask }) => (strictest === null ? mask.method : stricterMask(strictest, mask.method)),
      null,
    )
  }

  #count(index: number): void {
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
  }
}

function partOf(field: string, arn: string): Part {
  const part = field.startsWith(`${arn}.`) ? readPart(field.slice(arn.length + 1)) : null
  if (part !== null) return part
  const message = `${field} must be masked, and no message has it; parts are body, body/path, body~pattern, attribute.Name, system.Name`
  throw new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', message)
}

/** A part by the name that labels and masks give it; null for what names none. */
function readPart(name: string): Part | null {
  if (name === 'body') return { kind: 'body' }
  if (name.startsWith('body/') && name.length > 5) return { kind: 'path', path: name.slice(5).split('/') }
  if (name.startsWith('body~')) {
    const pattern = TEXT_PATTERNS.get(name.slice(5))
    return pattern === undefined ? null : { kind: 'pattern', pattern }
  }
  if (name.startsWith('attribute.') && name.length > 10) return { kind: 'attribute', name: name.slice(10) }
  if (name.startsWith('system.') && name.length > 7) return { kind: 'system', name: name.slice(7) }
  return null
}

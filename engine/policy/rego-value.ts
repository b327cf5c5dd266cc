import { PolicyError } from '../errors.ts'

/** A Rego value as host builtins see it. Numbers keep the text policy wrote, so that no digit is lost on the way. */
export type RegoValue = null | boolean | string | RegoNumber | readonly RegoValue[] | RegoSet | RegoObject

export interface RegoNumber {
  readonly kind: 'number'
  readonly text: string
}

/** Distinct values in OPA's order. */
export interface RegoSet {
  readonly kind: 'set'
  readonly values: readonly RegoValue[]
}

/** Distinct keys in OPA's order. A key may be any value. */
export interface RegoObject {
  readonly kind: 'object'
  readonly entries: readonly (readonly [key: RegoValue, value: RegoValue])[]
}

const NUMBER = /-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y
const ATOMS: readonly (readonly [text: string, value: RegoValue])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
  ['set()', { kind: 'set', values: [] }],
]

/** A number of the host's own; `value` must be a safe integer or a bigint. */
export function regoNumber(value: number | bigint): RegoNumber {
  return { kind: 'number', text: value.toString() }
}

export function isNumber(value: RegoValue): value is RegoNumber {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'number'
}

export function isSet(value: RegoValue): value is RegoSet {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'set'
}

export function isRegoObject(value: RegoValue): value is RegoObject {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'object'
}

/** Reads what opa_value_dump writes: JSON with `{a, b}` and `set()` for sets and any value as an object's key. */
export function parseRegoValue(text: string): RegoValue {
  const reader = new Reader(text)
  const value = reader.value()
  reader.end()
  return value
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(): RegoValue {
    this.#space()
    switch (this.#text.charAt(this.#at)) {
      case '"':
        return this.#string()
      case '[':
        this.#at += 1
        return this.#items(']')
      case '{':
        this.#at += 1
        return this.#braces()
      default:
        return this.#atom()
    }
  }

  end(): void {
    this.#space()
    if (this.#at !== this.#text.length) throw this.#failure()
  }

  #atom(): RegoValue {
    const atom = ATOMS.find(([text]) => this.#text.startsWith(text, this.#at))
    if (atom === undefined) return checkedNumber(this.#match(NUMBER))
    this.#at += atom[0].length
    return atom[1]
  }

  #string(): string {
    const quoted = this.#match(STRING)
    try {
      return String(JSON.parse(quoted))
    } catch {
      throw this.#failure()
    }
  }

  #items(close: string): RegoValue[] {
    const items: RegoValue[] = []
    while (!this.#take(close)) {
      if (items.length > 0) this.#expect(',')
      items.push(this.value())
    }
    return items
  }

  /** `{}` is an object, `{a: b}` too, `{a}` a set. */
  #braces(): RegoSet | RegoObject {
    if (this.#take('}')) return { kind: 'object', entries: [] }
    const first = this.value()
    if (!this.#take(':')) {
      const more = this.#take(',') ? this.#items('}') : (this.#expect('}'), [])
      return { kind: 'set', values: [first, ...more].toSorted(compareRego) }
    }
    const entries: [RegoValue, RegoValue][] = [[first, this.value()]]
    while (!this.#take('}')) {
      this.#expect(',')
      const key = this.value()
      this.#expect(':')
      entries.push([key, this.value()])
    }
    return { kind: 'object', entries: entries.toSorted(([one], [other]) => compareRego(one, other)) }
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found === undefined) throw this.#failure()
    this.#at += found.length
    return found
  }

  #take(char: string): boolean {
    this.#space()
    if (this.#text[this.#at] !== char) return false
    this.#at += 1
    return true
  }

  #expect(char: string): void {
    if (!this.#take(char)) throw this.#failure()
  }

  #space(): void {
    while (this.#text[this.#at] === ' ') this.#at += 1
  }

  #failure(): PolicyError {
    return new PolicyError(
      'ERR_POLICY_EVALUATION',
      `the policy module wrote a value that can't be read at character ${this.#at}`,
    )
  }
}

/** The text that opa_value_parse reads back; `quote` writes strings. OPA's own printing uses the same layout. */
export function printRegoValue(value: RegoValue, quote: (text: string) => string = JSON.stringify): string {
  const print = (item: RegoValue): string => printRegoValue(item, quote)
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return quote(value)
  if (isNumber(value)) return value.text
  if (isSet(value)) return value.values.length === 0 ? 'set()' : `{${value.values.map(print).join(', ')}}`
  if (isRegoObject(value)) return `{${value.entries.map(([key, item]) => `${print(key)}: ${print(item)}`).join(', ')}}`
  return `[${value.map(print).join(', ')}]`
}

/** OPA's total order: null, booleans, numbers, strings (by bytes), arrays, objects, sets. */
export function compareRego(one: RegoValue, other: RegoValue): number {
  const rank = rankOf(one) - rankOf(other)
  if (rank !== 0) return rank
  if (typeof one === 'string' && typeof other === 'string') return Buffer.compare(Buffer.from(one), Buffer.from(other))
  if (typeof one === 'boolean' || typeof other === 'boolean') return Number(one) - Number(other)
  if (one === null || other === null || typeof one === 'string' || typeof other === 'string') return 0
  if (isNumber(one) && isNumber(other)) return compareNumbers(one.text, other.text)
  return compareLists(parts(one), parts(other))
}

function rankOf(value: RegoValue): number {
  if (value === null) return 0
  if (typeof value === 'boolean') return 1
  if (isNumber(value)) return 2
  if (typeof value === 'string') return 3
  if (isRegoObject(value)) return 5
  return isSet(value) ? 6 : 4
}

/** A collection as the list OPA compares it by: an object key, value, key, value. */
function parts(value: RegoValue): readonly RegoValue[] {
  if (typeof value !== 'object' || value === null || isNumber(value)) return []
  if (isSet(value)) return value.values
  return isRegoObject(value) ? value.entries.flat() : value
}

function compareLists(one: readonly RegoValue[], other: readonly RegoValue[]): number {
  for (const [at, item] of one.entries()) {
    const against = other[at]
    if (against === undefined) return 1
    const order = compareRego(item, against)
    if (order !== 0) return order
  }
  return one.length - other.length
}

/** Exact for any decimals: both are brought to integers of one scale. */
function compareNumbers(one: string, other: string): number {
  const [left, right] = [decimal(one), decimal(other)]
  const scale = left.exponent < right.exponent ? left.exponent : right.exponent
  const difference = scaled(left, scale) - scaled(right, scale)
  return difference === 0n ? 0 : difference < 0n ? -1 : 1
}

interface Decimal {
  readonly digits: bigint
  readonly exponent: number
}

const MAX_EXPONENT = 4096

function decimal(text: string): Decimal {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  if (Math.abs(Number(exponent)) > MAX_EXPONENT) {
    throw new PolicyError('ERR_POLICY_EVALUATION', `the number ${text} is out of the range that is compared`)
  }
  return { digits: BigInt(whole + fraction || '0'), exponent: Number(exponent) - fraction.length }
}

/** Numbers that can't be compared exactly are refused where they come in: `1e2147483648` would be written out in full. */
function checkedNumber(text: string): RegoNumber {
  if (/[eE]/.test(text)) decimal(text)
  return { kind: 'number', text }
}

/** The number as an integer, or undefined when it has a fraction. */
export function wholeNumber({ text }: RegoNumber): bigint | undefined {
  const { digits, exponent } = decimal(text)
  if (exponent >= 0) return scaled({ digits, exponent }, 0)
  const unit = 10n ** BigInt(-exponent)
  return digits % unit === 0n ? digits / unit : undefined
}

function scaled({ digits, exponent }: Decimal, scale: number): bigint {
  return digits * 10n ** BigInt(exponent - scale)
}

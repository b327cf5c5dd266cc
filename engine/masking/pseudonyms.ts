import { Ff1 } from './ff1.ts'

/** SP 800-38G, revision 1: of fewer values each could be found by trying them all. */
const LEAST_VALUES = 1_000_000n
/** A longer text costs more than a hash of it is worth. */
const LONGEST_TEXT = 64
/** Formats whose ciphers are kept; a column has few. */
const KEPT_FORMATS = 512

const DIGIT = 0x30
const LOWER = 0x61
const UPPER = 0x41
/** Where int4 ends, what every reader of JSON holds exactly, and int8: a pseudonym is no wider than its value. */
const RANGES: readonly (readonly [name: string, from: bigint, to: bigint])[] = [
  ['int4', 0n, 2n ** 31n],
  ['safe', 2n ** 31n, 2n ** 53n],
  ['int8', 2n ** 53n, 2n ** 63n],
]
const UUID_BITS = 128

/** As PostgreSQL writes one. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** How many characters a place of a text's format can hold; 1 where it stands for itself. */
const CHOICES: Readonly<Record<string, bigint>> = { '0': 10n, a: 26n, A: 26n }
const BASES: Readonly<Record<string, number>> = { '0': DIGIT, a: LOWER, A: UPPER }

/**
 * Values for other values of the same format: a permutation of all of one format under FF1, so that equal values stay
 * equal, different ones different, and joins still work, also between columns. Values of a format are counted, the count is written in
 * bits for FF1, and a result beyond the last one is encrypted again until it is one of them (cycle walking).
 */
export class Pseudonyms {
  readonly #key: Buffer
  readonly #ciphers = new Map<string, Ff1>()

  constructor(key: Buffer) {
    this.#key = key
  }

  /**
   * Digits become digits, small letters small ones, capitals capitals; all other ASCII stands where it stood. A UUID becomes
   * the one that it is in a column of such. Null where that hides too little: a letter beyond ASCII, fewer than a million
   * texts of that format, a text too long.
   */
  text(value: string): string | null {
    if (isUuid(value)) return uuidText(this.uuid(Buffer.from(value.replaceAll('-', ''), 'hex')))
    if (value.length > LONGEST_TEXT || !/^[\x20-\x7e]*$/.test(value)) return null
    const format = value.replace(/[0-9]/g, '0').replace(/[a-z]/g, 'a').replace(/[A-Z]/g, 'A')
    const count = Array.from(format).reduce((product, place) => product * (CHOICES[place] ?? 1n), 1n)
    if (count < LEAST_VALUES) return null
    const next = (text: string): string => spelled(format, this.#permuted(`text ${format}`, count, rank(format, text)))
    let other = next(value)
    while (isUuid(other)) other = next(other) // those stand for UUIDs
    return other
  }

  /** An integer of one of RANGES for another of it; its sign stays. Null beyond int8. */
  integer(value: bigint): bigint | null {
    const negative = value < 0n
    const magnitude = negative ? -value - 1n : value
    const range = RANGES.find(([, , to]) => magnitude < to)
    if (range === undefined) return null
    const [name, from, to] = range
    const permuted = from + this.#permuted(name, to - from, magnitude - from)
    return negative ? -permuted - 1n : permuted
  }

  /** 16 bytes for 16 bytes. */
  uuid(value: Buffer): Buffer {
    const permuted = this.#permuted('uuid', 2n ** BigInt(UUID_BITS), BigInt(`0x${value.toString('hex')}`))
    return Buffer.from(permuted.toString(16).padStart(UUID_BITS / 4, '0'), 'hex')
  }

  /** Another of `count` values; `format` is FF1's tweak: each has a permutation of its own. */
  #permuted(format: string, count: bigint, value: bigint): bigint {
    const cipher = this.#cipher(format, count)
    let permuted = cipher.encrypt(value)
    while (permuted >= count) permuted = cipher.encrypt(permuted)
    return permuted
  }

  #cipher(format: string, count: bigint): Ff1 {
    const known = this.#ciphers.get(format)
    if (known !== undefined) return known
    if (this.#ciphers.size >= KEPT_FORMATS) this.#ciphers.clear()
    const cipher = new Ff1(this.#key, 2, (count - 1n).toString(2).length, Buffer.from(format))
    this.#ciphers.set(format, cipher)
    return cipher
  }
}

export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** `bytes`: 16. */
export function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** Which of all texts of its format a text is. */
function rank(format: string, text: string): bigint {
  let result = 0n
  for (let at = 0; at < format.length; at += 1) {
    const place = format[at] ?? ''
    const choices = CHOICES[place]
    if (choices !== undefined) result = result * choices + BigInt(text.charCodeAt(at) - (BASES[place] ?? 0))
  }
  return result
}

/** The text of that rank. */
function spelled(format: string, rank_: bigint): string {
  const characters: string[] = []
  let rest = rank_
  for (let at = format.length - 1; at >= 0; at -= 1) {
    const place = format[at] ?? ''
    const choices = CHOICES[place]
    if (choices === undefined) characters.push(place)
    else {
      characters.push(String.fromCharCode((BASES[place] ?? 0) + Number(rest % choices)))
      rest /= choices
    }
  }
  return characters.toReversed().join('')
}

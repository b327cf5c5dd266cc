import { PolicyError } from '../../errors.ts'
import { describeOperand, formatOperand, noFlags, valueFlags } from './sprintf-verbs.ts'
import type { Flags, Operand } from './sprintf-verbs.ts'

/*
 * Go's fmt.Sprintf over the four types OPA hands it: strings, 64-bit integers, larger integers, floats. A wrong verb or a
 * missing operand is text in the result (`%!d(string=hi)`), as in Go: it can never change whether a rule holds.
 */

/** Go takes a width or precision beyond this, given as an operand, for a mistake; here one in the format is too. */
const MOST_WIDTH = 1_000_000
const NUMBER = /\d+/y

/** The formatted text. Throws PolicyError ERR_POLICY_BUILTIN for the few verbs that Go answers by its own memory. */
export function sprintf(format: string, operands: readonly Operand[]): string {
  return new Formatter(format, operands).text()
}

class Formatter {
  readonly #format: string
  readonly #operands: readonly Operand[]
  #at = 0
  #operand = 0
  #reordered = false
  #goodIndex = true
  #out = ''

  constructor(format: string, operands: readonly Operand[]) {
    this.#format = format
    this.#operands = operands
  }

  text(): string {
    while (this.#at < this.#format.length) {
      const next = this.#format.indexOf('%', this.#at)
      const literalEnd = next < 0 ? this.#format.length : next
      this.#out += this.#format.slice(this.#at, literalEnd)
      this.#at = literalEnd + 1
      if (next >= 0) this.#directive()
    }
    return this.#out + this.#extra()
  }

  #directive(): void {
    this.#goodIndex = true
    const flags = this.#flags()
    const afterWidth = this.#width(flags, this.#index())
    const afterPrecision = this.#precision(flags, afterWidth)
    if (!afterPrecision) this.#index()
    this.#verb(flags)
  }

  #flags(): Flags {
    const flags = noFlags()
    for (; this.#at < this.#format.length; this.#at += 1) {
      const char = this.#format[this.#at]
      if (char === '-') flags.minus = true
      else if (char === '+') flags.plus = true
      else if (char === '#') flags.sharp = true
      else if (char === ' ') flags.space = true
      else if (char === '0') flags.zero = true
      else break
    }
    return flags
  }

  /** Returns whether an index like `[3]` stands right before what comes next. */
  #width(flags: Flags, afterIndex: boolean): boolean {
    if (this.#take('*')) {
      const width = this.#star()
      if (width === undefined) this.#out += '%!(BADWIDTH)'
      flags.width = width === undefined ? undefined : Math.abs(width)
      if (width !== undefined && width < 0) Object.assign(flags, { minus: true, zero: false })
      return false
    }
    flags.width = this.#number()
    if (afterIndex && flags.width !== undefined) this.#goodIndex = false
    return afterIndex
  }

  #precision(flags: Flags, afterIndex: boolean): boolean {
    // A point that ends the format is no precision but a missing verb's place.
    if (this.#at + 1 >= this.#format.length || !this.#take('.')) return afterIndex
    if (afterIndex) this.#goodIndex = false
    const indexed = this.#index()
    if (!this.#take('*')) {
      flags.precision = this.#number() ?? 0
      return indexed
    }
    const precision = this.#star()
    flags.precision = precision === undefined || precision < 0 ? undefined : precision
    if (flags.precision === undefined) this.#out += '%!(BADPREC)'
    return false
  }

  #verb(flags: Flags): void {
    const code = this.#format.codePointAt(this.#at)
    if (code === undefined) {
      this.#out += '%!(NOVERB)'
      return
    }
    const verb = String.fromCodePoint(code)
    this.#at += verb.length
    const operand = this.#operands[this.#operand]
    if (verb === '%') this.#out += '%'
    else if (!this.#goodIndex) this.#out += `%!${verb}(BADINDEX)`
    else if (operand === undefined) this.#out += `%!${verb}(MISSING)`
    else {
      this.#operand += 1
      this.#out += formatOperand(operand, verb, verb === 'v' ? valueFlags(flags) : flags)
    }
  }

  /** An explicit operand index, `[n]` from 1. */
  #index(): boolean {
    if (this.#format[this.#at] !== '[') return false
    this.#reordered = true
    const close = this.#format.indexOf(']', this.#at)
    const inside = close < 0 ? '' : this.#format.slice(this.#at + 1, close)
    this.#at = close < 0 ? this.#at + 1 : close + 1
    const index = /^\d+$/.test(inside) ? Number(inside) : 0
    if (index < 1 || index > Math.min(this.#operands.length, MOST_WIDTH)) {
      this.#goodIndex = false
      return close >= 0 && /^\d+$/.test(inside)
    }
    this.#operand = index - 1
    return true
  }

  #number(): number | undefined {
    NUMBER.lastIndex = this.#at
    const digits = NUMBER.exec(this.#format)?.[0]
    if (digits === undefined) return undefined
    if (Number(digits) > MOST_WIDTH) {
      throw new PolicyError('ERR_POLICY_BUILTIN_LIMIT', `sprintf: a width or precision is larger than ${MOST_WIDTH}`)
    }
    this.#at += digits.length
    return Number(digits)
  }

  #star(): number | undefined {
    const operand = this.#operands[this.#operand]
    if (operand === undefined) return undefined
    this.#operand += 1
    if (operand.kind !== 'int64') return undefined
    return operand.value > MOST_WIDTH || operand.value < -MOST_WIDTH ? undefined : Number(operand.value)
  }

  #take(char: string): boolean {
    if (this.#format[this.#at] !== char) return false
    this.#at += 1
    return true
  }

  /** Operands that no verb asked for, unless indexes make that impossible to tell. */
  #extra(): string {
    const left = this.#reordered ? [] : this.#operands.slice(this.#operand)
    if (left.length === 0) return ''
    return `%!(EXTRA ${left.map((operand) => describeOperand(operand, noFlags())).join(', ')})`
  }
}

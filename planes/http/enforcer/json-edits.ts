import { isUtf8 } from 'node:buffer'
import { type MaskMethod, ObligationError } from '../../../engine/index.ts'
import { type Edit, edited } from './edits.ts'
import type { MaskPlan, PathState } from './mask-plan.ts'

const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, COMMA] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d, 0x2c]

/** Deeper than this no answer is that people made; and each level takes stack. */
const MAX_DEPTH = 256

/** Masks JSON where it stands: numbers, the order of keys, white space stay byte for byte. Null for what is no JSON; throws ObligationError where it is too deep. */
export function maskJson(bytes: Buffer, plan: MaskPlan): Buffer | null {
  if (!isJson(bytes)) return null
  const scan = new Scan(bytes, plan)
  scan.run()
  return edited(bytes, scan.edits)
}

/** RFC 8259, without a byte order mark: as strict as JSON.parse, which every key that is masked below must have passed. */
function isJson(bytes: Buffer): boolean {
  if (!isUtf8(bytes) || bytes[0] === 0xef) return false
  try {
    JSON.parse(bytes.toString('utf8'))
    return true
  } catch {
    return false
  }
}

/** Follows paths through bytes that are known to be JSON. Every key of a name is met, however often it comes. */
class Scan {
  readonly edits: Edit[] = []
  readonly #bytes: Buffer
  readonly #plan: MaskPlan
  readonly #patterns: boolean

  constructor(bytes: Buffer, plan: MaskPlan) {
    this.#bytes = bytes
    this.#plan = plan
    this.#patterns = plan.hasPatterns
  }

  run(): void {
    this.#value(this.#space(0), this.#plan.start(), 0)
  }

  /** Looks at the value that begins at `start`; the index behind it. */
  #value(start: number, states: readonly PathState[], depth: number): number {
    if (depth > MAX_DEPTH)
      throw new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', `JSON deeper than ${MAX_DEPTH} levels can't be masked`)
    const method = states.length === 0 ? null : this.#plan.ended(states)
    if (method !== null) return this.#replace(start, method)
    switch (this.#bytes[start]) {
      case OPEN:
        return states.length === 0 && !this.#patterns ? this.#containerEnd(start) : this.#object(start, states, depth)
      case OPEN_LIST:
        return states.length === 0 && !this.#patterns ? this.#containerEnd(start) : this.#list(start, states, depth)
      case QUOTE:
        return this.#text(start, states, depth)
      default:
        return this.#number(start, states)
    }
  }

  #object(start: number, states: readonly PathState[], depth: number): number {
    let at = this.#space(start + 1)
    while (this.#bytes[at] !== CLOSE) {
      const keyEnd = this.#stringEnd(at)
      const key = this.#decoded(at, keyEnd)
      if (this.#patterns) this.#patterned(at, keyEnd, key)
      const value = this.#space(this.#space(keyEnd) + 1) // behind the colon
      at = this.#next(this.#value(value, states.length === 0 ? states : this.#plan.into(states, key), depth + 1))
    }
    return at + 1
  }

  #list(start: number, states: readonly PathState[], depth: number): number {
    const inside = states.length === 0 ? states : this.#plan.element(states)
    let at = this.#space(start + 1)
    while (this.#bytes[at] !== CLOSE_LIST) at = this.#next(this.#value(at, inside, depth + 1))
    return at + 1
  }

  /** JSON may stand in a text again; what is none, where a path should go on, is hidden. */
  #text(start: number, states: readonly PathState[], depth: number): number {
    const end = this.#stringEnd(start)
    if (states.length === 0 && !this.#patterns) return end
    const text = this.#decoded(start, end)
    const inner = this.#embedded(text, states, depth)
    if (inner !== null) {
      if (inner !== text) this.edits.push({ start, end, text: JSON.stringify(inner) })
    } else if (this.#plan.hides(states)) this.edits.push({ start, end, text: '"[redacted]"' })
    else this.#patterned(start, end, text)
    return end
  }

  #embedded(text: string, states: readonly PathState[], depth: number): string | null {
    if (!/^\s*[{[]/.test(text)) return null
    const bytes = Buffer.from(text)
    if (!isJson(bytes)) return null
    const scan = new Scan(bytes, this.#plan)
    scan.#value(scan.#space(0), states, depth + 1)
    return edited(bytes, scan.edits).toString('utf8')
  }

  #number(start: number, states: readonly PathState[]): number {
    const end = this.#scalarEnd(start)
    const isNumber = end > start && !/[tfn]/.test(String.fromCharCode(this.#bytes[start] ?? 0))
    if (isNumber && this.#plan.hides(states)) this.edits.push({ start, end, text: '"[redacted]"' })
    else if (isNumber && this.#patterns) this.#patterned(start, end, this.#bytes.toString('latin1', start, end))
    return end
  }

  #patterned(start: number, end: number, text: string): void {
    const masked = this.#plan.patterned(text)
    if (masked !== null) this.edits.push({ start, end, text: JSON.stringify(masked) })
  }

  #replace(start: number, method: MaskMethod): number {
    const end = this.#skip(start)
    const first = this.#bytes[start]
    const isContainer = first === OPEN || first === OPEN_LIST
    const found = this.#bytes.toString('utf8', start, isContainer ? start + 1 : end)
    this.edits.push({ start, end, text: this.#plan.json(method, found) })
    return end
  }

  #decoded(start: number, end: number): string {
    const text = this.#bytes.toString('utf8', start + 1, end - 1)
    return text.includes('\\') ? String(JSON.parse(`"${text}"`)) : text
  }

  /** Behind a comma, or at the closing bracket. */
  #next(end: number): number {
    const at = this.#space(end)
    return this.#bytes[at] === COMMA ? this.#space(at + 1) : at
  }

  #space(start: number): number {
    let at = start
    while (isSpace(this.#bytes[at])) at += 1
    return at
  }

  #skip(start: number): number {
    const first = this.#bytes[start]
    if (first === QUOTE) return this.#stringEnd(start)
    return first === OPEN || first === OPEN_LIST ? this.#containerEnd(start) : this.#scalarEnd(start)
  }

  #containerEnd(start: number): number {
    let [depth, at] = [0, start]
    for (;;) {
      const byte = this.#bytes[at]
      at = byte === QUOTE ? this.#stringEnd(at) : at + 1
      if (byte === OPEN || byte === OPEN_LIST) depth += 1
      if (byte === CLOSE || byte === CLOSE_LIST) depth -= 1
      if (depth === 0) return at
    }
  }

  #stringEnd(start: number): number {
    let at = start + 1
    while (this.#bytes[at] !== QUOTE) at += this.#bytes[at] === BACKSLASH ? 2 : 1
    return at + 1
  }

  #scalarEnd(start: number): number {
    let at = start
    for (; at < this.#bytes.length; at += 1) {
      const byte = this.#bytes[at]
      if (byte === COMMA || byte === CLOSE || byte === CLOSE_LIST || isSpace(byte)) break
    }
    return at
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

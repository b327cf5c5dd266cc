import type { JsonValue } from '../../../engine/index.ts'

/**
 * JSON as text: what has to be hidden is replaced where it stands, and all else stays byte for byte: numbers beyond 2^53,
 * the order of keys, a key that comes twice.
 */

/** A path into JSON, and what stands in the place of what is found there. */
export interface Rewriting {
  readonly path: readonly string[]
  /** JSON text for the value found, which is JSON text too. */
  replace(found: string): string
  /** For what stands where the path should go on, and does not: nobody can tell what is in it. */
  hide(found: string): string
}

/** Whether it is an object or a list: what a path can be followed into. */
export function isJsonContainer(text: string): boolean {
  if (!/^\s*[{[]/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Replaces a text or a number; null leaves it as it is. */
export type ScalarRewriting = (value: string) => string | null

/**
 * Carries rewritings out on a text that `isJsonContainer`, and `elsewhere` on every text and number that none of them has to
 * do with. Lists are looked through: a path goes on in each element.
 */
export function rewriteJson(text: string, rewritings: readonly Rewriting[], elsewhere: ScalarRewriting | null): string {
  const scanner = new Scanner(text, elsewhere)
  scanner.visit(
    scanner.space(0),
    rewritings.map((rewriting) => ({ rewriting, depth: 0 })),
  )
  return scanner.rewritten()
}

/** Deeper than this, nobody reads a message; policy doesn't either. */
const MAX_DEPTH = 32

/**
 * What policy sees of a text that `isJsonContainer`: numbers that JavaScript can't hold exactly, and all decimals, as
 * strings. Undefined where a key comes twice, so that readers differ in what it says, or where it is too deep.
 */
export function jsonView(text: string): JsonValue | undefined {
  let keys = 0
  const exact = text.replaceAll(SCALAR, (token, offset: number) => {
    if (!token.startsWith('"'))
      return Number.isSafeInteger(Number(token)) && /^-?\d+$/.test(token) ? token : `"${token}"`
    if (isKey(text, offset + token.length)) keys += 1
    return token
  })
  const value: JsonValue = JSON.parse(exact)
  const { count, depth } = measure(value)
  return count === keys && depth <= MAX_DEPTH ? value : undefined
}

/** How many keys, and how deep. Looks no deeper than is of use. */
function measure(value: JsonValue, depth = 1): { readonly count: number; readonly depth: number } {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return { count: 0, depth }
  const inner = Object.values(value).map((each) => measure(each, depth + 1))
  return {
    count: inner.reduce((sum, { count }) => sum + count, Array.isArray(value) ? 0 : Object.keys(value).length),
    depth: inner.reduce((deepest, each) => Math.max(deepest, each.depth), depth),
  }
}

function isKey(text: string, end: number): boolean {
  let at = end
  while (WHITE.has(text[at] ?? '')) at += 1
  return text[at] === ':'
}

/** Of one value; keys stay. */
function rewriteScalars(text: string, replace: ScalarRewriting): string {
  return text.replaceAll(SCALAR, (token, offset: number) => {
    if (!token.startsWith('"')) return quoted(replace(token)) ?? token
    if (isKey(text, offset + token.length)) return token
    const inner = decoded(token)
    const changed = isJsonContainer(inner) ? rewriteScalars(inner, replace) : replace(inner)
    return changed === null || changed === inner ? token : JSON.stringify(changed)
  })
}

const SCALAR = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g

function quoted(value: string | null): string | null {
  return value === null ? null : JSON.stringify(value)
}

function decoded(token: string): string {
  return String(JSON.parse(token))
}

interface Step {
  readonly rewriting: Rewriting
  /** How many steps of its path were taken. */
  readonly depth: number
}

/** Follows paths through text that is valid JSON. Its stack goes only as deep as paths are long, whatever the text's own depth. */
class Scanner {
  readonly #text: string
  readonly #elsewhere: ScalarRewriting | null
  readonly #pieces: string[] = []
  #copied = 0

  constructor(text: string, elsewhere: ScalarRewriting | null) {
    this.#text = text
    this.#elsewhere = elsewhere
  }

  rewritten(): string {
    return this.#pieces.join('') + this.#text.slice(this.#copied)
  }

  /** Looks at the value that begins at `start`; the index behind it. */
  visit(start: number, steps: readonly Step[]): number {
    const ended = steps.find(({ rewriting, depth }) => depth === rewriting.path.length)
    if (ended !== undefined) return this.#replace(start, (found) => ended.rewriting.replace(found))
    const [first] = steps
    const elsewhere = this.#elsewhere
    if (first === undefined)
      return elsewhere === null ? this.#skip(start) : this.#replace(start, (found) => rewriteScalars(found, elsewhere))
    switch (this.#text[start]) {
      case '{':
        return this.#object(start, steps)
      case '[':
        return this.#list(start, steps)
      case '"':
        return this.#replace(start, (found) => embedded(found, steps, elsewhere) ?? first.rewriting.hide(found))
      default:
        return this.#replace(start, (found) => (found === 'null' ? found : first.rewriting.hide(found)))
    }
  }

  space(start: number): number {
    let at = start
    while (WHITE.has(this.#text[at] ?? '')) at += 1
    return at
  }

  #object(start: number, steps: readonly Step[]): number {
    let at = this.space(start + 1)
    while (this.#text[at] !== '}') {
      const keyEnd = this.#skip(at)
      const key = decoded(this.#text.slice(at, keyEnd))
      const value = this.space(this.space(keyEnd) + 1) // behind the colon
      at = this.#next(this.visit(value, steps.filter((step) => leadsTo(step, key)).map(further)))
    }
    return at + 1
  }

  #list(start: number, steps: readonly Step[]): number {
    const inside = [...steps, ...steps.filter(({ rewriting, depth }) => rewriting.path[depth] === '*').map(further)]
    let at = this.space(start + 1)
    while (this.#text[at] !== ']') at = this.#next(this.visit(at, inside))
    return at + 1
  }

  /** Behind a comma, or at the closing bracket. */
  #next(end: number): number {
    const at = this.space(end)
    return this.#text[at] === ',' ? this.space(at + 1) : at
  }

  #replace(start: number, make: (found: string) => string): number {
    const end = this.#skip(start)
    this.#pieces.push(this.#text.slice(this.#copied, start), make(this.#text.slice(start, end)))
    this.#copied = end
    return end
  }

  #skip(start: number): number {
    const first = this.#text[start]
    if (first === '"') return this.#stringEnd(start)
    return first === '{' || first === '[' ? this.#containerEnd(start) : this.#scalarEnd(start)
  }

  #containerEnd(start: number): number {
    let depth = 0
    let at = start
    for (;;) {
      const character = this.#text[at]
      at = character === '"' ? this.#stringEnd(at) : at + 1
      if (character === '{' || character === '[') depth += 1
      if (character === '}' || character === ']') depth -= 1
      if (depth === 0) return at
    }
  }

  #stringEnd(start: number): number {
    let at = start + 1
    while (this.#text[at] !== '"') at += this.#text[at] === '\\' ? 2 : 1
    return at + 1
  }

  #scalarEnd(start: number): number {
    let at = start
    while (at < this.#text.length && !ENDS.has(this.#text[at] ?? '')) at += 1
    return at
  }
}

const WHITE: ReadonlySet<string> = new Set([' ', '\t', '\n', '\r'])
const ENDS: ReadonlySet<string> = new Set([',', '}', ']', ' ', '\t', '\n', '\r'])

function leadsTo({ rewriting, depth }: Step, key: string): boolean {
  return rewriting.path[depth] === key || rewriting.path[depth] === '*'
}

function further({ rewriting, depth }: Step): Step {
  return { rewriting, depth: depth + 1 }
}

/** JSON within JSON, as SNS sends it; null where the text isn't. */
function embedded(token: string, steps: readonly Step[], elsewhere: ScalarRewriting | null): string | null {
  const inner = decoded(token)
  if (!isJsonContainer(inner)) return null
  const remaining = steps.map(({ rewriting, depth }) => ({ ...withPath(rewriting, rewriting.path.slice(depth)) }))
  return JSON.stringify(rewriteJson(inner, remaining, elsewhere))
}

function withPath(rewriting: Rewriting, path: readonly string[]): Rewriting {
  return { path, replace: (found) => rewriting.replace(found), hide: (found) => rewriting.hide(found) }
}

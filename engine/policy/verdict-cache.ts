import { constant, isConstant, seenBlock } from '../access-request.ts'
import type { AccessRequest, SealedRequest } from '../access-request.ts'
import type { PolicyAnswer } from './evaluator.ts'
import type { ReadPath } from './read-set.ts'

/** Verdicts kept at most, and different constant values that their keys name. When it is full, it begins anew. */
const MAX_KEPT = 10_000
/** A key longer than this is not worth its memory. */
const MAX_KEY = 4096

/**
 * The answers of one policy, with its one revision of data, by the values of what it reads. Kept is only an answer that was
 * found without asking for the time or for chance: a module does the same with the same values up to the first such call, so
 * two requests that agree there can't have different verdicts. An answer that is kept is frozen, so whoever gets it gets what
 * the first one got.
 */
export class VerdictCache {
  /** What is read, by the member of the input that it is in. */
  readonly #roots: readonly (readonly [root: string, paths: readonly ReadPath[]])[]
  readonly #answers = new Map<string, PolicyAnswer>()
  readonly #numbers = new Map<string, number>()
  #known = new WeakMap<object, number>()
  /** Of a constant root, such as a principal, its part of the key. */
  #parts = new WeakMap<object, string>()

  constructor(paths: readonly ReadPath[]) {
    this.#roots = [...Map.groupBy(paths, ([root = '']) => root)]
  }

  /** The answer to this request, from `evaluate` where it isn't known. What `evaluate` throws is thrown, and not kept. */
  answer({ request }: SealedRequest, evaluate: () => PolicyAnswer): PolicyAnswer {
    const key = this.#key(request)
    if (key === null) return evaluate()
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    const answer = evaluate()
    if (answer.nondeterministic !== null) return answer
    if (this.#answers.size >= MAX_KEPT) this.#answers.clear()
    this.#answers.set(key, constant(answer))
    return answer
  }

  /** Which plane's entrypoint, and the values, each with its length or in a form of its own, so that no two lists run together alike. */
  #key(request: AccessRequest): string | null {
    if (this.#numbers.size >= MAX_KEPT) this.#forget()
    const { plane } = request.context
    let key = `${plane.length}:${plane}`
    for (const [root, paths] of this.#roots) {
      key += this.#read(rootOf(request, root), paths)
      if (key.length > MAX_KEY) return null
    }
    return key
  }

  #read(root: unknown, paths: readonly ReadPath[]): string {
    const constant = typeof root === 'object' && root !== null && isConstant(root)
    const known = constant ? this.#parts.get(root) : undefined
    if (known !== undefined) return known
    let text = ''
    for (const path of paths) text += this.#part(valueAt(root, path))
    if (constant) this.#parts.set(root, text)
    return text
  }

  #part(value: unknown): string {
    if (value === undefined) return ' -'
    if (typeof value === 'string') return ` ${value.length}:${value}`
    if (typeof value === 'object' && value !== null && isConstant(value)) return ` #${this.#number(value)}`
    return ` =${JSON.stringify(value)}`
  }

  /** A constant value by a number: the same for all that are written alike. */
  #number(value: object): number {
    const known = this.#known.get(value)
    if (known !== undefined) return known
    const text = JSON.stringify(value)
    const number = this.#numbers.get(text) ?? this.#numbers.size
    this.#numbers.set(text, number)
    this.#known.set(value, number)
    return number
  }

  // Between two keys only. Numbers are given out anew, so no key that was made of the old ones may be left.
  #forget(): void {
    this.#numbers.clear()
    this.#known = new WeakMap()
    this.#parts = new WeakMap()
    this.#answers.clear()
  }
}

/** What stands at a path beneath its first member. */
function valueAt(root: unknown, path: ReadPath): unknown {
  let value = root
  for (let at = 1; at < path.length; at += 1) {
    const name = path[at] ?? ''
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = Reflect.get(value, name)
  }
  return value
}

/** As policy finds it in the request's JSON: there `block` has the plane's own name. */
function rootOf(request: AccessRequest, name: string): unknown {
  // Sealed last, so a plane that calls itself `action` takes that one's place.
  if (name === request.context.plane) return seenBlock(request)
  switch (name) {
    case 'principal':
      return request.principal
    case 'action':
      return request.action
    case 'resources':
      return request.resources
    case 'context':
      return request.context
    default:
      return undefined
  }
}

import { compareRego, isRegoObject, isSet, regoNumber } from '../rego-value.ts'
import type { RegoObject, RegoValue } from '../rego-value.ts'
import { regoSet } from '../rego-json.ts'
import {
  beyondHost,
  int64Operand,
  integerOperand,
  listOperand,
  objectOperand,
  stringOperand,
  wrongOperand,
} from './operands.ts'
import type { Calls, Circumstances } from './operands.ts'
import { contains } from './texts.ts'

/** A result of more items than this is refused: it would not fit an evaluation's memory. */
export const MOST_ITEMS = 65_536

/** Sets, objects, graphs, ranges, and the casts that newer Rego has no more. */
export const COLLECTION_CALLS: Calls = {
  cast_array: ([value], name) => listOperand(value, name),
  cast_boolean: ([value], name) => kept(value, typeof value === 'boolean', name, 'a boolean'),
  cast_null: ([value], name) => kept(value, value === null, name, 'null'),
  cast_object: ([value], name) => objectOperand(value, name),
  cast_set: ([value], name) => regoSet(listOperand(value, name)),
  cast_string: ([value], name) => stringOperand(value, name),
  'graph.reachable_paths': ([graph, roots], name) =>
    reachablePaths(objectOperand(graph, name), listOperand(roots, name), name),
  'numbers.range_step': ([from, to, step], name) =>
    range(integerOperand(from, name), integerOperand(to, name), integerOperand(step, name), name),
  'object.subset': ([whole, part], name) => isSubset(whole, part, name),
}

/** Random, but the same within a decision for the same operands; recorded, so that a replay sees it too. */
export function randomBelow(operands: readonly RegoValue[], name: string, { random }: Circumstances): RegoValue {
  stringOperand(operands[0], name)
  const given = int64Operand(operands[1], name)
  const limit = given < 0n ? -given : given
  // 128 random bits over a limit of at most 63: the bias is beyond measuring.
  return regoNumber(limit === 0n ? 0n : BigInt(`0x${Buffer.from(random(16)).toString('hex')}`) % limit)
}

function kept(value: RegoValue | undefined, right: boolean, name: string, expected: string): RegoValue {
  if (!right || value === undefined) throw wrongOperand(name, expected)
  return value
}

function range(from: bigint, to: bigint, step: bigint, name: string): RegoValue {
  if (step <= 0n) throw wrongOperand(name, 'a positive step')
  const [distance, direction] = from <= to ? [to - from, step] : [from - to, -step]
  const length = distance / step + 1n
  if (length > BigInt(MOST_ITEMS)) throw beyondHost(name, `more than ${MOST_ITEMS} numbers`)
  return Array.from({ length: Number(length) }, (_item, at) => regoNumber(from + BigInt(at) * direction))
}

/** Every path from a root to where it ends or would come back to itself. */
function reachablePaths(graph: RegoObject, roots: readonly RegoValue[], name: string): RegoValue {
  const paths: RegoValue[][] = []
  const add = (path: RegoValue[]): void => {
    if (paths.push(path) > MOST_ITEMS) throw beyondHost(name, `more than ${MOST_ITEMS} paths`)
  }
  const follow = (node: RegoValue, path: readonly RegoValue[]): void => {
    const edges = edgesOf(graph, node)
    const longer = edges === undefined ? [...path] : [...path, node]
    if (edges === undefined || edges.length === 0) return add(longer)
    for (const next of edges) {
      if (contains(longer, next)) add(longer)
      else follow(next, longer)
    }
  }
  for (const root of roots) {
    const edges = edgesOf(graph, root)
    if (edges?.length === 0) add([root])
    for (const next of edges ?? []) follow(next, [root])
  }
  return regoSet(paths)
}

function edgesOf(graph: RegoObject, node: RegoValue): readonly RegoValue[] | undefined {
  const found = graph.entries.find(([key]) => compareRego(key, node) === 0)?.[1]
  if (found === undefined) return undefined
  if (Array.isArray(found)) return found
  return isSet(found) ? found.values : []
}

function isSubset(whole: RegoValue | undefined, part: RegoValue | undefined, name: string): boolean {
  if (whole !== undefined && part !== undefined) {
    const nested = subsetOf(whole, part)
    if (nested !== undefined) return nested
    if (Array.isArray(whole) && isSet(part)) return holdsAll(whole, part.values)
  }
  throw wrongOperand(name, 'two objects, two sets, two arrays, or an array and a set')
}

/** Undefined where the two are not collections of one kind. */
function subsetOf(whole: RegoValue, part: RegoValue): boolean | undefined {
  if (isRegoObject(whole) && isRegoObject(part)) return objectSubset(whole, part)
  if (isSet(whole) && isSet(part)) return part.values.every((item) => contains(whole.values, item))
  if (Array.isArray(whole) && Array.isArray(part)) return runWithin(whole, part)
  return undefined
}

function objectSubset(whole: RegoObject, part: RegoObject): boolean {
  return part.entries.every(([key, wanted]) => {
    const found = whole.entries.find(([other]) => compareRego(key, other) === 0)
    if (found === undefined) return false
    return compareRego(found[1], wanted) === 0 || subsetOf(found[1], wanted) === true
  })
}

/** Whether one array stands in the other as a run. */
function runWithin(whole: readonly RegoValue[], part: readonly RegoValue[]): boolean {
  return whole.length >= part.length && starts(whole, part).some((start) => startsAt(whole, part, start))
}

function starts(whole: readonly RegoValue[], part: readonly RegoValue[]): number[] {
  return Array.from({ length: whole.length - part.length + 1 }, (_item, start) => start)
}

function startsAt(whole: readonly RegoValue[], part: readonly RegoValue[], start: number): boolean {
  return part.every((item, at) => compareRego(whole[start + at] ?? null, item) === 0)
}

/** As OPA counts: each item of the array that the set has counts once more, so an empty set needs an item to be found. */
function holdsAll(whole: readonly RegoValue[], wanted: readonly RegoValue[]): boolean {
  let unmatched = wanted.length
  return whole.some((item) => {
    if (contains(wanted, item)) unmatched -= 1
    return unmatched === 0
  })
}

import { isDeepStrictEqual } from 'node:util'
import { runInNewContext } from 'node:vm'
import { MAX_REQUEST_BYTES } from '../access-request.ts'
import type { JsonObject, JsonValue } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import type { Evaluation } from '../verdict.ts'
import type { Evaluator } from './evaluator.ts'
import { isObject } from './json-document.ts'
import { readEvaluation } from './result.ts'

export interface SelfTestLimits {
  /** The slowest that one decision over the largest legal request may be, in milliseconds. */
  readonly slowestMs: number
}

export const DEFAULT_SELF_TEST_LIMITS: SelfTestLimits = { slowestMs: 50 }

/** `metadata.self_test` of the manifest: what the compiler's interpreter answered when the bundle was built. */
interface Vector {
  readonly name: string
  readonly entrypoint: string
  readonly input: JsonObject
  readonly wanted: Evaluation
}

/** Best of so many: another process on the machine must not make a bundle slow. */
const TRIES = 3
/** A decision is cut off after this many times the bound. */
const PATIENCE = 20
const ROOM_FOR_THE_REST = 1024

/**
 * Asks the compiled policy what its own test vectors ask, and times each entrypoint on requests as large as they get. In
 * force, a decision runs on the gateway's one thread with no deadline: a policy that can be made slow is refused here.
 * Throws PolicyError ERR_POLICY_SELF_TEST; the evaluator is then of no more use.
 */
export function runSelfTest(
  evaluator: Evaluator,
  entrypoints: Iterable<string>,
  metadata: JsonValue | undefined,
  limits: SelfTestLimits = DEFAULT_SELF_TEST_LIMITS,
): void {
  const vectors = readVectors(metadata)
  for (const vector of vectors) underDeadline(vector.name, limits, () => checkVector(evaluator, vector))
  for (const entrypoint of entrypoints) {
    const sample = vectors.find((vector) => vector.entrypoint === entrypoint)?.input ?? {}
    for (const input of largestRequests(sample)) {
      underDeadline(entrypoint, limits, () => checkSpeed(evaluator, entrypoint, input, limits))
    }
  }
}

function checkVector(evaluator: Evaluator, { name, entrypoint, input, wanted }: Vector): void {
  const { verdict, reasons } = evaluator.evaluateDocument(entrypoint, JSON.stringify(input), timeOf(input))
  if (isDeepStrictEqual({ verdict, reasons }, wanted)) return
  throw failed(
    `${name}: the compiled policy answers ${verdict.kind} otherwise than the interpreter did; build the bundle again`,
  )
}

/** Only time is measured: a request too large for this policy's memory is rejected in force as well. */
function checkSpeed(evaluator: Evaluator, entrypoint: string, input: string, { slowestMs }: SelfTestLimits): void {
  const times = Array.from({ length: TRIES }, () => timed(evaluator, entrypoint, input))
  const best = Math.min(...times)
  if (best <= slowestMs) return
  throw failed(
    `${entrypoint} takes ${best.toFixed(0)} ms over a request of ${input.length} bytes, more than ${slowestMs} ms allowed; ` +
      'give it fewer rules or fewer nested loops',
  )
}

function timed(evaluator: Evaluator, entrypoint: string, input: string): number {
  const start = performance.now()
  try {
    evaluator.evaluateDocument(entrypoint, input, 0)
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
  }
  return performance.now() - start
}

/** A vm's timeout stops WebAssembly too, without unwinding it; it costs too much for use on every decision. */
function underDeadline(what: string, { slowestMs }: SelfTestLimits, check: () => void): void {
  const timeout = Math.ceil(slowestMs * TRIES * PATIENCE)
  try {
    runInNewContext('check()', { check }, { timeout })
  } catch (cause) {
    if (cause instanceof PolicyError) throw cause
    throw new PolicyError('ERR_POLICY_SELF_TEST', `the policy's self-test did not end within ${timeout} ms: ${what}`, {
      cause,
    })
  }
}

/** The sample grown to the size limit in two ways: many resources, and many parts of one. */
function largestRequests(sample: JsonObject): string[] {
  const resource = firstOf(sample.resources, { type: 'table', name: 'self.test', labels: [] })
  const part = firstOf(resource.parts, { name: 'part', labels: [], uses: ['output'] })
  const partAt = (at: number): JsonValue => ({ ...part, name: `${nameOf(part)}_${at}` })
  return [
    grown(
      sample,
      (at) => ({ ...resource, name: `${nameOf(resource)}_${at}`, parts: [partAt(0)] }),
      (resources) => resources,
    ),
    grown(sample, partAt, (parts) => [{ ...resource, parts }]),
  ]
}

function grown(
  sample: JsonObject,
  item: (at: number) => JsonValue,
  resources: (items: readonly JsonValue[]) => readonly JsonValue[],
): string {
  const room = MAX_REQUEST_BYTES - ROOM_FOR_THE_REST - Buffer.byteLength(JSON.stringify({ ...sample, resources: [] }))
  // Later items are the longest: their numbers have more digits.
  const most = JSON.stringify(item(MAX_REQUEST_BYTES)).length + 1
  const items = Array.from({ length: Math.max(Math.floor(room / most), 0) }, (_item, at) => item(at))
  return JSON.stringify({ ...sample, resources: resources(items) })
}

function firstOf(value: JsonValue | undefined, otherwise: JsonObject): JsonObject {
  const first: JsonValue | undefined = Array.isArray(value) ? value[0] : undefined
  return isObject(first) ? first : otherwise
}

function nameOf({ name }: JsonObject): string {
  return typeof name === 'string' ? name : 'self.test'
}

function readVectors(value: JsonValue | undefined): Vector[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw failed("the manifest's self_test: expected a list of vectors")
  return value.map(readVector)
}

function readVector(value: JsonValue): Vector {
  if (isObject(value)) {
    const { name, entrypoint, input, result } = value
    if (typeof name === 'string' && typeof entrypoint === 'string' && isObject(input) && result !== undefined) {
      return { name, entrypoint, input, wanted: readEvaluation(result) }
    }
  }
  throw failed("the manifest's self_test: expected vectors of name, entrypoint, input and result")
}

/** The vector's own `context.time`, as if the request were made then. */
function timeOf(input: JsonObject): number {
  const time = isObject(input.context) ? input.context.time : undefined
  const parsed = typeof time === 'string' ? Date.parse(time) : 0
  return Number.isNaN(parsed) ? 0 : parsed
}

function failed(why: string): PolicyError {
  return new PolicyError('ERR_POLICY_SELF_TEST', `the policy failed its self-test: ${why}`)
}

import { isDeepStrictEqual } from 'node:util'
import { runInNewContext } from 'node:vm'
import type { JsonObject, JsonValue } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import type { Evaluation } from '../verdict.ts'
import type { Evaluator } from './evaluator.ts'
import { isObject } from './json-document.ts'
import { largestRequests } from './largest-request.ts'
import { onlyWhatIsRead, type ReadPath } from './read-set.ts'
import { readEvaluation } from './result.ts'

export interface SelfTestLimits {
  /** The slowest that one decision over the largest legal request may be, in milliseconds. */
  readonly slowestMs: number
  /** Nobody's request waits for it: only its vectors are asked. */
  readonly untimed?: true
}

export const DEFAULT_SELF_TEST_LIMITS: SelfTestLimits = { slowestMs: 250 }

/** For a bundle that is looked at and never decides: only one whose own vectors take beyond all measure is refused. */
export const UNHURRIED: SelfTestLimits = { slowestMs: 10_000, untimed: true }

/** `metadata.self_test` of the manifest: what the compiler's interpreter answered when the bundle was built. */
interface Vector {
  readonly name: string
  readonly entrypoint: string
  readonly input: JsonObject
  readonly wanted: Evaluation
  /** The input's own `context.time`, as if the request were made then, whatever else of it is left out. */
  readonly nowMs: number
}

/** Best of so many: another process on the machine must not make a bundle slow. */
const TRIES = 3
/** A decision is cut off after this many times the bound. */
const PATIENCE = 20

/** What is put to the test: a bundle's module with its data, and the same module without any. */
export interface Candidate {
  readonly evaluator: Evaluator
  readonly blank: Evaluator
  readonly data: JsonObject
  readonly entrypoints: readonly string[]
  /** `metadata.self_test` of the manifest. */
  readonly vectors: JsonValue | undefined
  /** What the compiler says it reads; null where it says nothing. */
  readonly reads: readonly ReadPath[] | null
}

/**
 * Asks the compiled policy what its own test vectors ask, and times each entrypoint on requests as large as they get. In
 * force, a decision runs on the gateway's one thread with no deadline: a policy that can be made slow is refused here.
 * Throws PolicyError ERR_POLICY_SELF_TEST; the candidate is then of no more use.
 */
export function runSelfTest(
  candidate: Candidate,
  limits: SelfTestLimits = DEFAULT_SELF_TEST_LIMITS,
  stopwatch: () => number = () => performance.now(),
): void {
  const vectors = readVectors(candidate.vectors)
  for (const vector of vectors) {
    const met = underDeadline(vector.name, limits, () => meets(candidate.evaluator, vector))
    if (!met)
      throw failed(`${vector.name}: the module answers otherwise than the interpreter did; build the bundle again`)
  }
  if (candidate.reads !== null) checkReads(candidate.evaluator, vectors, candidate.reads, limits)
  if (vectors.length > 0 && Object.keys(candidate.data).length > 0) checkDataMatters(candidate.blank, vectors, limits)
  if (limits.untimed === true) return
  for (const entrypoint of candidate.entrypoints) {
    const samples = unlike(vectors.filter((vector) => vector.entrypoint === entrypoint)).map(({ input }) => input)
    const labels = labelsOf(candidate.data, entrypoint)
    for (const input of (samples.length > 0 ? samples : [{}]).flatMap((sample) => largestRequests(sample, labels))) {
      const run = (): number => timed(candidate.evaluator, entrypoint, input, stopwatch)
      underDeadline(entrypoint, limits, () => checkSpeed(run, `${entrypoint}, ${input.length} bytes`, limits))
    }
  }
}

/** One vector of each action and verdict: the largest requests made of two that agree there are much the same. */
function unlike(vectors: readonly Vector[]): readonly Vector[] {
  const keyOf = ({ input: { action }, wanted }: Vector): string => `${JSON.stringify(action)} ${wanted.verdict.kind}`
  return [...new Map(vectors.map((vector) => [keyOf(vector), vector])).values()]
}

/** What isn't read can't matter: a vector without it gets the same answer, or verdicts must not be kept by what is read. */
function checkReads(
  evaluator: Evaluator,
  vectors: readonly Vector[],
  reads: readonly ReadPath[],
  limits: SelfTestLimits,
): void {
  for (const vector of vectors) {
    const bare = { ...vector, input: onlyWhatIsRead(vector.input, reads) }
    if (underDeadline(vector.name, limits, () => meetsOrFails(evaluator, bare))) continue
    throw failed(
      `${vector.name}: the policy reads more of the request than metadata.reads tells; build the bundle again`,
    )
  }
}

/** OPA's -O1 and -O2 copy data into the code, which then answers by what data.json said when it was compiled. */
function checkDataMatters(blank: Evaluator, vectors: readonly Vector[], limits: SelfTestLimits): void {
  const deaf = vectors.every((vector) => underDeadline(vector.name, limits, () => meetsOrFails(blank, vector)))
  if (deaf) {
    throw failed('no vector needs data.json: compile without -O1 and -O2, or add a vector that depends on the data')
  }
}

function meets(evaluator: Evaluator, { entrypoint, input, wanted, nowMs }: Vector): boolean {
  const { verdict, reasons } = evaluator.evaluateDocument(entrypoint, JSON.stringify(input), nowMs)
  return isDeepStrictEqual({ verdict, reasons }, wanted)
}

/** Without data a policy may well end in no verdict at all: that too is an answer other than the wanted one. */
function meetsOrFails(evaluator: Evaluator, vector: Vector): boolean {
  try {
    return meets(evaluator, vector)
  } catch (error) {
    if (error instanceof PolicyError) return false
    throw error
  }
}

/** Only time is measured: a request too large for this policy's memory is rejected in force as well. */
function checkSpeed(run: () => number, what: string, { slowestMs }: SelfTestLimits): void {
  let best = Infinity
  for (let tries = 0; tries < TRIES && best > slowestMs; tries += 1) {
    best = Math.min(best, run())
  }
  if (best <= slowestMs) return
  throw failed(
    `the largest request (${what}) takes ${best.toFixed(0)} ms, more than the ${slowestMs} ms allowed; ` +
      'write fewer rules or fewer nested loops',
  )
}

function timed(evaluator: Evaluator, entrypoint: string, input: string, stopwatch: () => number): number {
  const start = stopwatch()
  try {
    evaluator.evaluateDocument(entrypoint, input, 0)
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
  }
  return stopwatch() - start
}

/** A vm's timeout stops WebAssembly too, without unwinding it; it costs too much for use on every decision. */
function underDeadline<Result>(what: string, { slowestMs }: SelfTestLimits, check: () => Result): Result {
  const timeout = Math.ceil(slowestMs * TRIES * PATIENCE)
  try {
    const result: Result = runInNewContext('check()', { check }, { timeout })
    return result
  } catch (cause) {
    if (cause instanceof PolicyError) throw cause
    throw new PolicyError('ERR_POLICY_SELF_TEST', `the policy's self-test did not end within ${timeout} ms: ${what}`, {
      cause,
    })
  }
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
      return { name, entrypoint, input, wanted: readEvaluation(result), nowMs: timeOf(input) }
    }
  }
  throw failed("the manifest's self_test: expected vectors of name, entrypoint, input and result")
}

/** `data.labels.<plane>` for the plane of `countersign/<plane>/verdict`. */
function labelsOf(data: JsonObject, entrypoint: string): JsonObject {
  const plane = entrypoint.split('/')[1] ?? ''
  const labels = isObject(data.labels) ? data.labels[plane] : undefined
  return isObject(labels) ? labels : {}
}

function timeOf(input: JsonObject): number {
  const time = isObject(input.context) ? input.context.time : undefined
  const parsed = typeof time === 'string' ? Date.parse(time) : 0
  return Number.isNaN(parsed) ? 0 : parsed
}

function failed(why: string): PolicyError {
  return new PolicyError('ERR_POLICY_SELF_TEST', `the policy failed its self-test: ${why}`)
}

import type { JsonObject, SealedRequest } from '../access-request.ts'
import { isSealed, LONE_SURROGATE, MAX_REQUEST_BYTES } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import type { Evaluation } from '../verdict.ts'
import { BUILTINS } from './builtins.ts'
import type { DecisionClock } from './builtins.ts'
import { readResult } from './result.ts'
import { pagesFor } from './wasm-module.ts'
import type { HostCall, WasmInstance, WasmModule } from './wasm-module.ts'

/** What policy answered, and what it was told that isn't in the request: a replay gives it the same again. */
export interface PolicyAnswer extends Evaluation {
  /** OPA's `nd_builtin_cache`: builtin → operands as JSON → result. Null when no such builtin was called. */
  readonly nondeterministic: JsonObject | null
}

export interface EvaluatorLimits {
  /** 64 KiB pages that a decision may use beside the data. Ends loops that allocate. */
  readonly pages: number
  /** Bytes over what the data alone takes at which an instance is thrown away: a WebAssembly memory never shrinks. */
  readonly recycleAfterBytes: number
}

export const DEFAULT_LIMITS: EvaluatorLimits = { pages: 256, recycleAfterBytes: 4 * 1024 * 1024 }

/** Parsed data takes about 17 times its text. */
const DATA_GROWTH = 24

/** Evaluates a bundle's entrypoints, by name, one decision at a time. */
export class Evaluator {
  readonly #module: WasmModule
  readonly #data: string
  readonly #limits: EvaluatorLimits
  #instance: WasmInstance | undefined
  #restingBytes = 0
  #busy = false

  /** @param data the bundle's data.json as text. */
  constructor(module: WasmModule, data: string, limits: EvaluatorLimits = DEFAULT_LIMITS) {
    this.#module = module
    this.#data = data
    this.#limits = limits
  }

  /** Throws PolicyError; the next call finds a fresh instance. */
  evaluate(plane: string, request: Pick<SealedRequest, 'json'>, nowMs: number): PolicyAnswer {
    if (!isSealed(request)) checkInput(request.json)
    return this.#decide(`countersign/${plane}/verdict`, request.json, nowMs)
  }

  /** The same for an input that has no AccessRequest to it: a bundle's self-test vector. */
  evaluateDocument(entrypoint: string, input: string, nowMs: number): PolicyAnswer {
    checkInput(input)
    return this.#decide(entrypoint, input, nowMs)
  }

  #decide(entrypoint: string, input: string, nowMs: number): PolicyAnswer {
    const number = this.#module.entrypoints.get(entrypoint)
    if (number === undefined) {
      throw new PolicyError(
        'ERR_POLICY_ENTRYPOINT',
        `the policy has no entrypoint ${entrypoint}; build the bundle with it`,
      )
    }
    const told = new Map<string, string>()
    const dump = this.#run(number, input, hostFor(clockAt(nowMs), told))
    return { ...readResult(dump), nondeterministic: told.size === 0 ? null : cacheOf(told) }
  }

  /** An instance whose evaluation failed is in no known state: it is dropped before the error leaves. */
  #run(entrypoint: number, input: string, host: HostCall): string {
    if (this.#busy) {
      throw new PolicyError('ERR_POLICY_REENTRANT', 'a policy was asked to decide from inside its own decision')
    }
    this.#busy = true
    const instance = this.#instance ?? this.#fresh()
    this.#instance = undefined
    try {
      const dump = instance.evaluate(entrypoint, input, host)
      if (instance.memoryBytes - this.#restingBytes <= this.#limits.recycleAfterBytes) this.#instance = instance
      return dump
    } finally {
      this.#busy = false
    }
  }

  #fresh(): WasmInstance {
    const maxPages = this.#limits.pages + pagesFor(this.#data.length * DATA_GROWTH)
    const instance = this.#module.instantiate(this.#data, maxPages)
    this.#restingBytes = instance.memoryBytes
    return instance
  }
}

/**
 * Only what sealRequest writes gets through: an object, in JSON.stringify's own spelling. That leaves out what OPA's
 * parser would read as no input at all (a rule `ok if not denied` is then true), trailing bytes and keys given twice.
 */
function checkInput(json: string): void {
  if (typeof json !== 'string' || !json.startsWith('{')) throw notSealed('it is not a JSON object')
  if (json.length > MAX_REQUEST_BYTES || Buffer.byteLength(json) > MAX_REQUEST_BYTES) throw notSealed('it is too large')
  if (LONE_SURROGATE.test(json) || !json.isWellFormed()) throw notSealed('it holds text that is not valid Unicode')
  if (respelled(json) !== json) throw notSealed('it is not in the one spelling that is sealed')
}

function respelled(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json))
  } catch (cause) {
    throw new PolicyError('ERR_POLICY_INPUT', "the request can't be judged: it is not JSON", { cause })
  }
}

function notSealed(why: string): PolicyError {
  return new PolicyError('ERR_POLICY_INPUT', `the request can't be judged: ${why}`)
}

/** Every look at the clock within one decision sees the same time. */
function clockAt(nowMs: number): DecisionClock {
  if (!Number.isSafeInteger(nowMs)) throw notSealed('its time is not a whole number of milliseconds')
  return { nowNs: BigInt(nowMs) * 1_000_000n }
}

/**
 * OPA turns a builtin's error into undefined, which `not` turns into true. Here it ends the decision: PolicyError, and
 * the request is rejected.
 */
function hostFor(clock: DecisionClock, told: Map<string, string>): HostCall {
  return (name, operands) => {
    const builtin = BUILTINS.get(name)
    if (builtin === undefined) throw new PolicyError('ERR_POLICY_BUILTIN', `the gateway has no builtin ${name}`)
    const answer = builtin.call(operands, clock)
    if (builtin.nondeterministic) told.set(name, clock.nowNs.toString())
    return answer
  }
}

/** The only nondeterministic builtin takes no operand, hence the one key `[]`. Nanoseconds exceed 2^53: a string. */
function cacheOf(told: ReadonlyMap<string, string>): JsonObject {
  return Object.fromEntries([...told].map(([name, result]) => [name, { '[]': result }]))
}

import type { JsonObject, SealedRequest } from '../access-request.ts'
import { isSealed, LONE_SURROGATE, MAX_REQUEST_BYTES } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import type { Evaluation } from '../verdict.ts'
import { readResult } from './result.ts'
import { Surroundings } from './surroundings.ts'
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
    return this.#decide(`countersign/${plane}/verdict`, request.json, new Surroundings(nowMs))
  }

  /**
   * The same for an input that has no AccessRequest to it: a bundle's self-test vector, or a request out of a record, then
   * with what the record tells of its surroundings.
   */
  evaluateDocument(entrypoint: string, input: string, nowMs: number, recorded?: JsonObject | null): PolicyAnswer {
    checkInput(input)
    return this.#decide(entrypoint, input, new Surroundings(nowMs, recorded))
  }

  #decide(entrypoint: string, input: string, surroundings: Surroundings): PolicyAnswer {
    const number = this.#module.entrypoints.get(entrypoint)
    if (number === undefined) {
      throw new PolicyError(
        'ERR_POLICY_ENTRYPOINT',
        `the policy has no entrypoint ${entrypoint}; build the bundle with it`,
      )
    }
    const dump = this.#run(number, input, surroundings.host)
    return { ...readResult(dump), nondeterministic: surroundings.told() }
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

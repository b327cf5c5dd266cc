import { randomBytes } from 'node:crypto'
import type { JsonObject } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import { BUILTINS } from './builtins.ts'
import type { Circumstances } from './builtins/operands.ts'
import { isObject } from './json-document.ts'
import { parseRegoValue, printRegoValue } from './rego-value.ts'
import type { RegoValue } from './rego-value.ts'
import type { HostCall } from './wasm-module.ts'

/**
 * What one decision is told beside its request: one time, and for each random builtin and its operands one answer. All of it
 * is remembered, so that a record can tell it and a replay can give it again.
 */
export class Surroundings {
  readonly #circumstances: Circumstances
  /** Builtin → operands as Rego writes them → result as Rego writes it. */
  readonly #told = new Map<string, Map<string, string>>()
  readonly #recorded: JsonObject | null | undefined

  /** @param recorded what the record of a decision tells, when that decision is taken again; null: nothing was asked. */
  constructor(nowMs: number, recorded?: JsonObject | null) {
    if (!Number.isSafeInteger(nowMs)) {
      throw new PolicyError(
        'ERR_POLICY_INPUT',
        "the request can't be judged: its time is not a whole number of milliseconds",
      )
    }
    const nowNs = recordedTime(recorded) ?? BigInt(nowMs) * 1_000_000n
    const looked = (): void => this.#remember('time.now_ns', '[]', nowNs.toString())
    this.#circumstances = {
      get nowNs() {
        looked()
        return nowNs
      },
      random: randomBytes,
    }
    this.#recorded = recorded
  }

  /**
   * Answers the module's calls. OPA turns a builtin's error into undefined, which `not` turns into true. Here it ends the
   * decision: PolicyError, and the request is rejected.
   */
  readonly host: HostCall = (name, operands) => {
    const builtin = BUILTINS.get(name)
    if (builtin === undefined) throw new PolicyError('ERR_POLICY_BUILTIN', `the gateway has no builtin ${name}`)
    if (!builtin.recorded) return builtin.call(operands, this.#circumstances)
    const asked = printRegoValue(operands)
    const known = this.#told.get(name)?.get(asked)
    if (known !== undefined) return parseRegoValue(known)
    const answer = this.#again(name, asked) ?? builtin.call(operands, this.#circumstances)
    if (answer === undefined) return undefined
    this.#remember(name, asked, printRegoValue(answer))
    return answer
  }

  #remember(name: string, asked: string, answer: string): void {
    this.#told.set(name, (this.#told.get(name) ?? new Map<string, string>()).set(asked, answer))
  }

  /** OPA's `nd_builtin_cache`. Null when nothing was asked. Nanoseconds exceed 2^53: results are text. */
  told(): JsonObject | null {
    if (this.#told.size === 0) return null
    return Object.fromEntries([...this.#told].map(([name, results]) => [name, Object.fromEntries(results)]))
  }

  /** The recorded answer. The time is never made up: a decision that did not ask for it was still made at one. */
  #again(name: string, asked: string): RegoValue | undefined {
    if (this.#recorded === undefined) return undefined
    const results = this.#recorded?.[name]
    const text = isObject(results) ? results[asked] : undefined
    if (typeof text === 'string') return parseRegoValue(text)
    if (name === 'time.now_ns') return undefined
    throw new PolicyError('ERR_POLICY_UNRECORDED', `the record holds no answer of ${name} to these operands`)
  }
}

function recordedTime(recorded: JsonObject | null | undefined): bigint | undefined {
  const results = recorded?.['time.now_ns']
  const text = isObject(results) ? results['[]'] : undefined
  return typeof text === 'string' && /^\d{1,19}$/.test(text) ? BigInt(text) : undefined
}

import { PolicyError } from '../../../engine/errors.ts'
import { jsonFromRego, regoFromJson, regoSet } from '../../../engine/policy/rego-json.ts'
import { compareRego, isRegoObject, isSet, parseRegoValue, printRegoValue } from '../../../engine/policy/rego-value.ts'
import type { RegoValue } from '../../../engine/policy/rego-value.ts'
import { Surroundings } from '../../../engine/policy/surroundings.ts'
import { WasmModule } from '../../../engine/policy/wasm-module.ts'
import type { HostCall } from '../../../engine/policy/wasm-module.ts'
import type { OpaCase } from './opa-cases.ts'

export type Judgement =
  | { readonly kind: 'passed' }
  /** Told at build, at load or by an error that ends the decision: nothing was answered. */
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'wrong'; readonly why: string }

const MAX_PAGES = 512

/** Runs a case on the parts that decide in the gateway, and holds the answer against the one OPA's authors want. */
export async function judge(test: OpaCase): Promise<Judgement> {
  if (test.wasm === undefined) return refusedAtBuild(test)
  let result: RegoValue
  try {
    const instance = (await WasmModule.compile(test.wasm)).instantiate(test.data, MAX_PAGES)
    result = parseRegoValue(instance.evaluate(0, test.input ?? null, host(test.strictError)))
  } catch (error) {
    if (!(error instanceof PolicyError)) return { kind: 'wrong', why: `died of ${String(error)}` }
    return ended(test, error)
  }
  return answered(test, result)
}

/** A case that has to fail may well fail at build. */
function refusedAtBuild({ refused = '' }: OpaCase): Judgement {
  return { kind: 'refused', why: refused }
}

/** As OPA without strict errors, where a builtin's error makes the expression undefined: the gateway ends the decision. */
function host(strict: boolean): HostCall {
  const surroundings = new Surroundings(Date.now())
  return (name, operands) => {
    try {
      return surroundings.host(name, operands)
    } catch (error) {
      if (!strict && error instanceof PolicyError && error.code === 'ERR_POLICY_BUILTIN') return undefined
      throw error
    }
  }
}

function ended({ wantError }: OpaCase, error: PolicyError): Judgement {
  if (error.code === 'ERR_POLICY_BUILTIN_LIMIT') return { kind: 'refused', why: error.message }
  if (wantError !== undefined) return { kind: 'passed' }
  return { kind: 'refused', why: error.message }
}

function answered(
  { wantError, wantResult, strictError, sortBindings, ignoreGenerated }: OpaCase,
  result: RegoValue,
): Judgement {
  const bindings = isSet(result) ? result.values : []
  if (wantError !== undefined) {
    // The builtins inside the module know no strict errors: OPA's own tests of its WASM want no result here, too.
    if (strictError && bindings.length === 0) return { kind: 'passed' }
    if (!strictError || wantResult === undefined) {
      return { kind: 'wrong', why: `wanted the error ${wantError}, got ${printRegoValue(result)}` }
    }
  }
  const wanted = regoFromJson(wantResult ?? '[]')
  const got = bindings.map((binding) => plain(binding, sortBindings, ignoreGenerated))
  const want = Array.isArray(wanted) ? wanted : []
  if (compareRego(regoSet(got), regoSet(want)) === 0) return { kind: 'passed' }
  return { kind: 'wrong', why: `wanted ${printRegoValue(regoSet(want))}, got ${printRegoValue(regoSet(got))}` }
}

/** A binding as JSON has it: sets are arrays there, and all keys text. */
function plain(binding: RegoValue, sorted: boolean, ignoreGenerated: boolean): RegoValue {
  const json = regoFromJson(jsonFromRego(binding))
  if (!isRegoObject(json)) return json
  const kept = json.entries.filter(
    ([name]) => !(ignoreGenerated && typeof name === 'string' && name.startsWith('__localq')),
  )
  return {
    kind: 'object',
    entries: kept.map(([name, value]) => [name, sorted && Array.isArray(value) ? value.toSorted(compareRego) : value]),
  }
}

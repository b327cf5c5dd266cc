import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isObject, readEvaluation } from '../engine/policy/index.ts'
import type { ActivePolicy } from '../engine/policy/index.ts'
import type { JsonObject, JsonValue } from '../engine/index.ts'
import { UsageError } from './exit.ts'

/** One case: a request, the answer that is wanted, and what its record has to say of it. */
export interface PolicyCase {
  readonly name: string
  readonly plane: string
  readonly input: JsonObject
  readonly result: JsonValue
  /** Any of event, controls and masks. */
  readonly record: JsonObject | null
}

export interface CaseResult {
  readonly name: string
  readonly passed: boolean
  readonly message: string
}

/** Every *.json of a directory. Throws UsageError for one that is no case. */
export async function readCases(directory: string): Promise<readonly PolicyCase[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw new UsageError(`--cases: ${directory} can't be read: ${error instanceof Error ? error.message : 'unknown'}`)
  })
  const files = names.filter((name) => name.endsWith('.json')).toSorted()
  return Promise.all(files.map(async (name) => caseOf(name, await readFile(join(directory, name), 'utf8'))))
}

function caseOf(name: string, text: string): PolicyCase {
  try {
    const value: JsonValue = JSON.parse(text)
    if (isObject(value)) {
      const { plane, input, result, record = null } = value
      const judged = record === null || isObject(record)
      if (typeof plane === 'string' && isObject(input) && result !== undefined && judged) {
        return { name, plane, input, result, record }
      }
    }
  } catch {
    // the same complaint
  }
  throw new UsageError(`${name}: expected a case of plane, input, result and perhaps record`)
}

/** When a case is decided: its own `context.time`. */
export function timeOf({ context }: JsonObject): number {
  const time = isObject(context) && typeof context.time === 'string' ? Date.parse(context.time) : 0
  return Number.isNaN(time) ? 0 : time
}

/** Decides a case with the compiled module, as the gateway would. */
export function runCase(policy: ActivePolicy, { name, plane, input, result, record }: PolicyCase): CaseResult {
  try {
    const { verdict, reasons } = policy.evaluateAgain(plane, JSON.stringify(input), timeOf(input), null)
    const wanted = readEvaluation(result)
    if (!isDeepStrictEqual({ verdict, reasons }, wanted)) {
      return failed(
        name,
        `expected ${JSON.stringify(wanted)}, the policy answers ${JSON.stringify({ verdict, reasons })}`,
      )
    }
    const controls = [...new Set(reasons.flatMap((reason) => reason.controls))].toSorted()
    const masks = verdict.kind === 'mask' ? verdict.fields : []
    const recorded: Readonly<Record<string, unknown>> = { event: `decision.${verdict.kind}`, controls, masks }
    const wrong = Object.entries(record ?? {}).find(([key, value]) => !isDeepStrictEqual(recorded[key], value))
    if (wrong === undefined) return { name, passed: true, message: '' }
    return failed(
      name,
      `record.${wrong[0]}: expected ${JSON.stringify(wrong[1])}, recorded ${JSON.stringify(recorded[wrong[0]])}`,
    )
  } catch (error) {
    if (error instanceof Error && 'code' in error) return failed(name, error.message)
    throw error
  }
}

function failed(name: string, message: string): CaseResult {
  return { name, passed: false, message }
}

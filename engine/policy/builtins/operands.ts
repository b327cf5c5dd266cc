import { PolicyError } from '../../errors.ts'
import { isNumber, isRegoObject, isSet, wholeNumber } from '../rego-value.ts'
import type { RegoObject, RegoValue } from '../rego-value.ts'

/** All that one decision is told beside its request. */
export interface Circumstances {
  readonly nowNs: bigint
  readonly random: (bytes: number) => Uint8Array
}

/** Undefined makes the expression undefined, as OPA's Go does where that is no error. */
export type Answer = RegoValue | undefined

/**
 * One host builtin under its name. Where OPA reports an error it throws ERR_POLICY_BUILTIN; where OPA would answer and this
 * host can't answer the same, ERR_POLICY_BUILTIN_LIMIT.
 */
export type Call = (operands: readonly RegoValue[], name: string, circumstances: Circumstances) => Answer
export type Calls = Readonly<Record<string, Call>>

/** Readers of a builtin's operands. Each throws PolicyError ERR_POLICY_BUILTIN without the operand's value in it. */

export function stringOperand(value: RegoValue | undefined, what: string): string {
  if (typeof value !== 'string') throw wrongOperand(what, 'a string')
  return value
}

export function objectOperand(value: RegoValue | undefined, what: string): RegoObject {
  if (value === undefined || !isRegoObject(value)) throw wrongOperand(what, 'an object')
  return value
}

export function arrayOperand(value: RegoValue | undefined, what: string): readonly RegoValue[] {
  if (!Array.isArray(value)) throw wrongOperand(what, 'an array')
  return value
}

/** An array's items in order, or a set's. */
export function listOperand(value: RegoValue | undefined, what: string): readonly RegoValue[] {
  if (Array.isArray(value)) return value
  if (value !== undefined && isSet(value)) return value.values
  throw wrongOperand(what, 'an array or a set')
}

const INT64_LEAST = -(2n ** 63n)
const INT64_MOST = 2n ** 63n - 1n

/** A number that is whole and fits 64 bits. */
export function int64Operand(value: RegoValue | undefined, what: string): bigint {
  const integer = integerOperand(value, what)
  if (!fitsInt64(integer)) throw wrongOperand(what, 'a whole number of 64 bits')
  return integer
}

/** A number that is whole, of any size. */
export function integerOperand(value: RegoValue | undefined, what: string): bigint {
  const integer = value !== undefined && isNumber(value) ? wholeNumber(value) : undefined
  if (integer === undefined) throw wrongOperand(what, 'a whole number')
  return integer
}

export function fitsInt64(value: bigint): boolean {
  return value >= INT64_LEAST && value <= INT64_MOST
}

export function wrongOperand(what: string, expected: string): PolicyError {
  return new PolicyError('ERR_POLICY_BUILTIN', `${what}: expected ${expected}`)
}

/** OPA would answer this; the gateway refuses it rather than answer something else. */
export function beyondHost(what: string, why: string): PolicyError {
  return new PolicyError('ERR_POLICY_BUILTIN_LIMIT', `${what}: ${why}`)
}

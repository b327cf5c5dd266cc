import { PolicyError } from '../errors.ts'
import { isNumber, isSet, wholeNumber } from './rego-value.ts'
import type { RegoValue } from './rego-value.ts'

/** Readers of a builtin's operands. Each throws PolicyError ERR_POLICY_BUILTIN without the operand's value in it. */

export function stringOperand(value: RegoValue | undefined, what: string): string {
  if (typeof value !== 'string') throw wrongOperand(what, 'a string')
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
  const integer = value !== undefined && isNumber(value) ? wholeNumber(value) : undefined
  if (integer === undefined || !fitsInt64(integer)) throw wrongOperand(what, 'a whole number of 64 bits')
  return integer
}

export function fitsInt64(value: bigint): boolean {
  return value >= INT64_LEAST && value <= INT64_MOST
}

export function wrongOperand(what: string, expected: string): PolicyError {
  return new PolicyError('ERR_POLICY_BUILTIN', `${what}: expected ${expected}`)
}

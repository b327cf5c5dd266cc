import type { A_Const, Node } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import type { WrittenValue } from './findings.ts'
import { castOid } from './types.ts'

/** Types whose input takes more than plain decimals for a number: `1e6`, `0xF4240`, `1_000_000`, `NaN`. */
const NUMBERS = new Set([20, 21, 23, 700, 701, 790, 1700])
const INTEGERS = new Set([20, 21, 23])
const NUMERIC = 1700
const DECIMAL = /^-?\d+(?:\.\d+)?$/

/** Whether a column's values are numbers, which a policy compares as such. */
export function holdsNumbers(typeOid: number | null): boolean {
  return typeOid !== null && NUMBERS.has(typeOid)
}

export function isPlainDecimal(text: string): boolean {
  return DECIMAL.test(text)
}

/**
 * The value that an expression gives a column of this type, where it is written down in the statement or in a parameter;
 * null where it has to be computed. A number is taken only in the form every reader reads alike.
 */
export function writtenValue(analysis: Analysis, node: Node, typeOid: number | null): WrittenValue | null {
  if ('A_Const' in node) return constant(node.A_Const, typeOid)
  if ('ParamRef' in node) {
    return { kind: 'parameter', index: node.ParamRef.number ?? 0, decimal: holdsNumbers(typeOid) }
  }
  if (!('TypeCast' in node)) return null
  const { arg, typeName } = node.TypeCast
  const modified = (typeName?.typmods ?? []).length > 0
  if (arg === undefined || modified || !keeps(castOid(analysis, typeName), typeOid)) return null
  return 'TypeCast' in arg ? null : writtenValue(analysis, arg, typeOid)
}

/** A cast to the column's own type, or from an integer to numeric, leaves the value as it is written. */
function keeps(castTo: number | null, column: number | null): boolean {
  if (castTo === null || column === null) return false
  return castTo === column || (column === NUMERIC && INTEGERS.has(castTo))
}

function constant(node: A_Const, typeOid: number | null): WrittenValue | null {
  if (node.isnull === true) return { kind: 'constant', value: null }
  const text = textOf(node)
  if (text === null || (holdsNumbers(typeOid) && !isPlainDecimal(text))) return null
  return { kind: 'constant', value: text }
}

function textOf({ ival, fval, boolval, sval }: A_Const): string | null {
  if (ival !== undefined) return String(ival.ival ?? 0)
  if (fval !== undefined) return fval.fval ?? null
  if (boolval !== undefined) return String(boolval.boolval ?? false)
  if (sval !== undefined) return sval.sval ?? ''
  return null
}

import type { A_Const, Node } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import type { ValueForm, WrittenValue } from './findings.ts'
import { castOid } from './types.ts'

/** Types whose input takes more than plain decimals for a number: `1e6`, `0xF4240`, `1_000_000`, `NaN`. */
const NUMBERS = new Set([20, 21, 23, 700, 701, 790, 1700])
const INTEGERS = new Set([20, 21, 23])
const NUMERIC = 1700
const FORMS: Readonly<Record<ValueForm, RegExp>> = {
  text: /^/,
  decimal: /^-?\d+(?:\.\d+)?$/,
  integer: /^-?\d+$/,
}

/** Whether a value is written in a form whose meaning is certain. */
export function hasForm(text: string, form: ValueForm): boolean {
  return FORMS[form].test(text)
}

function formOf(typeOid: number | null): ValueForm {
  if (typeOid === null || !NUMBERS.has(typeOid)) return 'text'
  return INTEGERS.has(typeOid) ? 'integer' : 'decimal'
}

/**
 * The value that an expression gives a column of this type, where it is written down in the statement or in a parameter;
 * null where it has to be computed.
 */
export function writtenValue(analysis: Analysis, node: Node, typeOid: number | null): WrittenValue | null {
  if ('A_Const' in node) return constant(node.A_Const, formOf(typeOid))
  if ('ParamRef' in node) return { kind: 'parameter', index: node.ParamRef.number ?? 0, form: formOf(typeOid) }
  if (!('TypeCast' in node)) return null
  const { arg, typeName } = node.TypeCast
  const castTo = castOid(analysis, typeName)
  const modified = (typeName?.typmods ?? []).length > 0
  if (arg === undefined || 'TypeCast' in arg || modified || !keeps(castTo, typeOid)) return null
  return writtenValue(analysis, arg, castTo)
}

/** A cast to the column's own type, or from an integer to numeric, leaves the value as it is written. */
function keeps(castTo: number | null, column: number | null): boolean {
  if (castTo === null || column === null) return false
  return castTo === column || (column === NUMERIC && INTEGERS.has(castTo))
}

/** Types that take a text as it stands. */
const TEXTS = new Set([0, 25, 705, 1043])

/** A literal that becomes a value of this type (0: the type of where it goes) as it is written; undefined where it may not. */
export function textAs(node: A_Const, typeOid: number): string | null | undefined {
  if (!TEXTS.has(typeOid) && !INTEGERS.has(typeOid) && typeOid !== NUMERIC) return undefined
  const written = constant(node, formOf(typeOid))
  return written?.kind === 'constant' ? written.value : undefined
}

function constant(node: A_Const, form: ValueForm): WrittenValue | null {
  if (node.isnull === true) return { kind: 'constant', value: null }
  const text = textOf(node)
  return text === null || !hasForm(text, form) ? null : { kind: 'constant', value: text }
}

function textOf({ ival, fval, boolval, sval }: A_Const): string | null {
  if (ival !== undefined) return String(ival.ival ?? 0)
  if (fval !== undefined) return fval.fval ?? null
  if (boolval !== undefined) return String(boolval.boolval ?? false)
  if (sval !== undefined) return sval.sval ?? ''
  return null
}

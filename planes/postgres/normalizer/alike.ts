import type { NormalizedStatement } from './normalized.ts'
import type { ParsedStatement } from './script.ts'

/** A text longer than this is not looked at. */
const MAX_LENGTH = 2048
/** No quotes, comments, parameters, or characters that are white space to us and part of a name to the server. */
const PLAIN = /^[A-Za-z0-9_.,()=<>*+; \t\r\n-]*$/
/** Digits that the server's lexer makes an int4 of, whatever they are: nine at most, and nothing that makes them part of more. */
const INTEGERS = /(?<![\w.])\d{1,9}(?![\w.])/g

/**
 * A text with each of its integers replaced by a mark: two texts that agree in it are the same tokens but for these
 * values. Null where that can't be told this simply.
 */
export function withoutIntegers(sql: string): string | null {
  if (sql.length > MAX_LENGTH || !PLAIN.test(sql) || sql.includes('--')) return null
  return sql.replaceAll(INTEGERS, '?')
}

/**
 * Whether all texts that are alike without their integers mean the same, which is shown by the parse tree of one of them:
 * a query without effects, in which each integer is an operand of an ordinary operator. There only its type matters, and
 * that is int4 for all of them. Anywhere else a value may decide what is meant: a place in ORDER BY, a type's modifier.
 */
export function integersDecideNothing(sql: string, parsed: ParsedStatement, statement: NormalizedStatement): boolean {
  if (statement.kind !== 'select' || !statement.effectFree) return false
  const operands = operandsIn(parsed.node).toSorted((one, other) => one - other)
  const integers = Array.from(sql.matchAll(INTEGERS), ({ index }) => index)
  return operands.length === integers.length && operands.every((at, index) => at === integers[index])
}

/** Where the integers that are operands stand. A minus before one is part of it, and makes it stand elsewhere. */
function operandsIn(node: unknown): number[] {
  if (typeof node !== 'object' || node === null) return []
  const own = 'A_Expr' in node ? operandsOf(node.A_Expr) : []
  return [...own, ...Object.values(node).flatMap(operandsIn)]
}

function operandsOf(expression: unknown): number[] {
  if (typeof expression !== 'object' || expression === null) return []
  if (!('kind' in expression) || expression.kind !== 'AEXPR_OP') return []
  const left = 'lexpr' in expression ? integerAt(expression.lexpr) : []
  const right = 'rexpr' in expression ? integerAt(expression.rexpr) : []
  return [...left, ...right]
}

function integerAt(node: unknown): number[] {
  if (typeof node !== 'object' || node === null || !('A_Const' in node)) return []
  const constant = node.A_Const
  if (typeof constant !== 'object' || constant === null || !('ival' in constant) || !('location' in constant)) return []
  return typeof constant.location === 'number' ? [constant.location] : []
}

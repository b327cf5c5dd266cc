import type { A_Const, A_Expr, A_Indirection, CaseExpr, Node, ParamRef, RowExpr, SubLink, TypeCast } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { all, kindOf, locationOf, names } from './ast.ts'
import { columnRef, endsInStar, starColumns } from './column-ref.ts'
import { compositeFields } from './composite-fields.ts'
import { functionCall } from './function-call.ts'
import { operator } from './operators.ts'
import { unresolved, unsupported } from './refusal.ts'
import type { Scope } from './scope.ts'
import { childrenOf, wrap } from './shape.ts'
import { castOid, typeOf } from './types.ts'
import { composite, literal, made, NOTHING, parameter, UNKNOWN_OID, type Value } from './value.ts'

/** What an expression's value is made of. Conditions inside it are recorded as predicates where they stand. */
export function expression(analysis: Analysis, node: Node, scope: Scope): Value {
  analysis.budget.spend(1)
  if ('ColumnRef' in node) return columnRef(analysis, node.ColumnRef, scope)
  if ('A_Const' in node) return constant(node.A_Const)
  if ('ParamRef' in node) return boundParameter(analysis, node.ParamRef)
  if ('A_Expr' in node) return operation(analysis, node.A_Expr, scope)
  if ('FuncCall' in node) return functionCall(analysis, node.FuncCall, scope)
  if ('TypeCast' in node) return typeCast(analysis, node.TypeCast, scope)
  if ('SubLink' in node) return subLink(analysis, node.SubLink, scope)
  if ('CaseExpr' in node) return caseExpression(analysis, node.CaseExpr, scope)
  if ('RowExpr' in node) return row(analysis, node.RowExpr, scope)
  if ('A_Indirection' in node) return indirection(analysis, node.A_Indirection, scope)
  // Arms of a condition don't meet each other: each has met its own columns already.
  if ('BoolExpr' in node) return made(children(analysis, 'BoolExpr', node.BoolExpr, scope))
  // A cursor's row, and what a MERGE did to it: neither tells a column's value.
  if ('CurrentOfExpr' in node || 'MergeSupportFunc' in node) return NOTHING
  if (isComposed(node)) return composed(analysis, node, scope)
  throw unsupported(`${kindOf(node)} is not covered in an expression`, locationOf(node))
}

/** Kinds whose value is made of whatever stands in them, and that run nothing but the server's own code. */
const COMPOSED = new Set([
  'A_ArrayExpr',
  'CoalesceExpr',
  'MinMaxExpr',
  'NullTest',
  'BooleanTest',
  'CollateClause',
  'NamedArgExpr',
  'GroupingFunc',
  'SQLValueFunction',
  'SetToDefault',
  'XmlExpr',
  'XmlSerialize',
  'JsonIsPredicate',
  'JsonParseExpr',
  'JsonScalarExpr',
  'JsonSerializeExpr',
  'JsonObjectConstructor',
  'JsonArrayConstructor',
  'JsonFuncExpr',
])

/** Kinds that stand only inside those. */
const INNER = new Set([
  'A_Indices',
  'ResTarget',
  'JsonFormat',
  'JsonReturning',
  'JsonOutput',
  'JsonValueExpr',
  'JsonKeyValue',
  'JsonArgument',
  'JsonBehavior',
  'RangeTableFuncCol',
  'JsonTableColumn',
  'JsonTablePathSpec',
])

function isComposed(node: Node): boolean {
  return COMPOSED.has(kindOf(node))
}

function composed(analysis: Analysis, node: Node, scope: Scope): Value {
  const kind = kindOf(node)
  const body: unknown = Object.values(node)[0]
  if (typeof body !== 'object' || body === null) throw unsupported(`${kind} without a body`)
  return met(analysis, children(analysis, kind, body, scope))
}

/** All that stands in a node which is no expression itself, met in one place. */
export function childrenValue(analysis: Analysis, kind: string, body: object, scope: Scope): Value {
  return met(analysis, children(analysis, kind, body, scope))
}

function children(analysis: Analysis, kind: string, body: object, scope: Scope): readonly Value[] {
  return [...childrenOf(kind, body)].map(([childKind, child]) => childValue(analysis, childKind, child, scope))
}

function childValue(analysis: Analysis, kind: string, body: object, scope: Scope): Value {
  if (kind === 'TypeName') {
    typeOf(analysis, body)
    return NOTHING
  }
  if (kind === 'String') return NOTHING
  if (INNER.has(kind)) return made(children(analysis, kind, body, scope))
  return analysis.value(wrap(kind, body), scope)
}

/** Something made of all these, in one place: parameters among them meet the columns among them. */
function met(analysis: Analysis, values: readonly Value[]): Value {
  const value = made(values)
  analysis.findings.meet(value, 'predicate')
  return { ...value, copy: false, fields: null }
}

/** The protocol counts parameters in 16 bits. */
const MAX_PARAMETERS = 65_535

function boundParameter(analysis: Analysis, { number = 0, location }: ParamRef): Value {
  if (number < 1 || number > MAX_PARAMETERS)
    throw unresolved(`there is no parameter $${number}`, location, 'undefinedParameter')
  analysis.findings.hold(number)
  return parameter(number)
}

const INT4 = 23
const INT8 = 20
const NUMERIC = 1700
const BOOL = 16
const BIT = 1560

function constant({ ival, fval, boolval, bsval }: A_Const): Value {
  if (ival !== undefined) return literal(INT4)
  if (fval !== undefined) return literal(/^\d{1,18}$/.test(fval.fval ?? '') ? INT8 : NUMERIC)
  if (boolval !== undefined) return literal(BOOL)
  if (bsval !== undefined) return literal(BIT)
  return literal(UNKNOWN_OID)
}

/** The operators that a form without one of its own looks up by name. */
function operatorsOf({ kind, name }: A_Expr): readonly (readonly string[])[] {
  switch (kind ?? null) {
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM':
      return [['>='], ['<='], ['<'], ['>']]
    case 'AEXPR_OP':
    case 'AEXPR_OP_ANY':
    case 'AEXPR_OP_ALL':
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT':
    case 'AEXPR_NULLIF':
    case 'AEXPR_IN':
    case 'AEXPR_LIKE':
    case 'AEXPR_ILIKE':
    case 'AEXPR_SIMILAR':
      return [names(name)]
    case null:
      break
  }
  throw unsupported('an operation without a kind')
}

function operation(analysis: Analysis, node: A_Expr, scope: Scope): Value {
  for (const name of operatorsOf(node)) operator(analysis, name, node.location)
  const sides = [node.lexpr, node.rexpr].filter((side) => side !== undefined)
  return met(
    analysis,
    sides.flatMap((side) => listed(side)).map((side) => analysis.value(side, scope)),
  )
}

/** IN and BETWEEN hold a list on their right. */
function listed(node: Node): readonly Node[] {
  return 'List' in node ? (node.List.items ?? []) : [node]
}

function typeCast(analysis: Analysis, { arg, typeName, location }: TypeCast, scope: Scope): Value {
  if (arg === undefined) throw unsupported('a cast of nothing', location)
  const typeOid = castOid(analysis, typeName)
  const value = made([analysis.value(arg, scope)])
  const fields = typeOid === null ? null : compositeFields(analysis.catalog, typeOid, value)
  return { ...value, copy: false, typeOid, fields }
}

function subLink(analysis: Analysis, node: SubLink, scope: Scope): Value {
  if (node.subselect === undefined) throw unsupported('a sub-query without a query', node.location)
  const columns = analysis.query(node.subselect, scope)
  const values = columns.map(({ value }) => value)
  switch (node.subLinkType ?? null) {
    case 'EXISTS_SUBLINK':
      return literal(BOOL)
    case 'EXPR_SUBLINK':
      // Of several columns it is the right side of a comparison of rows, and nothing else to the server.
      return columns.length > 1 ? composite(columns) : onlyValue(values, node.location)
    case 'ARRAY_SUBLINK':
      return met(analysis, [onlyValue(values, node.location)])
    case 'ANY_SUBLINK':
    case 'ALL_SUBLINK':
      return comparison(analysis, node, values, scope)
    case 'MULTIEXPR_SUBLINK':
    case 'ROWCOMPARE_SUBLINK':
    case 'CTE_SUBLINK':
    case null:
      break
  }
  throw unsupported('this form of sub-query is not covered', node.location)
}

function onlyValue(values: readonly Value[], location: number | undefined): Value {
  const [first, ...others] = values
  if (first === undefined || others.length > 0)
    throw unresolved('a sub-query must return one column', location, 'syntax')
  return first
}

/** `x IN (SELECT …)`: an oracle over both sides. */
function comparison(analysis: Analysis, node: SubLink, values: readonly Value[], scope: Scope): Value {
  operator(analysis, (node.operName?.length ?? 0) > 0 ? names(node.operName) : ['='], node.location)
  if (node.testexpr === undefined) throw unsupported('a comparison without a left side', node.location)
  const value = met(analysis, [analysis.value(node.testexpr, scope), ...values])
  analysis.findings.use(value, 'predicate')
  return value
}

function caseExpression(analysis: Analysis, { arg, args, defresult }: CaseExpr, scope: Scope): Value {
  const subject = arg === undefined ? [] : [analysis.value(arg, scope)]
  if (arg !== undefined) operator(analysis, ['='], undefined)
  const results = all('CaseWhen', args).map(({ expr, result, location }) => {
    if (expr === undefined || result === undefined) throw unsupported('a WHEN without its parts', location)
    analysis.findings.use(met(analysis, [...subject, analysis.value(expr, scope)]), 'predicate')
    return analysis.value(result, scope)
  })
  const otherwise = defresult === undefined ? [] : [analysis.value(defresult, scope)]
  return met(analysis, [...results, ...otherwise])
}

/** `ROW(t.*, x)` takes the row's columns one by one. */
function row(analysis: Analysis, { args = [] }: RowExpr, scope: Scope): Value {
  const values = args.flatMap((node) => {
    if (!('ColumnRef' in node) || !endsInStar(node.ColumnRef)) return [analysis.value(node, scope)]
    return starColumns(analysis, node.ColumnRef, scope).map(({ value }) => value)
  })
  return composite(values.map((value, index) => ({ name: `f${index + 1}`, value })))
}

/** `(x).field`, `x[1]`, in any order. `(x).*` is a target's, not an expression's. */
function indirection(analysis: Analysis, { arg, indirection = [] }: A_Indirection, scope: Scope): Value {
  if (arg === undefined) throw unsupported('an indirection of nothing')
  let value = analysis.value(arg, scope)
  for (const step of indirection) {
    if ('String' in step) value = fieldOf(value, step.String.sval ?? '')
    else if ('A_Indices' in step)
      value = met(analysis, [value, childValue(analysis, 'A_Indices', step.A_Indices, scope)])
    else throw unsupported(`${kindOf(step)} is not covered in an indirection`)
  }
  return value
}

/**
 * The server reads `(x).name` as `name(x)` where x has no such field, so on a value whose fields aren't known it could call
 * anything: `('PG_VERSION').pg_read_file` does.
 */
function fieldOf(value: Value, name: string): Value {
  if (value.fields === null) throw unsupported(`field "${name}" of a value whose fields are not known`)
  const found = value.fields.filter((field) => field.name === name)
  const [field] = found
  if (field === undefined || found.length > 1)
    throw unresolved(`field "${name}" does not exist or is ambiguous`, undefined, 'undefinedColumn')
  return field.value
}

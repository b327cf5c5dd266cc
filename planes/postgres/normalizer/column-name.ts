import type { Node } from 'libpg-query'
import { all, bodyOf, names } from './ast.ts'

/** What a form without a name of its own is called. */
const FIXED: Readonly<Record<string, string>> = {
  GroupingFunc: 'grouping',
  A_ArrayExpr: 'array',
  RowExpr: 'row',
  CoalesceExpr: 'coalesce',
  XmlSerialize: 'xmlserialize',
  JsonParseExpr: 'json',
  JsonScalarExpr: 'json_scalar',
  JsonSerializeExpr: 'json_serialize',
  JsonObjectConstructor: 'json_object',
  JsonArrayConstructor: 'json_array',
}
const XML: Readonly<Record<string, string>> = {
  IS_XMLCONCAT: 'xmlconcat',
  IS_XMLELEMENT: 'xmlelement',
  IS_XMLFOREST: 'xmlforest',
  IS_XMLPARSE: 'xmlparse',
  IS_XMLPI: 'xmlpi',
  IS_XMLROOT: 'xmlroot',
}
const JSON_FUNCTIONS: Readonly<Record<string, string>> = {
  JSON_EXISTS_OP: 'json_exists',
  JSON_QUERY_OP: 'json_query',
  JSON_VALUE_OP: 'json_value',
}

/** A column's name is its own (a column, a function), or a stopgap that a type's name may replace. */
interface Named {
  readonly name: string
  readonly firm: boolean
}

/** How the server names a result column without AS: parse_target.c's FigureColname. */
export function columnName(node: Node): string {
  return named(node)?.name ?? '?column?'
}

function named(node: Node): Named | undefined {
  const fixed = FIXED[Object.keys(node)[0] ?? '']
  if (fixed !== undefined) return firm(fixed)
  if ('ColumnRef' in node) return lastString(node.ColumnRef.fields)
  if ('A_Indirection' in node) return lastString(node.A_Indirection.indirection) ?? inner(node.A_Indirection.arg)
  if ('FuncCall' in node) return firm(names(node.FuncCall.funcname).at(-1))
  if ('A_Expr' in node) return node.A_Expr.kind === 'AEXPR_NULLIF' ? firm('nullif') : undefined
  if ('CollateClause' in node) return inner(node.CollateClause.arg)
  if ('TypeCast' in node) return stopgap(inner(node.TypeCast.arg), names(node.TypeCast.typeName?.names).at(-1))
  if ('CaseExpr' in node) return stopgap(inner(node.CaseExpr.defresult), 'case')
  if ('SubLink' in node) return subLinkName(node.SubLink.subLinkType, node.SubLink.subselect)
  if ('MinMaxExpr' in node) return firm(node.MinMaxExpr.op === 'IS_LEAST' ? 'least' : 'greatest')
  if ('SQLValueFunction' in node) return firm(valueFunctionName(node.SQLValueFunction.op))
  if ('XmlExpr' in node) return firm(XML[node.XmlExpr.op ?? ''])
  if ('JsonFuncExpr' in node) return firm(JSON_FUNCTIONS[node.JsonFuncExpr.op ?? ''])
  return undefined
}

function inner(node: Node | undefined): Named | undefined {
  return node === undefined ? undefined : named(node)
}

function firm(name: string | undefined): Named | undefined {
  return name === undefined ? undefined : { name, firm: true }
}

function stopgap(found: Named | undefined, name: string | undefined): Named | undefined {
  if (found?.firm === true || name === undefined) return found
  return { name, firm: false }
}

function lastString(nodes: readonly Node[] | undefined): Named | undefined {
  return firm(nodes?.findLast((node) => 'String' in node)?.String.sval)
}

function subLinkName(type: string | undefined, query: Node | undefined): Named | undefined {
  if (type === 'EXISTS_SUBLINK') return firm('exists')
  if (type === 'ARRAY_SUBLINK') return firm('array')
  if (type !== 'EXPR_SUBLINK') return undefined
  const [target] = all('ResTarget', bodyOf('SelectStmt', query)?.targetList)
  return target?.name === undefined ? inner(target?.val) : firm(target.name)
}

/** `SVFOP_CURRENT_TIMESTAMP_N` → `current_timestamp` */
function valueFunctionName(op: string | undefined): string | undefined {
  return op
    ?.replace(/^SVFOP_/, '')
    .replace(/_N$/, '')
    .toLowerCase()
}

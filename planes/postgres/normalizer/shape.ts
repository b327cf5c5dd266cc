import type { Node } from 'libpg-query'
import { tooComplex, unsupported } from './refusal.ts'

/**
 * The part of PostgreSQL's raw parse tree that the analysis covers: for each node kind its fields. A bare name is a plain
 * value; `:n` one wrapped node, `:l` a list of them, `:Kind` a node that stands there unwrapped. Kinds and fields that
 * aren't here refuse the statement, so a grammar that grows is refused until somebody has thought about it.
 */
const SHAPES = shapes({
  SelectStmt:
    'distinctClause:l targetList:l fromClause:l whereClause:n groupClause:l groupDistinct havingClause:n windowClause:l valuesLists:l sortClause:l limitOffset:n limitCount:n limitOption lockingClause:l withClause:WithClause op all larg:SelectStmt rarg:SelectStmt',
  InsertStmt:
    'relation:RangeVar cols:l selectStmt:n onConflictClause:OnConflictClause returningClause:ReturningClause withClause:WithClause override',
  UpdateStmt:
    'relation:RangeVar targetList:l whereClause:n fromClause:l returningClause:ReturningClause withClause:WithClause',
  DeleteStmt: 'relation:RangeVar usingClause:l whereClause:n returningClause:ReturningClause withClause:WithClause',
  MergeStmt:
    'relation:RangeVar sourceRelation:n joinCondition:n mergeWhenClauses:l returningClause:ReturningClause withClause:WithClause',
  MergeWhenClause: 'matchKind commandType override condition:n targetList:l values:l',
  MergeSupportFunc: 'msftype msfcollid location',
  CurrentOfExpr: 'cursor_name cursor_param cvarno',
  OnConflictClause: 'action infer:InferClause targetList:l whereClause:n location',
  InferClause: 'indexElems:l whereClause:n conname location',
  IndexElem: 'name expr:n collation:l opclass:l ordering nulls_ordering',
  ReturningClause: 'options:l exprs:l',
  ReturningOption: 'option value location',
  WithClause: 'ctes:l recursive location',
  CommonTableExpr:
    'ctename aliascolnames:l ctematerialized ctequery:n search_clause:CTESearchClause cycle_clause:CTECycleClause location',
  CTESearchClause: 'search_col_list:l search_breadth_first search_seq_column location',
  CTECycleClause:
    'cycle_col_list:l cycle_mark_column cycle_mark_value:n cycle_mark_default:n cycle_path_column location',
  RangeVar: 'catalogname schemaname relname inh relpersistence alias:Alias location',
  Alias: 'aliasname colnames:l',
  RangeSubselect: 'lateral subquery:n alias:Alias',
  RangeFunction: 'lateral ordinality is_rowsfrom functions:l alias:Alias coldeflist:l',
  RangeTableFunc: 'lateral docexpr:n rowexpr:n namespaces:l columns:l alias:Alias location',
  RangeTableFuncCol: 'colname typeName:TypeName for_ordinality is_not_null colexpr:n coldefexpr:n location',
  JsonTable:
    'context_item:JsonValueExpr pathspec:JsonTablePathSpec passing:l columns:l on_error:JsonBehavior alias:Alias lateral location',
  JsonTableColumn:
    'coltype name typeName:TypeName pathspec:JsonTablePathSpec format:JsonFormat wrapper quotes columns:l on_empty:JsonBehavior on_error:JsonBehavior location',
  JsonTablePathSpec: 'string:n name name_location location',
  RangeTableSample: 'relation:n method:l args:l repeatable:n location',
  JoinExpr: 'jointype isNatural larg:n rarg:n usingClause:l join_using_alias:Alias quals:n alias:Alias rtindex',
  ColumnDef: 'colname typeName:TypeName is_local location collClause:CollateClause',
  ResTarget: 'name indirection:l val:n location',
  SortBy: 'node:n sortby_dir sortby_nulls useOp:l location',
  WindowDef: 'name refname partitionClause:l orderClause:l frameOptions startOffset:n endOffset:n location',
  LockingClause: 'lockedRels:l strength waitPolicy',
  GroupingSet: 'kind content:l location',
  List: 'items:l',
  String: 'sval',
  A_Star: '',
  A_Const: 'ival:Integer fval:Float boolval:Boolean sval:String bsval:BitString isnull location',
  Integer: 'ival',
  Float: 'fval',
  Boolean: 'boolval',
  BitString: 'bsval',
  ColumnRef: 'fields:l location',
  ParamRef: 'number location',
  A_Expr: 'kind name:l lexpr:n rexpr:n rexpr_list_start rexpr_list_end location',
  BoolExpr: 'boolop args:l location',
  SubLink: 'subLinkType subLinkId testexpr:n operName:l subselect:n location',
  FuncCall:
    'funcname:l args:l agg_order:l agg_filter:n over:WindowDef agg_within_group agg_star agg_distinct func_variadic funcformat location',
  NamedArgExpr: 'arg:n name argnumber location',
  CaseExpr: 'arg:n args:l defresult:n location',
  CaseWhen: 'expr:n result:n location',
  TypeCast: 'arg:n typeName:TypeName location',
  TypeName: 'names:l setof typmods:l typemod arrayBounds:l location',
  CollateClause: 'arg:n collname:l location',
  A_Indirection: 'arg:n indirection:l',
  A_Indices: 'is_slice lidx:n uidx:n',
  A_ArrayExpr: 'elements:l list_start list_end location',
  RowExpr: 'args:l row_format colnames:l location',
  CoalesceExpr: 'args:l location',
  MinMaxExpr: 'op args:l location',
  NullTest: 'arg:n nulltesttype location',
  BooleanTest: 'arg:n booltesttype location',
  GroupingFunc: 'args:l location',
  SQLValueFunction: 'op typmod location',
  SetToDefault: 'location',
  MultiAssignRef: 'source:n colno ncolumns',
  XmlExpr: 'op name named_args:l args:l xmloption indent typmod location',
  XmlSerialize: 'xmloption expr:n typeName:TypeName indent location',
  JsonFormat: 'format_type encoding location',
  JsonReturning: 'format:JsonFormat typmod',
  JsonOutput: 'typeName:TypeName returning:JsonReturning',
  JsonValueExpr: 'raw_expr:n format:JsonFormat',
  JsonKeyValue: 'key:n value:JsonValueExpr',
  JsonIsPredicate: 'expr:n format:JsonFormat item_type unique_keys location',
  JsonParseExpr: 'expr:JsonValueExpr output:JsonOutput unique_keys location',
  JsonScalarExpr: 'expr:n output:JsonOutput location',
  JsonSerializeExpr: 'expr:JsonValueExpr output:JsonOutput location',
  JsonObjectConstructor: 'exprs:l output:JsonOutput absent_on_null unique location',
  JsonArrayConstructor: 'exprs:l output:JsonOutput absent_on_null location',
  JsonArgument: 'val:JsonValueExpr name',
  JsonBehavior: 'btype expr:n location',
  JsonFuncExpr:
    'op column_name context_item:JsonValueExpr pathspec:n passing:l output:JsonOutput on_empty:JsonBehavior on_error:JsonBehavior wrapper quotes location',
})

/** Deeper trees are refused: the analysis recurses, and its stack is the process's own. */
const MAX_DEPTH = 1200

type FieldShape = 'plain' | 'node' | 'list' | { readonly unwrapped: string }
type Shapes = ReadonlyMap<string, ReadonlyMap<string, FieldShape>>

function shapes(table: Readonly<Record<string, string>>): Shapes {
  return new Map(Object.entries(table).map(([kind, fields]) => [kind, fieldShapes(fields)]))
}

function fieldShapes(fields: string): ReadonlyMap<string, FieldShape> {
  return new Map(
    fields
      .split(' ')
      .filter((field) => field !== '')
      .map((field): [string, FieldShape] => {
        const [name = '', shape] = field.split(':')
        return [name, fieldShape(shape)]
      }),
  )
}

function fieldShape(shape: string | undefined): FieldShape {
  switch (shape) {
    case undefined:
      return 'plain'
    case 'n':
      return 'node'
    case 'l':
      return 'list'
    default:
      return { unwrapped: shape }
  }
}

/** For the tests: every kind of node that may stand in a statement that is walked. */
export const COVERED_KINDS: ReadonlySet<string> = new Set(SHAPES.keys())

/** Refuses a tree with a node or a field that the analysis doesn't cover, or one too deep for it. */
export function checkShape(node: unknown): void {
  checkWrapped(node, 0)
}

type Visit = (kind: string, body: object) => void

/** A node's direct children, with the kind of each: what a walk over an expression visits. */
export function childrenOf(kind: string, body: object): readonly (readonly [kind: string, body: object])[] {
  const children: [string, object][] = []
  eachChild(kind, body, (childKind, child) => children.push([childKind, child]))
  return children
}

function eachChild(kind: string, body: object, visit: Visit): void {
  const fields = SHAPES.get(kind)
  if (fields === undefined) throw unsupported(`${kind} is not covered`)
  for (const [name, value] of Object.entries(body)) {
    const shape = fields.get(name)
    if (shape === undefined) throw unsupported(`${kind} with ${name} is not covered`, locationOf(body))
    visitField(shape, value, visit)
  }
}

function visitField(shape: FieldShape, value: unknown, visit: Visit): void {
  if (shape === 'plain') return
  if (shape === 'node') visitNode(value, visit)
  else if (shape === 'list') for (const node of listOf(value)) visitNode(node, visit)
  else visit(shape.unwrapped, objectOf(shape.unwrapped, value))
}

/** Lists may hold nulls, written `{}`: plain DISTINCT is a list of one. */
function visitNode(node: unknown, visit: Visit): void {
  if (typeof node === 'object' && node !== null && Object.keys(node).length === 0) return
  const [kind, body] = unwrap(node)
  visit(kind, body)
}

/** A child as a node of its own. */
export function wrap(kind: string, body: object): Node {
  const node: unknown = { [kind]: body }
  if (!isNode(node)) throw unsupported(`${kind} is not covered`)
  return node
}

function isNode(node: unknown): node is Node {
  return SHAPES.has(unwrap(node)[0])
}

function checkWrapped(node: unknown, depth: number): void {
  const [kind, body] = unwrap(node)
  checkBody(kind, body, depth)
}

function checkBody(kind: string, body: object, depth: number): void {
  if (depth > MAX_DEPTH) throw tooComplex('the statement nests too deeply to be judged: split the expression')
  eachChild(kind, body, (childKind, child) => checkBody(childKind, child, depth + 1))
}

function unwrap(node: unknown): readonly [kind: string, body: object] {
  const entries = typeof node === 'object' && node !== null ? Object.entries(node) : []
  const [entry, ...others] = entries
  if (entry === undefined || others.length > 0) throw unsupported('the parse tree holds something that is no node')
  return [entry[0], objectOf(entry[0], entry[1])]
}

function objectOf(kind: string, body: unknown): object {
  if (typeof body !== 'object' || body === null) throw unsupported(`${kind} is not covered`)
  return body
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw unsupported('the parse tree holds no list where one belongs')
  return value
}

function locationOf(body: object): number | undefined {
  return 'location' in body && typeof body.location === 'number' ? body.location : undefined
}

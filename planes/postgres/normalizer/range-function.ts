import type { FuncCall, Node, RangeFunction } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { all, bodyOf, isAbsent, kindOf, names } from './ast.ts'
import { functionOf } from './function-call.ts'
import { rename } from './from-alias.ts'
import { opaque, unsupported } from './refusal.ts'
import type { Scope, ScopeItem } from './scope.ts'
import { type Column, literal, made, NOTHING } from './value.ts'
import { typeOf } from './types.ts'

const INT8 = 20
const TSVECTOR = 3614

/** Functions in FROM. They see their neighbours to the left, LATERAL or not; `scope` holds those. */
export function rangeFunction(analysis: Analysis, range: RangeFunction, scope: Scope): ScopeItem {
  const calls = all('List', range.functions)
  const alias = range.alias?.aliasname
  const columns = calls.flatMap(({ items = [] }) => {
    const [call, definitions] = items
    if (call === undefined) throw unsupported('a function in FROM without a call')
    const listed = definitions === undefined || isAbsent(definitions) ? undefined : bodyOf('List', definitions)?.items
    return callColumns(analysis, call, listed ?? range.coldeflist, scope, calls.length === 1 ? alias : undefined)
  })
  const numbered = range.ordinality === true ? [...columns, { name: 'ordinality', value: literal(INT8) }] : columns
  return {
    alias: alias ?? columns[0]?.name ?? null,
    relation: null,
    hidden: [],
    columns: rename(numbered, range.alias),
    bare: true,
  }
}

function callColumns(
  analysis: Analysis,
  node: Node,
  definitions: readonly Node[] | undefined,
  scope: Scope,
  alias: string | undefined,
): readonly Column[] {
  if ('SQLValueFunction' in node) return [{ name: alias ?? 'value', value: NOTHING }]
  const call = bodyOf('FuncCall', node)
  if (call === undefined) throw unsupported(`${kindOf(node)} as a function in FROM is not covered`)
  const value = analysis.value(node, scope)
  // What a call in FROM computes is computed for every row, used or not.
  if (analysis.strict) analysis.findings.use(value, 'derived')
  return columnNames(analysis, call, definitions, alias, scope).map((name) => ({ name, value: made([value]) }))
}

function columnNames(
  analysis: Analysis,
  call: FuncCall,
  definitions: readonly Node[] | undefined,
  alias: string | undefined,
  scope: Scope,
): readonly string[] {
  const known = functionOf(analysis, call)
  if (definitions !== undefined && definitions.length > 0) {
    return all('ColumnDef', definitions).map(({ colname = '', typeName }) => {
      typeOf(analysis, typeName)
      return colname
    })
  }
  if (known.name === 'unnest') return unnested(analysis, call, alias, scope)
  if (known.outputs.length > 0) return known.outputs
  if (known.returns !== 'scalar' || /_populate_record/.test(known.name)) {
    const message = `the columns of ${names(call.funcname).join('.')} are not known: list them after AS`
    throw opaque(`function ${known.schema}.${known.name}`, message, call.location)
  }
  return [alias ?? known.name]
}

/** Of several arrays it stands for as many calls, so an alias names none of their columns; of a tsvector it has its own. */
function unnested(
  analysis: Analysis,
  { args = [] }: FuncCall,
  alias: string | undefined,
  scope: Scope,
): readonly string[] {
  const [first, ...others] = args
  if (first === undefined || others.length > 0) return args.map(() => 'unnest')
  if (analysis.value(first, scope).typeOid === TSVECTOR) return ['lexeme', 'positions', 'weights']
  return [alias ?? 'unnest']
}

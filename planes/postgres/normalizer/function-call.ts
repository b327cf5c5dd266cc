import type { FuncCall, WindowDef } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { all, names } from './ast.ts'
import type { CatalogFunction } from './relation.ts'
import { isAllowedFunction } from './functions.ts'
import { operator } from './operators.ts'
import { opaque, unresolved, unsupported } from './refusal.ts'
import type { Scope } from './scope.ts'
import { type Column, made, type Value } from './value.ts'

/** A call and what it gives: something made of all its arguments. */
export function functionCall(analysis: Analysis, call: FuncCall, scope: Scope): Value {
  const known = functionOf(analysis, call)
  analysis.findings.functions.add(`${known.schema}.${known.name}`)
  if (known.volatile) analysis.findings.effects = true
  const values = (call.args ?? []).map((node) => analysis.value(node, scope))
  // WITHIN GROUP: what it orders by is its argument as well.
  const ordered = sortKeys(analysis, call.agg_order, scope)
  if (call.agg_filter !== undefined) analysis.findings.use(analysis.value(call.agg_filter, scope), 'predicate')
  if (call.over !== undefined) windowDefinition(analysis, call.over, scope)
  const value = made([...values, ...ordered])
  if (call.agg_distinct === true) analysis.findings.use(value, 'predicate')
  analysis.findings.meet(value, 'predicate')
  return { ...value, copy: false, fields: outputFields(known, value) }
}

/** What a call may mean. What isn't on the list, and a name that could be a user's as well, runs code that isn't seen. */
export function functionOf(analysis: Analysis, call: FuncCall): CatalogFunction {
  const parts = names(call.funcname)
  const [name = '', schema] = parts.toReversed()
  if (parts.length > 2) throw unsupported('a function name of more than two parts', call.location)
  const found = (schema === undefined ? analysis.path : [schema]).flatMap(
    (each) => analysis.catalog.function(each, name) ?? [],
  )
  const [known, ...others] = found
  if (known === undefined)
    throw unresolved(`function ${parts.join('.')} does not exist`, call.location, 'undefinedFunction')
  for (const other of others) {
    const message = `function ${name} may be a user's: call the built-in one as pg_catalog.${name}`
    analysis.findings.runs(opaque(`function ${other.schema}.${other.name}`, message, call.location))
  }
  if (!isAllowedFunction(known.schema, known.name)) {
    const called = `function ${known.schema}.${known.name}`
    analysis.findings.runs(opaque(called, `${called} is not on the list of functions that only compute`, call.location))
  }
  return known
}

/** OUT columns, each made of all the arguments. */
function outputFields(known: CatalogFunction, value: Value): readonly Column[] | null {
  if (known.outputs.length < 2) return null
  return known.outputs.map((name) => ({ name, value: { ...value, copy: false, typeOid: null, fields: null } }))
}

/** Keys of an ORDER BY that takes expressions only: inside aggregates and windows. The order tells of the values. */
export function sortKeys(analysis: Analysis, nodes: FuncCall['agg_order'], scope: Scope): readonly Value[] {
  return all('SortBy', nodes).map(({ node, useOp, location }) => {
    if (node === undefined) throw unsupported('an ORDER BY without a key', location)
    if ((useOp?.length ?? 0) > 0) operator(analysis, names(useOp), location)
    const value = analysis.value(node, scope)
    analysis.findings.use(value, 'predicate')
    return value
  })
}

/** Partition, order and frame of a window: each row's result tells how its values stand to the others'. */
export function windowDefinition(analysis: Analysis, window: WindowDef, scope: Scope): void {
  sortKeys(analysis, window.orderClause, scope)
  const bounds = [window.startOffset, window.endOffset].filter((node) => node !== undefined)
  for (const node of [...(window.partitionClause ?? []), ...bounds]) {
    analysis.findings.use(analysis.value(node, scope), 'predicate')
  }
}

import type { Alias, JoinExpr, Node, RangeSubselect, RangeTableSample, RangeVar } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { kindOf, names } from './ast.ts'
import { rename } from './from-alias.ts'
import { operator } from './operators.ts'
import { rangeFunction } from './range-function.ts'
import { jsonTable, xmlTable } from './range-table-function.ts'
import { unresolved, unsupported } from './refusal.ts'
import { relationOf } from './relations.ts'
import type { CommonTable, Scope, ScopeItem } from './scope.ts'
import { copyOf, made, oneOf, type Column, type Value } from './value.ts'

/** One entry of a FROM clause: the item that stands for all of it, and every item that names can find through it. */
interface FromEntry {
  readonly main: ScopeItem
  readonly items: readonly ScopeItem[]
}

/** The items that a FROM clause puts in sight. `before`: already there (an UPDATE's target), and what LATERAL sees. */
export function fromClause(
  analysis: Analysis,
  nodes: readonly Node[] | undefined,
  scope: Scope,
  before: readonly ScopeItem[] = [],
): readonly ScopeItem[] {
  const items = [...before]
  for (const node of nodes ?? []) items.push(...fromEntry(analysis, node, scope, items).items)
  return items
}

function fromEntry(analysis: Analysis, node: Node, scope: Scope, lateral: readonly ScopeItem[]): FromEntry {
  analysis.budget.spend(1)
  if ('RangeVar' in node) return single(rangeVar(analysis, node.RangeVar, scope))
  if ('JoinExpr' in node) return join(analysis, node.JoinExpr, scope, lateral)
  if ('RangeSubselect' in node) return single(subselect(analysis, node.RangeSubselect, scope, lateral))
  if ('RangeFunction' in node) return single(rangeFunction(analysis, node.RangeFunction, scope.withItems(lateral)))
  if ('RangeTableFunc' in node) return single(xmlTable(analysis, node.RangeTableFunc, scope.withItems(lateral)))
  if ('JsonTable' in node) return single(jsonTable(analysis, node.JsonTable, scope.withItems(lateral)))
  if ('RangeTableSample' in node) return sample(analysis, node.RangeTableSample, scope, lateral)
  throw unsupported(`${kindOf(node)} in FROM is not covered`)
}

function single(main: ScopeItem): FromEntry {
  return { main, items: [main] }
}

/** A name in FROM: a WITH query where one is in sight, else a relation. Read: this is what makes it one. */
function rangeVar(analysis: Analysis, range: RangeVar, scope: Scope): ScopeItem {
  const common = range.schemaname === undefined ? scope.commonTable(range.relname ?? '') : undefined
  if (common !== undefined) return commonTableItem(common, range.alias, range.location)
  const relation = relationOf(analysis, range)
  return relationItem(analysis, range, analysis.read(relation, range.inh !== true))
}

/** A relation under its own name or its alias, with these columns. */
export function relationItem(analysis: Analysis, range: RangeVar, columns: readonly Column[]): ScopeItem {
  const relation = relationOf(analysis, range)
  const renamed = range.alias !== undefined
  return {
    alias: range.alias?.aliasname ?? relation.name,
    relation: renamed ? null : relation,
    hidden: relation.systemColumns.map(({ name, typeOid, source }) => ({
      name,
      value: copyOf(new Set([source]), typeOid),
    })),
    columns: rename(columns, range.alias, range.location),
    bare: true,
  }
}

function commonTableItem(common: CommonTable, alias: Alias | undefined, location: number | undefined): ScopeItem {
  return plainItem(alias?.aliasname ?? common.name, rename(common.columns(location), alias, location))
}

/** Without LATERAL a sub-query sees the levels outside, but none of its neighbours. */
function subselect(
  analysis: Analysis,
  { subquery, alias, lateral = false }: RangeSubselect,
  scope: Scope,
  siblings: readonly ScopeItem[],
): ScopeItem {
  if (subquery === undefined) throw unsupported('a sub-query without a query')
  const columns = analysis.query(subquery, scope.withItems(lateral ? siblings : []))
  return plainItem(alias?.aliasname ?? null, rename(columns, alias))
}

const SAMPLING = new Set(['bernoulli', 'system'])

function sample(
  analysis: Analysis,
  { relation, method, args, repeatable, location }: RangeTableSample,
  scope: Scope,
  lateral: readonly ScopeItem[],
): FromEntry {
  const name = names(method).join('.')
  if (!SAMPLING.has(name)) throw unsupported(`the sampling method ${name} is not covered`, location)
  if (relation === undefined) throw unsupported('a sample of nothing', location)
  for (const node of [...(args ?? []), ...(repeatable === undefined ? [] : [repeatable])]) {
    analysis.findings.use(analysis.value(node, scope.withItems(lateral)), 'predicate')
  }
  return fromEntry(analysis, relation, scope, lateral)
}

function join(analysis: Analysis, node: JoinExpr, scope: Scope, lateral: readonly ScopeItem[]): FromEntry {
  if (node.larg === undefined || node.rarg === undefined) throw unsupported('a join without two sides')
  const left = fromEntry(analysis, node.larg, scope, lateral)
  const right = fromEntry(analysis, node.rarg, scope, [...lateral, ...left.items])
  analysis.budget.spend(left.main.columns.length + right.main.columns.length)
  const shared = sharedNames(node, left.main.columns, right.main.columns)
  const merged = shared.map((name) => mergedColumn(analysis, name, left.main.columns, right.main.columns))
  if (node.quals !== undefined) {
    // transformJoinOnClause: the condition sees both sides and the levels outside, not the join's neighbours.
    const condition = analysis.value(node.quals, scope.withItems([...left.items, ...right.items]))
    analysis.findings.use(condition, 'predicate')
  }
  const rest = [...left.main.columns, ...right.main.columns].filter(({ name }) => !shared.includes(name))
  const main = plainItem(node.alias?.aliasname ?? null, rename([...merged, ...rest], node.alias))
  if (node.alias !== undefined) return single(main)
  const named = [...left.items, ...right.items].map((item) => (item.bare ? { ...item, bare: false } : item))
  const using = node.join_using_alias
  const usingItem = using === undefined ? [] : [{ ...plainItem(using.aliasname ?? null, merged), bare: false }]
  return { main, items: [main, ...named, ...usingItem] }
}

function sharedNames(node: JoinExpr, left: readonly Column[], right: readonly Column[]): readonly string[] {
  if (node.isNatural !== true) return names(node.usingClause)
  const others = new Set(right.map(({ name }) => name))
  return left.map(({ name }) => name).filter((name) => others.has(name))
}

/** USING compares the two columns by `=` and shows one: the left, or the right where an outer join lacks the left. */
function mergedColumn(analysis: Analysis, name: string, left: readonly Column[], right: readonly Column[]): Column {
  operator(analysis, ['='], undefined)
  const [one, other] = [onlyColumn(name, left), onlyColumn(name, right)]
  const both = made([one, other])
  analysis.findings.use(both, 'predicate')
  analysis.findings.meet(both, 'predicate')
  return { name, value: oneOf(one, other) }
}

function onlyColumn(name: string, columns: readonly Column[]): Value {
  const [first, ...others] = columns.filter((column) => column.name === name)
  if (first === undefined)
    throw unresolved(`column "${name}" specified in USING does not exist`, undefined, 'undefinedColumn')
  if (others.length > 0) throw unresolved(`column "${name}" in USING is ambiguous`, undefined, 'ambiguousColumn')
  return first.value
}

function plainItem(alias: string | null, columns: readonly Column[]): ScopeItem {
  return { alias, relation: null, hidden: [], columns, bare: true }
}

import type { Analysis } from './analysis.ts'
import { all, bodyOf } from './ast.ts'
import type { CatalogColumn, ColumnSource, OwnOrigin, Relation } from './relation.ts'
import { compositeFields } from './composite-fields.ts'
import type { Findings } from './findings.ts'
import { opaque, Refusal, unsupported } from './refusal.ts'
import { family } from './relations.ts'
import { EMPTY_SCOPE, Scope, type ScopeItem } from './scope.ts'
import { checkShape } from './shape.ts'
import { type Column, copyOf, made, NOTHING, type Value } from './value.ts'

/** Names a relation as read, with all that stands behind it, and gives its columns with what they are made of. */
export function readRelation(analysis: Analysis, relation: Relation, only: boolean): readonly Column[] {
  if (relation.kind === 'composite') throw unsupported(`${relation.qualified} is a type, not a table`)
  if (relation.own !== null) return ownColumns(analysis, relation, relation.own)
  const members = family(relation, only)
  for (const member of members) admit(analysis, member)
  if (relation.kind === 'view' && !relation.system) return viewColumns(analysis, relation)
  return relation.columns.map((column) => ({
    name: column.name,
    value: columnValue(analysis, relation, column, members),
  }))
}

/** What a session made itself: every column brings along what was put into it. */
function ownColumns(
  analysis: Analysis,
  relation: Relation,
  { made, values, behind, uses }: OwnOrigin,
): readonly Column[] {
  const { findings } = analysis
  for (const each of [relation, ...behind]) findings.relations.add(each)
  for (const [source, use] of uses) findings.useOf(source, use)
  for (const name of made.reads?.functions ?? []) findings.functions.add(name)
  findings.effects ||= made.reads?.effects === true
  return relation.columns.map(({ name }, index) => ({ name, value: { ...NOTHING, ...values[index] } }))
}

function admit(analysis: Analysis, relation: Relation): void {
  analysis.findings.relations.add(relation)
  // A policy's expression and another server may do anything: a read is then no proven read.
  if (relation.rowSecurity || relation.kind === 'foreign-table') analysis.findings.effects = true
  const risky = relation.columns.find(({ declaredTypeOid }) => analysis.catalog.hasRiskyCasts(declaredTypeOid))
  if (risky !== undefined) {
    const column = `column ${relation.qualified}.${risky.name}`
    analysis.findings.runs(opaque(column, `${column} has a type whose casts may run a user's function`))
  }
}

function columnValue(
  analysis: Analysis,
  relation: Relation,
  column: CatalogColumn,
  members: ReadonlySet<Relation>,
): Value {
  const sources = new Set<ColumnSource>([column.source])
  for (const member of members) {
    const same = member.columns.find(({ name }) => name === column.name)
    if (same !== undefined) sources.add(same.source)
  }
  const plain = copyOf(sources, column.typeOid)
  const own = { ...plain, fields: compositeFields(analysis.catalog, column.typeOid, plain) }
  return column.generated === null
    ? own
    : { ...made([own, generated(analysis, relation, column)]), typeOid: column.typeOid }
}

/** A generated column holds what its expression makes of the others. */
function generated(analysis: Analysis, relation: Relation, column: CatalogColumn): Value {
  const what = `the generated column ${relation.qualified}.${column.name}`
  if (column.generated === null || column.generated === 'unreadable') throw opaque(what, `${what} can't be read`)
  const plain: ScopeItem = {
    alias: relation.name,
    relation,
    hidden: [],
    columns: relation.columns.map(({ name, source, typeOid }) => ({ name, value: copyOf(new Set([source]), typeOid) })),
    bare: true,
  }
  const target = all('ResTarget', bodyOf('SelectStmt', column.generated)?.targetList)[0]?.val
  if (target === undefined) throw opaque(what, `${what} can't be read`)
  const definition = column.generated
  return inDefinition(what, () => {
    checkShape(definition)
    const inner = analysis.forDefinition()
    const value = inner.value(target, new Scope(null, [plain]))
    // Stored ones were computed when the row was written; those of PostgreSQL 18's virtual kind are computed as they are read.
    for (const code of inner.findings.opaque.values()) analysis.findings.runs(code.within(what))
    return value
  })
}

interface ViewLineage {
  readonly columns: readonly Column[]
  readonly findings: Findings
}

/** A view's lineage depends on its catalogue alone, and lives as long as that does. */
const LINEAGES = new WeakMap<Relation, ViewLineage>()

function viewColumns(analysis: Analysis, view: Relation): readonly Column[] {
  const what = `the view ${view.qualified}`
  const known = LINEAGES.get(view) ?? inDefinition(what, () => viewLineage(analysis, view))
  LINEAGES.set(view, known)
  analysis.findings.include(known.findings, what)
  return known.columns
}

function viewLineage(analysis: Analysis, view: Relation): ViewLineage {
  if (view.definition === null || view.definition === 'unreadable')
    throw opaque(`view ${view.qualified}`, 'its definition can’t be read')
  checkShape(view.definition)
  const inner = analysis.forDefinition()
  const columns = inner.query(view.definition, EMPTY_SCOPE)
  if (columns.length !== view.columns.length)
    throw opaque(`view ${view.qualified}`, 'its definition has another number of columns')
  return {
    findings: inner.findings,
    columns: view.columns.map(({ name, source, typeOid }, index) => {
      const value = columns[index]?.value ?? NOTHING
      return { name, value: { ...value, sources: new Set([source, ...value.sources]), typeOid, fields: null } }
    }),
  }
}

function inDefinition<T>(what: string, analyse: () => T): T {
  try {
    return analyse()
  } catch (error) {
    throw error instanceof Refusal ? error.within(what) : error
  }
}

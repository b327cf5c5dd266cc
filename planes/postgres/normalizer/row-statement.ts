import type { Node } from 'libpg-query'
import type { ActionClass, PartUse } from '../../../engine/index.ts'
import { bodyOf } from './ast.ts'
import type { ColumnSource, Relation } from './relation.ts'
import type { Findings } from './findings.ts'
import type { NormalizedPart, NormalizedResource, Outcome, OutputColumn, ParameterUse } from './normalized.ts'
import { EMPTY_SCOPE } from './scope.ts'
import { checkShape } from './shape.ts'
import type { Column } from './value.ts'
import type { Walk } from './walk.ts'

const USES: readonly PartUse[] = ['output', 'derived', 'predicate', 'written']

/** SELECT, INSERT, UPDATE, DELETE, MERGE: walked whole. */
export function rowStatement(walk: Walk, node: Node): Outcome {
  checkShape(node)
  const columns = walk.query(node, EMPTY_SCOPE)
  if (!returnsRows(node)) return outcomeOf(walk.findings)
  for (const { value } of columns) walk.findings.use(value, value.copy ? 'output' : 'derived')
  return { ...outcomeOf(walk.findings), outputs: columns.map(outputColumn) }
}

/** A query whose rows go somewhere else than into a result: none of its columns can be masked on the way. */
export function consumedQuery(walk: Walk, node: Node): Outcome {
  checkShape(node)
  const columns = walk.query(node, EMPTY_SCOPE)
  for (const { value } of columns) walk.findings.use(value, 'derived')
  return { ...outcomeOf(walk.findings), outputs: columns.map(outputColumn) }
}

/** All that was found, but for what comes back. */
export function outcomeOf(findings: Findings): Outcome {
  return {
    kind: findings.worst.kind,
    class: classOf(findings),
    effectFree: !findings.effects,
    resources: resourcesOf(findings),
    functions: [...findings.functions].toSorted(),
    sideEffects: [...findings.sideEffects.values()],
    opaque: [...findings.opaque.values()],
    parameterUses: parameterUses(findings),
    carries: findings.carries,
  }
}

function returnsRows(node: Node): boolean {
  const write =
    bodyOf('InsertStmt', node) ?? bodyOf('UpdateStmt', node) ?? bodyOf('DeleteStmt', node) ?? bodyOf('MergeStmt', node)
  return write === undefined || write.returningClause !== undefined
}

/** A read of nothing but the catalogue discovers. */
function classOf({ worst, relations }: Findings): ActionClass {
  const catalogue = relations.size > 0 && [...relations].every(({ system }) => system)
  return worst.class === 'read' && catalogue ? 'discover' : worst.class
}

function outputColumn({ name, value }: Column): OutputColumn {
  return { name, sources: [...value.sources], copy: value.copy, typeOid: value.typeOid }
}

/** Every relation that was named or reached, with the columns that were used, both in catalogue order. */
function resourcesOf({ relations, uses, written }: Findings): readonly NormalizedResource[] {
  return [...relations].map((relation) => ({
    type: relation.kind,
    name: relation.qualified,
    parts: columnsOf(relation)
      .filter((source) => uses.has(source))
      .map((source) => part(source, uses.get(source) ?? new Set(), written)),
  }))
}

function columnsOf(relation: Relation): readonly ColumnSource[] {
  return [...relation.columns, ...relation.systemColumns].map(({ source }) => source)
}

function part(source: ColumnSource, uses: ReadonlySet<PartUse>, written: Findings['written']): NormalizedPart {
  const ordered = USES.filter((use) => uses.has(use))
  return uses.has('written')
    ? { name: source.part, uses: ordered, written: written.get(source) ?? null }
    : { name: source.part, uses: ordered }
}

function parameterUses({ meetings }: Findings): readonly (readonly ParameterUse[])[] {
  const highest = Math.max(0, ...meetings.keys())
  return Array.from({ length: highest }, (_, index) =>
    [...(meetings.get(index + 1) ?? [])].flatMap(([{ resource, part: name }, uses]) =>
      USES.filter((use) => uses.has(use)).map((use) => ({ resource, part: name, use })),
    ),
  )
}

import type { Analysis } from './analysis.ts'
import type { ForeignKey, ForeignKeyAction, Relation } from './relation.ts'
import { family } from './relations.ts'

/** Every trigger of a relation: which of them a row sets off depends on its values. */
export function setOff(analysis: Analysis, { qualified, triggers }: Relation): void {
  for (const { name, runs } of triggers) {
    analysis.findings.sideEffect({ kind: 'trigger', on: qualified, name, does: runs })
  }
}

/** Rows of `relation` go: what refers to them goes with them, or loses its reference, and so on from there. */
export function deleted(analysis: Analysis, relation: Relation, only: boolean): void {
  follow(analysis, relation, only, ({ onDelete }) => onDelete)
}

/** Rows of `relation` change: where a key does that others refer to, they change with it. */
export function updated(analysis: Analysis, relation: Relation, only: boolean): void {
  follow(analysis, relation, only, ({ onUpdate, keys }) => {
    const changed = keys.some(({ source }) => analysis.findings.written.has(source))
    return changed ? onUpdate : null
  })
}

/** A view's rows are those of what stands behind it: any relation that is known by now may be that. */
function reached(analysis: Analysis, relation: Relation, only: boolean): readonly Relation[] {
  return [...(relation.kind === 'view' ? analysis.findings.relations : family(relation, only))]
}

function follow(
  analysis: Analysis,
  relation: Relation,
  only: boolean,
  action: (key: ForeignKey) => ForeignKeyAction | null,
): void {
  for (const member of reached(analysis, relation, only)) {
    for (const key of member.referredBy) {
      const does = action(key)
      if (does !== null) change(analysis, key, does, action)
    }
  }
}

/** One foreign key's doing. Its relation counts as changed, so that a policy's rules about that relation hold. */
function change(
  analysis: Analysis,
  { name, from, columns }: ForeignKey,
  does: ForeignKeyAction,
  action: (key: ForeignKey) => ForeignKeyAction | null,
): void {
  const isNew = analysis.findings.sideEffect({ kind: 'foreign_key', on: from.qualified, name, does })
  if (!isNew) return // foreign keys may refer to each other in a circle
  for (const member of family(from, false)) {
    analysis.read(member, true)
    setOff(analysis, member)
  }
  const known = does === 'set_null' ? [{ kind: 'constant', value: null } as const] : null
  for (const { source } of columns) analysis.findings.write(source, known)
  if (does === 'cascade') follow(analysis, from, false, action)
  else updated(analysis, from, false)
}

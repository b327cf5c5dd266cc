import type { Node, RangeVar } from 'libpg-query'
import type { PartUse } from '../../../engine/index.ts'
import { bodyOf, kindOf } from './ast.ts'
import type { Relation } from './relation.ts'
import type { NormalizedResource, Outcome } from './normalized.ts'
import { Refusal } from './refusal.ts'
import { family, relationOf } from './relations.ts'
import { plainKind } from './statement-kinds.ts'
import { sweep } from './sweep.ts'
import type { Walk } from './walk.ts'

/** Where nothing is known of how a column is used, it counts as used in every way that may tell its value. */
const ANY_USE: readonly PartUse[] = ['output', 'derived', 'predicate']

/**
 * A statement that the analysis gave up on, for a policy that wants such statements all the same: what it can be seen to
 * mention, with nothing known of what comes back. `why`: the reason that is given to the client where none wants it.
 */
export function unseenStatement(walk: Walk, node: Node, why: Refusal): Outcome {
  const ranges = sweep(walk, node)
  const relations = new Set(ranges.flatMap((range) => reached(walk, range)))
  return {
    kind: kindFor(node),
    class: 'control',
    resources: [...relations].map(exposed),
    answerUnknown: true,
    functions: [...walk.findings.functions].toSorted(),
    opaque: [why, ...walk.findings.opaque.values()],
    effect: { kind: 'unseen' },
    parameterUses: [],
  }
}

/** The direction and the other end of a COPY tell what the protocol does next. */
function kindFor(node: Node): string {
  const copy = bodyOf('CopyStmt', node)
  if (copy === undefined) return plainKind(kindOf(node))
  const direction = copy.is_from === true ? 'copy_from' : 'copy_to'
  if (copy.is_program === true) return `${direction}_program`
  return copy.filename === undefined ? direction : `${direction}_file`
}

function reached(walk: Walk, range: RangeVar): readonly Relation[] {
  try {
    const named = [...family(relationOf(walk, range), false)]
    return named.flatMap((relation) => [relation, ...behind(walk, relation)])
  } catch (error) {
    if (error instanceof Refusal) return []
    throw error
  }
}

/** A view's own relations, as far as its definition can be read. */
function behind(walk: Walk, { kind, definition, own }: Relation): readonly Relation[] {
  if (own !== null) return own.behind
  if (kind !== 'view' || definition === null || definition === 'unreadable') return []
  return sweep(walk, definition).flatMap((range) => reached(walk, range))
}

function exposed({ kind, qualified, columns }: Relation): NormalizedResource {
  return { type: kind, name: qualified, parts: columns.map(({ name }) => ({ name, uses: ANY_USE })) }
}

import type { JsonObject } from '../../../engine/index.ts'
import type { NormalizedStatement } from '../normalizer/index.ts'

/** What a statement's own text doesn't tell. */
export interface Asked {
  /** The statement's own kind, or `prepare` where it isn't run. */
  readonly kind: string
  readonly database: string
  readonly user: string
  /** Bind values as text, `$1` first. */
  readonly parameters: readonly (string | null)[]
}

/** `input.postgres`, whoever asks policy: a rule that reads a field finds it in every request. */
export function requestBlock(statement: NormalizedStatement, { kind, database, user, parameters }: Asked): JsonObject {
  return {
    kind,
    statement: statement.text,
    database,
    user,
    functions: statement.functions,
    side_effects: statement.sideEffects.map((effect) => ({ ...effect })),
    opaque: statement.opaque.map(({ what }) => what).toSorted(),
    parameters,
    setting: settingOf(statement, parameters),
  }
}

function settingOf({ setting }: NormalizedStatement, parameters: readonly (string | null)[]): JsonObject | null {
  if (setting === null) return null
  const { name, value, parameter } = setting
  return { name, value: parameter === undefined ? value : (parameters[parameter - 1] ?? '') }
}

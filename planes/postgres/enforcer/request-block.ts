import { constant, type JsonObject } from '../../../engine/index.ts'
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
  const { functions, opaque, side_effects, ...fixed } = fixedPart(statement)
  const setting = boundSetting(statement, parameters) ?? fixed.setting
  return { database, functions, kind, opaque, parameters, setting, side_effects, statement: statement.text, user }
}

interface FixedPart {
  readonly functions: readonly string[]
  readonly opaque: readonly string[]
  readonly setting: JsonObject | null
  readonly side_effects: readonly JsonObject[]
}

const FIXED = new WeakMap<NormalizedStatement, FixedPart>()

/** The same objects each time that the same statement is run, so that what is written of them once is kept. */
function fixedPart(statement: NormalizedStatement): FixedPart {
  const known = FIXED.get(statement)
  if (known !== undefined) return known
  const fixed = constant({
    functions: [...statement.functions],
    opaque: statement.opaque.map(({ what }) => what).toSorted(),
    setting: statement.setting === null ? null : { ...statement.setting },
    side_effects: statement.sideEffects.map((effect) => ({ ...effect })),
  })
  FIXED.set(statement, fixed)
  return fixed
}

/** A setting's value that Bind brings; undefined where there is none to bring. */
function boundSetting(
  { setting }: NormalizedStatement,
  parameters: readonly (string | null)[],
): JsonObject | undefined {
  if (setting?.parameter === undefined) return undefined
  return { name: setting.name, value: parameters[setting.parameter - 1] ?? '' }
}

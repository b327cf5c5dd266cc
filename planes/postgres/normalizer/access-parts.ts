import { constant, type Labels, type Resource, type ResourcePart } from '../../../engine/index.ts'
import type { WrittenValue } from './findings.ts'
import type { NormalizedPart, NormalizedStatement } from './normalized.ts'
import { hasForm } from './written-value.ts'

/**
 * A statement's resources as policy sees them: with the labels in force and with what was bound in place of parameters.
 * `parameters`: as text, `$1` first; undefined where a binary value's text isn't known.
 */
export function accessParts(
  statement: NormalizedStatement,
  labels: Labels,
  parameters: readonly (string | null | undefined)[],
): { readonly resources: readonly Resource[] } {
  if (statement.resources.some(({ parts }) => parts.some(({ written }) => written !== undefined))) {
    return { resources: resourcesOf(statement, labels, parameters) }
  }
  // Nothing bound shows in it: the same for every execution under the same labels.
  const known = KEPT.get(statement)
  if (known?.labels === labels) return { resources: known.resources }
  const resources = constant(resourcesOf(statement, labels, []))
  KEPT.set(statement, { labels, resources })
  return { resources }
}

const KEPT = new WeakMap<NormalizedStatement, { readonly labels: Labels; readonly resources: readonly Resource[] }>()

function resourcesOf(
  statement: NormalizedStatement,
  labels: Labels,
  parameters: readonly (string | null | undefined)[],
): readonly Resource[] {
  return statement.resources.map(({ type, name, parts }): Resource => {
    const labelled = labels.resources[name]
    return {
      type,
      name,
      labels: [],
      parts: parts.map((part) => accessPart(part, labelled?.[part.name], parameters)),
    }
  })
}

function accessPart(
  { name, uses, written }: NormalizedPart,
  labels: readonly string[] | undefined,
  parameters: readonly (string | null | undefined)[],
): ResourcePart {
  const part = { name, labels: labels ?? [], uses }
  return written === undefined ? part : { ...part, values: valuesOf(written, parameters) }
}

/** Every value, or null where one of them can't be told. */
function valuesOf(
  written: readonly WrittenValue[] | null,
  parameters: readonly (string | null | undefined)[],
): readonly (string | null)[] | null {
  if (written === null) return null
  const values = written.map((value) => valueOf(value, parameters))
  return values.includes(undefined) ? null : values.filter((value) => value !== undefined)
}

function valueOf(value: WrittenValue, parameters: readonly (string | null | undefined)[]): string | null | undefined {
  if (value.kind === 'constant') return value.value
  const bound = parameters[value.index - 1]
  return typeof bound === 'string' && !hasForm(bound, value.form) ? undefined : bound
}

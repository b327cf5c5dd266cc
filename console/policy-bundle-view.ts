import { rulesOf, selfTestsOf, type PolicyRule } from '../engine/controls/index.ts'
import type { JsonObject } from '../engine/index.ts'
import type { ActivePolicy } from '../engine/policy/index.ts'
import * as shape from './shape.ts'

interface RuleView {
  readonly id: string
  readonly verdict: string
  readonly title: string
  readonly controls: readonly string[]
  readonly where: string | null
  readonly tests: readonly string[]
}

/** What a bundle says of itself. */
export function bundleView(policy: ActivePolicy): object {
  const { reference, metadata, entrypoints } = policy
  return {
    policy: { revision: reference.revision, digest: reference.digest },
    entrypoints,
    compiler: textOf(metadata['compiler']),
    control_pack: textOf(Reflect.get(Object(metadata['control_pack']), 'version')),
    rules: rulesIn(policy),
  }
}

/** Rules that were added, went, or say something else; and top-level documents of data that are not the same. */
export function bundleDifference(live: ActivePolicy | null, candidate: ActivePolicy): object {
  const before = new Map((live === null ? [] : rulesIn(live)).map((rule) => [rule.id, rule]))
  const after = new Map(rulesIn(candidate).map((rule) => [rule.id, rule]))
  const changed = [...after.values()].flatMap((rule) => {
    const was = before.get(rule.id)
    return was === undefined || JSON.stringify(was) === JSON.stringify(rule) ? [] : [{ before: was, after: rule }]
  })
  return {
    from: live === null ? null : { ...live.reference },
    to: { ...candidate.reference },
    added: [...after.values()].filter(({ id }) => !before.has(id)),
    removed: [...before.values()].filter(({ id }) => !after.has(id)),
    changed,
    data: dataDifference(live?.data ?? {}, candidate.data),
  }
}

function dataDifference(before: JsonObject, after: JsonObject): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name])).toSorted()
}

function rulesIn({ metadata }: ActivePolicy): readonly RuleView[] {
  const tests = selfTestsOf(metadata)
  const raw: unknown = metadata['rules']
  const list: readonly unknown[] = Array.isArray(raw) ? raw : []
  return rulesOf(metadata).map((rule: PolicyRule, at) => {
    const { file, line }: { readonly file?: unknown; readonly line?: unknown } = Object(list[at])
    const where = typeof file === 'string' ? `${file}:${String(line)}` : null
    return { ...rule, where, tests: [...(tests.get(rule.id) ?? [])] }
  })
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

const reference = shape.object({ revision: shape.text, digest: shape.digest })
const ruleShape = shape.object({
  id: shape.text,
  verdict: shape.text,
  title: shape.text,
  controls: shape.texts,
  where: shape.optionalText,
  tests: shape.texts,
})

export const bundleShape: shape.Shape = shape.object({
  policy: reference,
  entrypoints: shape.texts,
  compiler: shape.optionalText,
  control_pack: shape.optionalText,
  rules: shape.list(ruleShape),
})

export const differenceShape: shape.Shape = shape.object({
  from: shape.orNull(reference),
  to: reference,
  added: shape.list(ruleShape),
  removed: shape.list(ruleShape),
  changed: shape.list(shape.object({ before: ruleShape, after: ruleShape })),
  data: shape.texts,
})

import type { Labels } from '../../../engine/index.ts'
import type { NormalizedStatement } from '../normalizer/index.ts'

export function isLabelled(labels: Labels, resource: string, part: string): boolean {
  return (labels.resources[resource]?.[part]?.length ?? 0) > 0
}

/** Anything at all is labelled. */
export function protectsAny({ resources }: Labels): boolean {
  return Object.keys(resources).length > 0
}

/** What is opaque may reach any labelled table there is. */
export function isSensitive(statement: NormalizedStatement, labels: Labels): boolean {
  if (statement.opaque.length > 0) return protectsAny(labels)
  return statement.resources.some((resource) => labels.resources[resource.name] !== undefined)
}

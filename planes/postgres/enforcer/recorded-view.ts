import type { AccessRequest, JsonObject, Labels, Resource, ResourcePart } from '../../../engine/index.ts'
import type { NormalizedStatement } from '../normalizer/index.ts'
import { isLabelled, isSensitive } from './labelled.ts'
import { withinRecord } from './recorded-size.ts'

const MASKED = '[masked]'

/**
 * What goes into the record and before an approver: a value that is written to or compared with a labelled column is
 * masked, and so is every value whose place in the statement couldn't be told, where a labelled table is touched. What has
 * nothing to mask is the very same object.
 */
export function recordedView(
  statement: NormalizedStatement,
  labels: Labels,
  resources: readonly Resource[],
  block: JsonObject,
  parameters: readonly (string | null)[],
): AccessRequest['recorded'] {
  if (!isSensitive(statement, labels)) return withinRecord({ resources, block }, parameters)
  const isOpen = (_value: string | null, index: number): boolean => {
    const uses = statement.parameterUses[index]
    return uses !== undefined && uses !== 'unknown' && uses.every((use) => !isLabelled(labels, use.resource, use.part))
  }
  const kept = resources.some(writesLabelled) ? resources.map(withoutLabelledValues) : resources
  if (parameters.every(isOpen)) return withinRecord({ resources: kept, block }, parameters)
  const open = parameters.map((value, index) => (isOpen(value, index) ? value : MASKED))
  return withinRecord({ resources: kept, block: { ...block, parameters: open } }, open)
}

function writesLabelled({ parts }: Resource): boolean {
  return parts.some(isLabelledValue)
}

function withoutLabelledValues(resource: Resource): Resource {
  return { ...resource, parts: resource.parts.map(withoutLabelledValue) }
}

function withoutLabelledValue(part: ResourcePart): ResourcePart {
  if (!isLabelledValue(part)) return part
  return { ...part, values: (part.values ?? []).map(() => MASKED) }
}

function isLabelledValue({ labels, values }: ResourcePart): boolean {
  return labels.length > 0 && values !== undefined && values !== null
}

import type { Labels } from '../../../engine/index.ts'

/** A key of the policy's labels that this request meets: `bank/customers/{id}`, `bank/exports/**`. */
export interface Route {
  readonly name: string
  /** What stands in the place of `{id}`, by that name. */
  readonly variables: ReadonlyMap<string, string>
  readonly labels: Readonly<Record<string, readonly string[]>>
}

interface Template {
  readonly name: string
  readonly steps: readonly string[]
}

/** By the resources of a bundle's labels, which stay the same object as long as it is in force. */
const TEMPLATES = new WeakMap<object, readonly Template[]>()

/** Every route that the path meets. Labels of all of them count: a wider one never loosens a narrower one. */
export function routesOf(labels: Labels, api: string, segments: readonly string[]): readonly Route[] {
  const path = [api, ...withoutLastSlash(segments)]
  return templatesOf(labels).flatMap(({ name, steps }) => {
    const variables = matched(steps, path)
    return variables === null ? [] : [{ name, variables, labels: labels.resources[name] ?? {} }]
  })
}

/** Many servers take `/customers/` for `/customers`; a label that didn't would be a way around it. */
function withoutLastSlash(segments: readonly string[]): readonly string[] {
  return segments.at(-1) === '' ? segments.slice(0, -1) : segments
}

function templatesOf({ resources }: Labels): readonly Template[] {
  const known = TEMPLATES.get(resources)
  if (known !== undefined) return known
  const templates = Object.keys(resources).map((name) => ({ name, steps: name.replace(/\/$/, '').split('/') }))
  TEMPLATES.set(resources, templates)
  return templates
}

/** Without regard to capitals, as some servers route: a label covers more rather than less. */
function matched(steps: readonly string[], path: readonly string[]): ReadonlyMap<string, string> | null {
  const variables = new Map<string, string>()
  for (const [index, step] of steps.entries()) {
    if (step === '**' && index === steps.length - 1) return variables
    const segment = path[index]
    if (segment === undefined) return null
    const variable = /^\{([^{}]+)\}$/.exec(step)?.[1]
    if (variable !== undefined) variables.set(variable, segment)
    else if (step !== '*' && step.toLowerCase() !== segment.toLowerCase()) return null
  }
  return steps.length === path.length ? variables : null
}

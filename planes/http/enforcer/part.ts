import { type FieldMask, type MaskMethod, ObligationError, TEXT_PATTERNS } from '../../../engine/index.ts'

/** What of a body or a head a label or a mask can name. */
export type Part =
  | { readonly kind: 'body' }
  /** `body/customer/ssn`: `*` any key or element, `**` any number of them; lists are looked through. In small letters. */
  | { readonly kind: 'path'; readonly path: readonly string[] }
  /** `body~iban`: what looks so, wherever it stands. */
  | { readonly kind: 'pattern'; readonly pattern: RegExp }
  | { readonly kind: 'header'; readonly name: string }

/** One mask of a verdict: over what goes up, or over what comes back. */
export interface PlannedMask {
  readonly field: string
  readonly method: MaskMethod
  readonly side: 'request' | 'answer'
  readonly part: Part
}

/** `resources`: names in the request that was judged. Throws ObligationError for a field that none of them can have. */
export function plannedMask({ field, method }: FieldMask, resources: readonly string[]): PlannedMask {
  for (const resource of resources) {
    if (!field.startsWith(`${resource}.`)) continue
    const name = field.slice(resource.length + 1)
    const isSent = name.startsWith('request.')
    const part = readPart(isSent ? name.slice(8) : name)
    if (part !== null) return { field, method, side: isSent ? 'request' : 'answer', part }
  }
  throw new ObligationError(
    'ERR_OBLIGATION_UNENFORCEABLE',
    `${field} must be masked, and neither request nor answer can have it; parts are body, body/path, body~pattern, header.name, and the same with request. in front`,
  )
}

function readPart(name: string): Part | null {
  if (name === 'body') return { kind: 'body' }
  if (name.startsWith('body/') && name.length > 5) return { kind: 'path', path: name.slice(5).toLowerCase().split('/') }
  if (name.startsWith('body~')) {
    const pattern = TEXT_PATTERNS.get(name.slice(5))
    return pattern === undefined ? null : { kind: 'pattern', pattern }
  }
  return name.startsWith('header.') && name.length > 7 ? { kind: 'header', name: name.slice(7).toLowerCase() } : null
}

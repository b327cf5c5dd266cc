import { type Edit, edited } from './edits.ts'
import type { MaskPlan } from './mask-plan.ts'

/** Masks fields of a form by name, each value where it stands. Null for what is no form. */
export function maskForm(bytes: Buffer, plan: MaskPlan): Buffer | null {
  const text = bytes.toString('latin1')
  if (!/^[\x21-\x7e]*$/.test(text) || /%(?![0-9A-Fa-f]{2})/.test(text)) return null
  const edits: Edit[] = []
  let start = 0
  for (const pair of text.split('&')) {
    const mark = pair.indexOf('=')
    const name = decoded(mark === -1 ? pair : pair.slice(0, mark))
    const value = mark === -1 ? '' : decoded(pair.slice(mark + 1))
    if (name === null || value === null) return null
    const method = value === '' ? null : plan.field(name)
    const masked = method === null ? plan.patterned(value) : (plan.text(method, value) ?? '')
    if (masked !== null && mark !== -1)
      edits.push({ start: start + mark + 1, end: start + pair.length, text: encodeURIComponent(masked) })
    start += pair.length + 1
  }
  return edited(bytes, edits)
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return null
  }
}

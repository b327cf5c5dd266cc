import { isUtf8 } from 'node:buffer'
import { maskJson } from './json-edits.ts'
import type { MaskPlan } from './mask-plan.ts'

const LF = 0x0a

/** Server-sent events (WHATWG HTML, 9.2), each masked by itself. Null for bytes that are no UTF-8. */
export function maskEvents(bytes: Buffer, plan: MaskPlan): Buffer | null {
  // What no blank line ends is no event: nobody is told of it.
  return maskWhole(bytes.subarray(0, endOfEvents(bytes)), plan)
}

/** Where the last event that is complete ends: behind a blank line. */
export function endOfEvents(bytes: Buffer): number {
  for (let at = bytes.length; at > 0; at -= 1) {
    if (bytes[at - 1] !== LF) continue
    const line = bytes[at - 2] === 0x0d ? at - 2 : at - 1
    if (line === 0 || bytes[line - 1] === LF) return at
  }
  return 0
}

/** Events that are complete. Lines must end in LF or CRLF: a bare CR is an end of line to some and none to others. */
export function maskWhole(bytes: Buffer, plan: MaskPlan): Buffer | null {
  if (bytes.length === 0) return bytes
  if (!isUtf8(bytes) || /\r(?!\n)/.test(bytes.toString('latin1'))) return null
  const events = bytes.toString('utf8').split(/(?<=\n\r?\n)/)
  return Buffer.from(events.map((event) => maskedEvent(event, plan)).join(''))
}

interface Fields {
  readonly data: string[]
  readonly others: string[]
}

/** Data of several lines is one text. Comments are left out: they could say anything, and mean nothing. */
function maskedEvent(event: string, plan: MaskPlan): string {
  const lines = event.split(/\r?\n/)
  const fields: Fields = { data: [], others: [] }
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (name === 'data') fields.data.push(value)
    else if (name === 'event' || name === 'id' || name === 'retry')
      fields.others.push(`${name}: ${plan.patterned(value) ?? value}\n`)
  }
  const data = fields.data.length === 0 ? '' : maskedData(fields.data.join('\n'), plan)
  const shown = fields.data.length === 0 ? '' : data.replaceAll(/^/gm, 'data: ')
  const told = fields.others.join('') + (shown === '' ? '' : `${shown}\n`)
  if (told !== '') return `${told}\n`
  return event.trim() === '' ? '' : ':\n\n'
}

/** Not JSON, but how some services say that there is no more. */
const DONE = '[DONE]'

function maskedData(data: string, plan: MaskPlan): string {
  if (data === DONE || data === '') return data
  const masked = maskJson(Buffer.from(data), plan)
  if (masked !== null) return masked.toString('utf8')
  return plan.hasPaths ? '[redacted]' : (plan.patterned(data) ?? data)
}

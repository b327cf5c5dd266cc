import { isUtf8 } from 'node:buffer'
import { type MaskMethod, ObligationError } from '../../../engine/index.ts'
import { type HeaderLine, mediaType, soleValue, valuesOf } from '../message.ts'
import { EVENTS_TYPE, formOf } from '../normalizer/body.ts'
import { maskDelimited } from './delimited-edits.ts'
import { maskEvents } from './event-masker.ts'
import { maskForm } from './form-edits.ts'
import { maskJson } from './json-edits.ts'
import type { MaskPlan } from './mask-plan.ts'

/** A body by the content type it has; throws ObligationError where it can't be masked with certainty. */
export function maskBody(headers: readonly HeaderLine[], bytes: Buffer, plan: MaskPlan): Buffer {
  const whole = plan.whole()
  if (whole !== null) return wholeBody(whole, mediaType(headers), bytes, plan)
  checkReadable(headers)
  const type = mediaType(headers)
  const masked = maskAs(type, bytes, plan)
  if (masked === null) throw unmaskable(`an answer of type ${printable(type)} could not be read as such`)
  return masked
}

/** What hides a body from us hides it from the mask: an encoding, a charset, a part of a larger whole, two types. */
export function checkReadable(headers: readonly HeaderLine[]): void {
  const encodings = valuesOf(headers, 'content-encoding').filter((each) => each.trim().toLowerCase() !== 'identity')
  if (encodings.length > 0) throw unmaskable('the body is encoded, though it was asked for as it is')
  if (valuesOf(headers, 'content-range').length > 0) throw unmaskable('the body is a part of a larger one')
  const type = soleValue(headers, 'content-type')
  if (type === null) throw unmaskable('the body has no content type, or several')
  const charset = /;\s*charset=("?)([^\s;"]+)\1/i.exec(type)?.[2] ?? 'utf-8'
  if (!/^(?:utf-?8|us-ascii)$/i.test(charset)) throw unmaskable('the body is not UTF-8')
}

function maskAs(type: string, bytes: Buffer, plan: MaskPlan): Buffer | null {
  if (type === EVENTS_TYPE) return maskEvents(bytes, plan)
  if (type === 'text/csv') return maskDelimited(bytes, ',', plan)
  if (type === 'text/tab-separated-values') return maskDelimited(bytes, '\t', plan)
  switch (formOf(type)) {
    case 'json':
      return maskJson(bytes, plan)
    case 'ndjson':
      return maskLines(bytes, plan)
    case 'form':
      return maskForm(bytes, plan)
    case 'text':
      return plan.hasPaths || !isUtf8(bytes) ? null : maskPlain(bytes, plan)
    default:
      return null
  }
}

/** Text has no fields: only what looks like something labelled can be found in it. */
export function maskPlain(bytes: Buffer, plan: MaskPlan): Buffer {
  const masked = plan.patterned(bytes.toString('utf8'))
  return masked === null ? bytes : Buffer.from(masked)
}

/** A JSON text a line; white space between them stays. */
export function maskLines(bytes: Buffer, plan: MaskPlan): Buffer | null {
  const pieces: Buffer[] = []
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline === -1 ? bytes.length : newline + 1
    const line = bytes.subarray(start, end)
    const masked = line.toString('latin1').trim() === '' ? line : maskJson(line, plan)
    if (masked === null) return null
    pieces.push(masked)
    start = end
  }
  return Buffer.concat(pieces)
}

function wholeBody(method: MaskMethod, type: string, bytes: Buffer, plan: MaskPlan): Buffer {
  const hidden =
    method === 'null' || method === 'redact' ? null : isUtf8(bytes) ? plan.text(method, bytes.toString('utf8')) : null
  if (formOf(type) === 'json') return Buffer.from(method === 'null' ? 'null' : JSON.stringify(hidden ?? '[redacted]'))
  return Buffer.from(method === 'null' ? '' : (hidden ?? '[redacted]'))
}

export function unmaskable(why: string): ObligationError {
  return new ObligationError(
    'ERR_OBLIGATION_UNENFORCEABLE',
    `policy has something of this answer masked, and that can't be done: ${why}`,
  )
}

function printable(type: string): string {
  return /^[a-z0-9!#$&^_.+-]{1,60}\/[a-z0-9!#$&^_.+-]{1,60}$/.test(type) ? type : 'unknown'
}

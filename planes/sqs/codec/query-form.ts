import { ProtocolError } from '../../../engine/index.ts'

export const FORM_TYPE = 'application/x-www-form-urlencoded'

/** Enough for ten entries of ten attributes, each with name, type and value, many times over. */
const MAX_FIELDS = 10_000

/** Fields of a form, each once. A name that comes twice is refused: servers differ in which of the two they take. */
export function readForm(body: Buffer): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const pair of body.toString('latin1').split('&')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    const name = decode(at === -1 ? pair : pair.slice(0, at))
    if (fields.has(name)) throw new ProtocolError('ERR_PROTOCOL_MESSAGE', 'a field stands in the form twice')
    if (fields.size === MAX_FIELDS) throw new ProtocolError('ERR_PROTOCOL_MESSAGE', 'the form has too many fields')
    fields.set(name, decode(at === -1 ? '' : pair.slice(at + 1)))
  }
  return fields
}

// Strict, unlike URLSearchParams: what is no UTF-8 or a broken escape is refused, not replaced.
function decode(written: string): string {
  if (!/^[\u0021-\u007e]*$/.test(written)) throw notForm()
  try {
    return decodeURIComponent(written.replaceAll('+', ' '))
  } catch {
    throw notForm()
  }
}

function notForm(): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', 'the body is not form data in UTF-8')
}

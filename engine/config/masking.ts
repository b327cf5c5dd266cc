import type { ConfigDocument } from './document.ts'
import { shapeAt, type OutsideTexts } from './outside-texts.ts'
import type { MaskingText } from './validation.ts'
import { MASKING_KEY_BYTES, MaskingKey } from '../masking/masking-key.ts'

const DIGITS = MASKING_KEY_BYTES * 2

/** One for all planes: a value looks the same wherever it is masked. Null where there is none. Throws ConfigError. */
export function maskingKey(
  text: MaskingText | undefined,
  { document, outside }: { readonly document: ConfigDocument; readonly outside: OutsideTexts },
): MaskingKey | null {
  if (text === undefined) return null
  const path = ['masking', 'key']
  const secret = outside.read(text.key, path)
  const digits = secret.reveal().trim()
  if (digits.length === DIGITS && /^[0-9a-f]+$/i.test(digits))
    return new MaskingKey(text.key_id, Buffer.from(digits, 'hex'))
  const found = `${digits.length} characters that are not that` // the secret stays out of the message
  throw shapeAt(document, path, `${DIGITS} hex digits in the ${secret.source}`, found)
}

import { hkdfSync } from 'node:crypto'
import { Pseudonyms } from './pseudonyms.ts'

/** Bytes of the secret, and of what is derived from it: AES-256 and HMAC-SHA-256 take as many. */
export const MASKING_KEY_BYTES = 32

/**
 * What `hash` and `pseudonym` hide values under. Whoever has it can undo pseudonyms and try values against hashes, so no
 * client may; another key gives other results for the same values, and `id` in the record tells which one was used.
 */
export class MaskingKey {
  readonly id: string
  readonly hashing: Buffer
  readonly pseudonyms: Pseudonyms

  /** `secret`: MASKING_KEY_BYTES of randomness. Each use has a key of its own (RFC 5869). */
  constructor(id: string, secret: Uint8Array) {
    const derived = (use: string): Buffer =>
      Buffer.from(hkdfSync('sha256', secret, '', `countersign masking ${use}`, MASKING_KEY_BYTES))
    this.id = id
    this.hashing = derived('hash')
    this.pseudonyms = new Pseudonyms(derived('pseudonym'))
  }
}

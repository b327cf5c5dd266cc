import { createHmac, hkdfSync } from 'node:crypto'
import type { MaskMethod } from '../verdict.ts'
import { isUuid, Pseudonyms, uuidText } from './pseudonyms.ts'

/** Bytes of the secret, and of what is derived from it: AES-256 and HMAC-SHA-256 take as many. */
export const MASKING_KEY_BYTES = 32

/** Hex digits of a hash in a text: 128 bits, so that no two values ever share one. */
const HASH_DIGITS = 32

const KEYED: ReadonlySet<MaskMethod> = new Set<MaskMethod>(['hash', 'pseudonym'])

/**
 * What `hash` and `pseudonym` hide values under, the same in every plane, so that a value in an answer can still be joined
 * with one in a table. Whoever has it can undo pseudonyms and try values against hashes, so no client may; another key
 * gives other results for the same values, and `id` in the record tells which one was used.
 */
export class MaskingKey {
  readonly id: string
  readonly pseudonyms: Pseudonyms
  readonly #hashing: Buffer

  /** `secret`: MASKING_KEY_BYTES of randomness. Each use has a key of its own (RFC 5869). */
  constructor(id: string, secret: Uint8Array) {
    const derived = (use: string): Buffer =>
      Buffer.from(hkdfSync('sha256', secret, '', `countersign masking ${use}`, MASKING_KEY_BYTES))
    this.id = id
    this.#hashing = derived('hash')
    this.pseudonyms = new Pseudonyms(derived('pseudonym'))
  }

  /** HMAC-SHA-256 of a value's text. */
  digest(text: string): Buffer {
    return createHmac('sha256', this.#hashing).update(text).digest()
  }

  /** The hash of a text, as a text: of a UUID, as a column of such has it. */
  hash(text: string): string {
    const digest = this.digest(text)
    return isUuid(text) ? uuidText(hashUuid(digest)) : digest.toString('hex', 0, HASH_DIGITS / 2)
  }

  /** Another text of the same format; where too few share the format, the hash. */
  pseudonym(text: string): string {
    return this.pseudonyms.text(text) ?? this.hash(text)
  }
}

/** 16 bytes out of a digest, of version 8 (RFC 9562): made by a rule of its maker's. */
export function hashUuid(digest: Buffer): Buffer {
  const uuid = Buffer.from(digest.subarray(0, 16))
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x80
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80
  return uuid
}

/** Methods that can be carried out: without a key, none that needs one. */
export function methodsUnder(key: MaskingKey | null, methods: readonly MaskMethod[]): readonly MaskMethod[] {
  return methods.filter((method) => key !== null || !KEYED.has(method))
}

/** The key that a method hides values under, as the record names it. */
export function keyUsed(method: MaskMethod, key: MaskingKey | null): { readonly key?: string } {
  return key !== null && KEYED.has(method) ? { key: key.id } : {}
}

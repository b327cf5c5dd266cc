import { hkdfSync } from 'node:crypto'
import { EncryptJWT, jwtDecrypt } from 'jose'
import type { JsonObject } from '../engine/index.ts'

/** What a sealed text was made for; one kind is no good as another. */
export type CookieKind = 'sign-in' | 'session'

/**
 * What a browser keeps for the gateway and can neither read nor change: JWE (RFC 7516), direct encryption with A256GCM.
 * Nothing is kept here, so any gateway on the same state database can open what another sealed.
 */
export class SealedCookies {
  readonly #key: Uint8Array
  readonly #now: () => number

  /** `secret`: 32 bytes that all gateways of a deployment share. `now`: milliseconds since 1970. */
  constructor(secret: Uint8Array, now: () => number) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', 'countersign console cookies v1', 32))
    this.#now = now
  }

  /** `expiresAt`: seconds since 1970. */
  seal(kind: CookieKind, content: JsonObject, expiresAt: number): Promise<string> {
    return new EncryptJWT({ content })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setAudience(kind)
      .setExpirationTime(expiresAt)
      .encrypt(this.#key)
  }

  /** Null for whatever was not sealed here for this, or is over. */
  async open(kind: CookieKind, text: string | undefined): Promise<JsonObject | null> {
    if (text === undefined) return null
    try {
      const { payload } = await jwtDecrypt<{ readonly content: JsonObject }>(text, this.#key, {
        audience: kind,
        currentDate: new Date(this.#now()),
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
        requiredClaims: ['exp'],
      })
      return payload.content
    } catch {
      return null
    }
  }
}

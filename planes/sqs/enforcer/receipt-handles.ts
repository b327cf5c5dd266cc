import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { Principal } from '../../../engine/index.ts'
import { NormalizeError } from '../../../engine/index.ts'
import { derive, type MasterKey } from '../session/credentials.ts'

/** What a handle is good for: a received message, or a move task. */
export type HandleKind = 'receipt' | 'task'

const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** SQS's longest visibility: no receipt handle is good for longer. */
const LIFETIME_MS = 12 * 3600_000

/**
 * Handles leave the gateway encrypted for whoever received them: AES-256-GCM over expiry and handle, bound to agent and
 * queue. Another agent's is as good as garbage, and nothing has to be stored.
 */
export class ReceiptHandles {
  readonly #keys: readonly [KeyObject, ...KeyObject[]]
  readonly #now: () => number

  constructor([first, ...others]: readonly [MasterKey, ...MasterKey[]], now: () => number) {
    this.#keys = [handleKey(first), ...others.map(handleKey)]
    this.#now = now
  }

  seal(kind: HandleKind, handle: string, principal: Principal, arn: string): string {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#keys[0], nonce)
    cipher.setAAD(boundTo(kind, principal, arn))
    const plain = Buffer.alloc(8 + Buffer.byteLength(handle))
    plain.writeBigUInt64BE(BigInt(this.#now() + LIFETIME_MS))
    plain.write(handle, 8)
    return Buffer.concat([
      Buffer.of(VERSION),
      nonce,
      cipher.update(plain),
      cipher.final(),
      cipher.getAuthTag(),
    ]).toString('base64url')
  }

  /** Throws NormalizeError for a handle that this gateway didn't give to this principal for this queue, or that is over. */
  open(kind: HandleKind, sealed: string, principal: Principal, arn: string): string {
    const bytes = Buffer.from(sealed, 'base64url')
    if (
      bytes.toString('base64url') !== sealed ||
      bytes[0] !== VERSION ||
      bytes.length < 1 + NONCE_BYTES + 8 + TAG_BYTES
    )
      throw invalid()
    for (const key of this.#keys) {
      const plain = decrypt(key, bytes, boundTo(kind, principal, arn))
      if (plain === null) continue
      if (Number(plain.readBigUInt64BE()) <= this.#now()) throw invalid()
      return plain.toString('utf8', 8)
    }
    throw invalid()
  }
}

function handleKey({ secret }: MasterKey): KeyObject {
  return createSecretKey(derive(secret, '', 'receipt-handle/v1'))
}

function decrypt(key: KeyObject, bytes: Buffer, aad: Buffer): Buffer | null {
  const body = 1 + NONCE_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, body), { authTagLength: TAG_BYTES })
  decipher.setAAD(aad)
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(body, bytes.length - TAG_BYTES)), decipher.final()])
  } catch {
    return null
  }
}

// As JSON, so that no id can run into the next.
function boundTo(kind: HandleKind, { issuer, id, act }: Principal, arn: string): Buffer {
  return Buffer.from(JSON.stringify([kind, issuer, id, act, arn]))
}

function invalid(): NormalizeError {
  return new NormalizeError('ERR_NORMALIZE_UNRESOLVED', 'this handle was not given to you for this queue, or is over', {
    native: 'ReceiptHandleIsInvalid',
  })
}

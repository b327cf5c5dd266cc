import { hash, randomBytes } from 'node:crypto'
import type { JsonObject, JsonValue } from '../access-request.ts'
import { EvidenceError } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import { asObject, isCount, isLeaf, type Payload, type PayloadDigest } from './decision-record.ts'

/** A payload in canonical JSON may take as many bytes. */
export const MAX_PAYLOAD_BYTES: number = 128 * 1024

/** A payload on its way into a line. */
export interface SaltedPayload {
  readonly digest: PayloadDigest
  /** `{"body":…,"salt":"…"}`, as it stands beside its entry. */
  readonly text: string
}

/** 16 bytes each, from a pool: asking the kernel for each would cost more than hashing with it. */
export class Salts {
  readonly #random: (bytes: number) => Uint8Array
  #pool: Buffer = Buffer.alloc(0)
  #at = 0

  constructor(random: (bytes: number) => Uint8Array = randomBytes) {
    this.#random = random
  }

  /** Lowercase hex. */
  next(): string {
    if (this.#at + SALT_BYTES > this.#pool.length) {
      this.#pool = Buffer.from(this.#random(SALT_BYTES * 256))
      this.#at = 0
    }
    this.#at += SALT_BYTES
    return this.#pool.toString('hex', this.#at - SALT_BYTES, this.#at)
  }
}

const SALT_BYTES = 16

/** Throws EvidenceError ERR_EVIDENCE_RECORD when the body is no plain JSON or takes more than MAX_PAYLOAD_BYTES. */
export function saltPayload(body: unknown, salt: string): SaltedPayload {
  const canonical = canonicalJson(body)
  const bytes = Buffer.byteLength(canonical)
  if (bytes > MAX_PAYLOAD_BYTES) {
    const message = `a payload takes ${bytes} bytes, the limit is ${MAX_PAYLOAD_BYTES}: record a digest of it instead`
    throw new EvidenceError('ERR_EVIDENCE_RECORD', message)
  }
  return {
    digest: { bytes, sha256: saltedDigest(salt, canonical) },
    text: `{"body":${canonical},"salt":"${salt}"}`,
  }
}

const KEPT = /^\{"body":(.*),"salt":"([0-9a-f]{32})"\}$/s
const ERASED = /^null *$/

/** What stands beside an entry, judged by what the entry says of it. `text`: undefined where nothing stands there. */
export function readPayload(digest: PayloadDigest | null, text: string | undefined): Payload {
  if (digest === null) return text === undefined ? { kind: 'none' } : damaged('a payload that the entry does not name')
  if (text === undefined) return damaged('no payload')
  if (ERASED.test(text)) return { kind: 'erased' }
  const [, body, salt] = KEPT.exec(text) ?? []
  if (body === undefined || salt === undefined) return damaged('text that is no payload')
  if (saltedDigest(salt, body) !== digest.sha256 || Buffer.byteLength(body) !== digest.bytes) {
    return damaged(`digest ${saltedDigest(salt, body)}`)
  }
  return parsed(body)
}

/** The `payload` member of an entry; undefined when it is not of that shape. */
export function parsePayloadDigest(entry: JsonObject): PayloadDigest | null | undefined {
  if (entry.payload === undefined) return null
  const { bytes, sha256, ...others } = asObject(entry.payload) ?? {}
  return isCount(bytes) && isLeaf(sha256) && Object.keys(others).length === 0 ? { bytes, sha256 } : undefined
}

function saltedDigest(salt: string, canonical: string): string {
  if (canonical.length * 3 > SCRATCH.length - SALT_BYTES)
    return hash('sha256', Buffer.concat([Buffer.from(salt, 'hex'), Buffer.from(canonical)]), 'hex')
  SCRATCH.write(salt, 0, 'hex')
  const end = SALT_BYTES + SCRATCH.write(canonical, SALT_BYTES)
  return hash('sha256', SCRATCH.subarray(0, end), 'hex')
}

/** Holds salt and text of one digest, for no longer than that call. A UTF-16 unit is three bytes of UTF-8 at most. */
const SCRATCH: Buffer = Buffer.alloc(16 * 1024)

function damaged(found: string): Payload {
  return { kind: 'damaged', found }
}

function parsed(body: string): Payload {
  try {
    const value: JsonValue = JSON.parse(body)
    return { kind: 'kept', body: value }
  } catch {
    return damaged('a body that is no JSON')
  }
}

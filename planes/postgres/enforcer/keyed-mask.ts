import { createHmac } from 'node:crypto'
import { parameterText } from '../session/parameters.ts'
import type { MaskingKey } from './masking-key.ts'
import { JSONB_VERSION, TEXT_LIKE, TYPE_OID, type ValueMask } from './value-form.ts'

/** Hex digits of a hash in a text: 128 bits, so that no two values ever share one. */
const HASH_DIGITS = 32
const NUMERIC_HASH_BYTES = 15
const INTEGER = /^-?\d{1,40}$/
/** A bpchar is padded to its length, which no comparison sees. */
const PADDING = / +$/

/**
 * HMAC-SHA-256 of the value's text, in a form that the type has: the same in text and binary, and for every column. NULL
 * for a type with too few values to keep two hashes apart.
 */
export function hashed(typeOid: number, format: 0 | 1, key: MaskingKey): ValueMask {
  const form = HASH_FORMS.get(typeOid)
  if (form === undefined) return () => null
  return (buffer, start, end) => {
    const text = textOf(typeOid, format, buffer.subarray(start, end))
    if (text === null) return null
    return form(createHmac('sha256', key.hashing).update(text).digest(), format)
  }
}

/**
 * Another value of the same format (see Pseudonyms), the same for the same value in every column of its kind. Where too
 * few share the format: its hash, and NULL for a type that can't hold that.
 */
export function pseudonymous(typeOid: number, format: 0 | 1, key: MaskingKey): ValueMask {
  const { pseudonyms } = key
  const otherwise = hashed(typeOid, format, key)
  switch (typeOid) {
    case TYPE_OID.int4:
    case TYPE_OID.int8:
    case TYPE_OID.numeric:
      return (buffer, start, end) => {
        const text = textOf(typeOid, format, buffer.subarray(start, end))
        const other = text !== null && INTEGER.test(text) ? pseudonyms.integer(BigInt(text)) : null
        return other === null ? null : integerBytes(typeOid, format, other)
      }
    case TYPE_OID.uuid:
      return (buffer, start, end) => {
        const text = textOf(typeOid, format, buffer.subarray(start, end))
        const bytes = Buffer.from(text?.replaceAll('-', '') ?? '', 'hex')
        return bytes.length === 16 ? uuidBytes(pseudonyms.uuid(bytes), format) : null
      }
    default:
      if (!TEXT_LIKE.has(typeOid)) return otherwise
      return (buffer, start, end) => {
        const text = buffer.toString('utf8', start, end)
        const spoken = typeOid === TYPE_OID.bpchar ? text.replace(PADDING, '') : text
        const other = pseudonyms.text(spoken)
        return other === null ? otherwise(buffer, start, end) : Buffer.from(other.padEnd(text.length))
      }
  }
}

type HashForm = (digest: Buffer, format: 0 | 1) => Buffer

const hex: HashForm = (digest) => Buffer.from(digest.toString('hex').slice(0, HASH_DIGITS))
const quoted = (digest: Buffer): string => `"${digest.toString('hex').slice(0, HASH_DIGITS)}"`

const HASH_FORMS: ReadonlyMap<number, HashForm> = new Map<number, HashForm>([
  ...[...TEXT_LIKE].map((typeOid) => [typeOid, hex] as const),
  [TYPE_OID.json, (digest) => Buffer.from(quoted(digest))],
  [
    TYPE_OID.jsonb,
    (digest, format) => Buffer.concat([Buffer.alloc(format, JSONB_VERSION), Buffer.from(quoted(digest))]),
  ],
  [TYPE_OID.uuid, (digest, format) => uuidBytes(versioned(digest.subarray(0, 16)), format)],
  [TYPE_OID.bytea, (digest, format) => (format === 1 ? digest : Buffer.from(`\\x${digest.toString('hex')}`))],
  [TYPE_OID.int8, (digest, format) => integerBytes(TYPE_OID.int8, format, digest.readBigUInt64BE() >> 1n)],
  [
    TYPE_OID.numeric,
    (digest, format) =>
      integerBytes(TYPE_OID.numeric, format, BigInt(`0x${digest.toString('hex', 0, NUMERIC_HASH_BYTES)}`)),
  ],
])

/** The value as the server would write it; null where its binary form can't be read. */
function textOf(typeOid: number, format: 0 | 1, value: Buffer): string | null {
  if (format === 0) return spokenText(typeOid, value.toString('utf8'))
  if (typeOid === TYPE_OID.bytea) return `\\x${value.toString('hex')}`
  if (typeOid === TYPE_OID.jsonb) return value[0] === JSONB_VERSION ? value.toString('utf8', 1) : null
  const text = parameterText(value, format, typeOid)
  return text === undefined || text === null ? null : spokenText(typeOid, text)
}

function spokenText(typeOid: number, text: string): string {
  return typeOid === TYPE_OID.bpchar ? text.replace(PADDING, '') : text
}

/** Version 8 of RFC 9562: made by a rule of its maker's. */
function versioned(bytes: Buffer): Buffer {
  const uuid = Buffer.from(bytes)
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x80
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80
  return uuid
}

function uuidBytes(bytes: Buffer, format: 0 | 1): Buffer {
  if (format === 1) return bytes
  return Buffer.from(bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'))
}

function integerBytes(typeOid: number, format: 0 | 1, value: bigint): Buffer {
  if (format === 0) return Buffer.from(value.toString())
  if (typeOid === TYPE_OID.numeric) return numericBytes(value)
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return typeOid === TYPE_OID.int8 ? bytes : bytes.subarray(4)
}

const NEGATIVE = 0x4000
const NUMERIC_BASE = 10_000n

/** numeric_recv: digit count, weight, sign, display scale, then base-10000 digits. */
function numericBytes(value: bigint): Buffer {
  const groups: number[] = []
  for (let rest = value < 0n ? -value : value; rest > 0n; rest /= NUMERIC_BASE)
    groups.unshift(Number(rest % NUMERIC_BASE))
  const bytes = Buffer.alloc(8 + 2 * groups.length)
  bytes.writeUInt16BE(groups.length, 0)
  bytes.writeInt16BE(Math.max(groups.length - 1, 0), 2)
  bytes.writeUInt16BE(value < 0n ? NEGATIVE : 0, 4)
  for (const [index, group] of groups.entries()) bytes.writeUInt16BE(group, 8 + 2 * index)
  return bytes
}

import { hashUuid, type MaskingKey, uuidText } from '../../../engine/index.ts'
import { parameterText } from '../session/parameters.ts'
import { JSONB_VERSION, TEXT_LIKE, TYPE_OID, type ValueMask } from './value-form.ts'

const NUMERIC_HASH_BYTES = 15
const INTEGER = /^-?\d{1,40}$/
/** A bpchar is padded to its length, which no comparison sees. */
const PADDING = / +$/

/**
 * HMAC-SHA-256 of the value's text, in a form that the type has: the same in text and binary, and for every column. NULL
 * for a type with too few values to keep two hashes apart.
 */
export function hashed(typeOid: number, format: 0 | 1, key: MaskingKey): ValueMask {
  if (TEXT_LIKE.has(typeOid)) {
    return (buffer, start, end) => Buffer.from(key.hash(spokenText(typeOid, buffer.toString('utf8', start, end))))
  }
  const form = HASH_FORMS.get(typeOid)
  if (form === undefined) return () => null
  return (buffer, start, end) => {
    const text = textOf(typeOid, format, buffer.subarray(start, end))
    if (text === null) return null
    return form(key.digest(text), format)
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
        const other = pseudonyms.text(spokenText(typeOid, text))
        return other === null ? otherwise(buffer, start, end) : Buffer.from(other.padEnd(text.length))
      }
  }
}

type HashForm = (digest: Buffer, format: 0 | 1) => Buffer

const quoted = (digest: Buffer): string => `"${digest.toString('hex', 0, 16)}"`

const HASH_FORMS: ReadonlyMap<number, HashForm> = new Map<number, HashForm>([
  [TYPE_OID.json, (digest) => Buffer.from(quoted(digest))],
  [
    TYPE_OID.jsonb,
    (digest, format) => Buffer.concat([Buffer.alloc(format, JSONB_VERSION), Buffer.from(quoted(digest))]),
  ],
  [TYPE_OID.uuid, (digest, format) => uuidBytes(hashUuid(digest), format)],
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

function uuidBytes(bytes: Buffer, format: 0 | 1): Buffer {
  if (format === 1) return bytes
  return Buffer.from(uuidText(bytes))
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

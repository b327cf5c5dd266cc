import { JSONB_VERSION, TEXT_LIKE, TYPE_OID, type ValueMask } from './value-form.ts'

/** A word that says that something was there, where the type can hold one; else NULL. */
export function redacted(typeOid: number, format: 0 | 1): ValueMask {
  return always(redactedBytes(typeOid, format))
}

/** The same valid value of the type for all: a zero, a blank, an empty one. NULL where no such value is known. */
export function fixed(typeOid: number, format: 0 | 1): ValueMask {
  if (typeOid === TYPE_OID.bit) return format === 0 ? zeroBitsOfText : zeroBits
  return always(fixedBytes(typeOid, format))
}

function always(value: Buffer | null): ValueMask {
  return () => value
}

function redactedBytes(typeOid: number, format: 0 | 1): Buffer | null {
  if (TEXT_LIKE.has(typeOid)) return Buffer.from('[redacted]')
  switch (typeOid) {
    case TYPE_OID.json:
      return Buffer.from('"[redacted]"')
    case TYPE_OID.jsonb:
      return jsonb('"[redacted]"', format)
    case TYPE_OID.xml:
      return Buffer.from('<redacted/>')
    default:
      return null
  }
}

function jsonb(text: string, format: 0 | 1): Buffer {
  return Buffer.concat([Buffer.alloc(format, JSONB_VERSION), Buffer.from(text)])
}

const EMPTY = Buffer.alloc(0)
/** Family (PGSQL_AF_INET), bits, whether it is a cidr, bytes, and the address. */
const HOST = Buffer.from([2, 32, 0, 4, 0, 0, 0, 0])
const NETWORK = Buffer.from([2, 32, 1, 4, 0, 0, 0, 0])

/** The text, and the binary form, given by its size where that is all zeros. */
const ZERO_VALUES: ReadonlyMap<number, readonly [text: string, binary: number | Buffer]> = new Map<
  number,
  readonly [string, number | Buffer]
>([
  [TYPE_OID.char, ['*', Buffer.from('*')]],
  [TYPE_OID.bool, ['f', 1]],
  [TYPE_OID.bytea, [String.raw`\x`, EMPTY]],
  [TYPE_OID.int2, ['0', 2]],
  [TYPE_OID.int4, ['0', 4]],
  [TYPE_OID.int8, ['0', 8]],
  [TYPE_OID.oid, ['0', 4]],
  [TYPE_OID.float4, ['0', 4]],
  [TYPE_OID.float8, ['0', 8]],
  [TYPE_OID.numeric, ['0', 8]], // no digits, weight 0, positive, scale 0
  [TYPE_OID.money, ['$0.00', 8]],
  [TYPE_OID.date, ['2000-01-01', 4]],
  [TYPE_OID.time, ['00:00:00', 8]],
  [TYPE_OID.timetz, ['00:00:00+00', 12]],
  [TYPE_OID.timestamp, ['2000-01-01 00:00:00', 8]],
  [TYPE_OID.timestamptz, ['2000-01-01 00:00:00+00', 8]],
  [TYPE_OID.interval, ['00:00:00', 16]],
  [TYPE_OID.uuid, ['00000000-0000-0000-0000-000000000000', 16]],
  [TYPE_OID.inet, ['0.0.0.0', HOST]],
  [TYPE_OID.cidr, ['0.0.0.0/32', NETWORK]],
  [TYPE_OID.macaddr, ['00:00:00:00:00:00', 6]],
  [TYPE_OID.macaddr8, ['00:00:00:00:00:00:00:00', 8]],
  [TYPE_OID.varbit, ['', 4]], // its length would tell something: none
  [TYPE_OID.pg_lsn, ['0/0', 8]],
])

function fixedBytes(typeOid: number, format: 0 | 1): Buffer | null {
  if (TEXT_LIKE.has(typeOid)) return Buffer.from('***')
  if (typeOid === TYPE_OID.json) return Buffer.from('{}')
  if (typeOid === TYPE_OID.jsonb) return jsonb('{}', format)
  if (typeOid === TYPE_OID.xml) return Buffer.from('<masked/>')
  const [text, binary] = ZERO_VALUES.get(typeOid) ?? []
  if (text === undefined || binary === undefined) return null
  if (format === 0) return Buffer.from(text)
  return typeof binary === 'number' ? Buffer.alloc(binary) : binary
}

const ZERO_DIGIT = 0x30

/** bit(n) has as many as it was declared with, which the schema tells anyway. */
const zeroBitsOfText: ValueMask = (buffer, start, end) => {
  buffer.fill(ZERO_DIGIT, start, end)
  return 'in-place'
}

/** An int32 count, and the bits. */
const zeroBits: ValueMask = (buffer, start, end) => {
  if (end - start < 4) return null
  buffer.fill(0, start + 4, end)
  return 'in-place'
}

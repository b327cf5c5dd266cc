/**
 * Hides one value that is not NULL: the bytes from `start` to `end`. Gives the bytes to stand in its place, null for
 * NULL, or `in-place` when it has already overwritten it. Never a view of the buffer, which is written to before it is read.
 */
export type ValueMask = (buffer: Buffer, start: number, end: number) => Buffer | null | 'in-place'

/** Object identifiers of the types that masks know (pg_type.dat); every other type is masked as NULL. */
export const TYPE_OID = {
  bool: 16,
  bytea: 17,
  char: 18,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  json: 114,
  xml: 142,
  cidr: 650,
  float4: 700,
  float8: 701,
  macaddr8: 774,
  money: 790,
  macaddr: 829,
  inet: 869,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  bit: 1560,
  varbit: 1562,
  numeric: 1700,
  uuid: 2950,
  pg_lsn: 3220,
  jsonb: 3802,
} as const

/** Types whose text and binary formats are both plain text, of which any is valid. */
export const TEXT_LIKE: ReadonlySet<number> = new Set([TYPE_OID.text, TYPE_OID.varchar, TYPE_OID.bpchar, TYPE_OID.name])

/** jsonb_send puts it before the text. */
export const JSONB_VERSION = 1

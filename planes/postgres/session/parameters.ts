/** Built-in types whose binary form policy can be shown as text, by OID (pg_type.dat). */
const BINARY: ReadonlyMap<number, (value: Buffer) => string | undefined> = new Map([
  [16, (value: Buffer) => (value.length === 1 ? (value[0] === 0 ? 'f' : 't') : undefined)], // bool
  [18, text], // "char"
  [19, text], // name
  [20, (value: Buffer) => (value.length === 8 ? value.readBigInt64BE().toString() : undefined)], // int8
  [21, (value: Buffer) => (value.length === 2 ? value.readInt16BE().toString() : undefined)], // int2
  [23, (value: Buffer) => (value.length === 4 ? value.readInt32BE().toString() : undefined)], // int4
  [25, text], // text
  [26, (value: Buffer) => (value.length === 4 ? value.readUInt32BE().toString() : undefined)], // oid
  [114, text], // json
  [142, text], // xml
  [700, (value: Buffer) => (value.length === 4 ? float(value.readFloatBE()) : undefined)], // float4
  [701, (value: Buffer) => (value.length === 8 ? float(value.readDoubleBE()) : undefined)], // float8
  [705, text], // unknown
  [1042, text], // bpchar
  [1043, text], // varchar
  [1700, numeric],
  [2950, uuid],
])

/**
 * A Bind value as text, as policy and approver see it; null for NULL, undefined where its binary form can't be read:
 * policy is then told that the value isn't known.
 */
export function parameterText(value: Buffer | null, format: number, typeOid: number): string | null | undefined {
  if (value === null) return null
  if (format === 0) return text(value)
  return BINARY.get(typeOid)?.(value)
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function text(value: Buffer): string | undefined {
  try {
    return UTF8.decode(value)
  } catch {
    return undefined
  }
}

function float(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function uuid(value: Buffer): string | undefined {
  if (value.length !== 16) return undefined
  return value.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

const NUMERIC_HEADER = 8
const NEGATIVE = 0x4000
const SPECIAL: ReadonlyMap<number, string> = new Map([
  [0xc000, 'NaN'],
  [0xd000, 'Infinity'],
  [0xf000, '-Infinity'],
])

/** numeric_send: digit count, weight, sign, display scale, then base-10000 digits. */
function numeric(value: Buffer): string | undefined {
  if (value.length < NUMERIC_HEADER) return undefined
  const count = value.readUInt16BE(0)
  const weight = value.readInt16BE(2)
  const sign = value.readUInt16BE(4)
  const scale = value.readUInt16BE(6)
  const special = SPECIAL.get(sign)
  if (special !== undefined) return special
  if (value.length !== NUMERIC_HEADER + 2 * count || (sign !== 0 && sign !== NEGATIVE)) return undefined
  const group = (index: number): number =>
    index >= 0 && index < count ? value.readUInt16BE(NUMERIC_HEADER + 2 * index) : 0
  let whole = ''
  for (let index = 0; index <= weight; index += 1) whole += String(group(index)).padStart(4, '0')
  let fraction = ''
  for (let index = weight + 1; fraction.length < scale; index += 1) fraction += String(group(index)).padStart(4, '0')
  const digits = whole.replace(/^0+(?=\d)/, '') || '0'
  const places = scale === 0 ? '' : `.${fraction.slice(0, scale)}`
  return `${sign === NEGATIVE ? '-' : ''}${digits}${places}`
}

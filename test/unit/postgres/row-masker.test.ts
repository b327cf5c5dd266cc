import { describe, expect, test } from 'vitest'
import { MASK_METHODS, type MaskMethod } from '../../../engine/index.ts'
import { encodeBackend } from '../../../planes/postgres/codec/backend-encoder.ts'
import { decodeBackend } from '../../../planes/postgres/codec/backend-messages.ts'
import { Writer } from '../../../planes/postgres/codec/writer.ts'
import { MaskingKey } from '../../../engine/masking/masking-key.ts'
import { REBUILT, RowMasker, type ColumnMask } from '../../../planes/postgres/enforcer/row-masker.ts'
import { TYPE_OID } from '../../../planes/postgres/enforcer/value-form.ts'
import { valueMask } from '../../../planes/postgres/enforcer/value-mask.ts'

const { text, varchar, bpchar, name, date, timestamp, timestamptz, json, jsonb } = TYPE_OID

const KEY = new MaskingKey('k1', Buffer.alloc(32, 1))

type Value = string | Buffer | null

function rowFrame(values: readonly Value[]): Buffer {
  const writer = new Writer()
  encodeBackend(writer, {
    kind: 'dataRow',
    values: values.map((value) => (typeof value === 'string' ? Buffer.from(value) : value)),
  })
  return Buffer.from(writer.take())
}

function valuesOf(frame: Buffer): (Buffer | null)[] {
  const message = decodeBackend(0x44, frame, 5, frame.length)
  if (message.kind !== 'dataRow') throw new Error(`a row was expected, ${message.kind} came`)
  return [...message.values]
}

/** Masks one row and gives its values as they would go out, with how they got there. */
function maskRow(
  masker: RowMasker,
  values: readonly Value[],
): { readonly how: string; readonly values: (Buffer | null)[] } {
  const frame = rowFrame(values)
  const out = new Writer(16)
  const end = masker.mask(frame, 0, 5, frame.length, 0, out)
  const how = end === REBUILT ? 'rebuilt' : end === frame.length ? 'in-place' : 'shrunk'
  const result = end === REBUILT ? out.take() : frame.subarray(0, end)
  expect(result.readInt32BE(1)).toBe(result.length - 1)
  return { how, values: valuesOf(result) }
}

function maskValue(method: MaskMethod, typeOid: number, format: 0 | 1, value: Value): Buffer | null {
  return maskRow(new RowMasker([{ index: 0, method, typeOid, format }], 1, KEY), [value]).values[0] ?? null
}

function maskText(method: MaskMethod, typeOid: number, value: string): string | null {
  return maskValue(method, typeOid, 0, value)?.toString() ?? null
}

const ssn: ColumnMask = { index: 1, method: 'last4', typeOid: text, format: 0 }

describe('rows that are not this result’s', () => {
  test.each([
    ['a column more', ['1', '2', '3'], 3],
    ['a column less', ['1'], 1],
    ['no column', [], 0],
  ])('%s is refused, and nothing is written', (_, values, found) => {
    const out = new Writer()
    const frame = rowFrame(values)
    expect(() => new RowMasker([ssn], 2, KEY).mask(frame, 0, 5, frame.length, 0, out)).toThrowError(
      expect.objectContaining({
        code: 'ERR_PROTOCOL_MESSAGE',
        message: `DataRow: 2 columns are expected, it has ${found}`,
      }),
    )
    expect(out.length).toBe(0)
  })

  test('a row that breaks off behind a masked value is refused, and nothing is written', () => {
    const frame = rowFrame(['1', '078-05-1120']).subarray(0, -1)
    const out = new Writer()
    const masker = new RowMasker([{ ...ssn, index: 0, method: 'redact' }], 2, KEY)
    expect(() => masker.mask(frame, 0, 5, frame.length, 0, out)).toThrowError(
      expect.objectContaining({ code: 'ERR_PROTOCOL_MESSAGE', message: expect.stringMatching(/^DataRow: /) }),
    )
    expect(out.length).toBe(0)
  })

  test.each([
    ['beyond the row', [{ ...ssn, index: 2 }], 2],
    ['before the first column', [{ ...ssn, index: -1 }], -1],
    ['twice on one column', [ssn, ssn], 1],
    ['in descending order', [ssn, { ...ssn, index: 0 }], 0],
  ])('a mask %s is refused at once', (_, masks, index) => {
    expect(() => new RowMasker(masks, 2, KEY)).toThrowError(
      expect.objectContaining({
        code: 'ERR_OBLIGATION_UNENFORCEABLE',
        message: `masks are expected by ascending column below 2, one for column ${index} stands out of place`,
      }),
    )
  })
})

describe('what has no valid result becomes NULL', () => {
  const OTHERS = [16, 17, 20, 21, 23, 26, 700, 701, 790, 1083, 1186, 1560, 1700, 2950, 1009, 869, 98_765]

  test.each(['last4', 'email', 'date-year', 'redact'] as const)('%s on types that are no text', (method) => {
    for (const typeOid of OTHERS) {
      expect(maskValue(method, typeOid, 0, '1234567890')).toBeNull()
      expect(maskValue(method, typeOid, 1, Buffer.from('0123456789abcdef'))).toBeNull()
    }
  })

  test('every method on a type that nobody knows', () => {
    for (const method of MASK_METHODS) expect(maskText(method, 98_765, 'whatever it is')).toBeNull()
  })

  test('methods that need a key are refused without one, on any type', () => {
    for (const method of ['hash', 'pseudonym'] as const) {
      for (const typeOid of [...Object.values(TYPE_OID), 98_765]) {
        expect(() => valueMask(method, typeOid, 0, null)).toThrowError(
          expect.objectContaining({ code: 'ERR_OBLIGATION_UNENFORCEABLE' }),
        )
      }
    }
  })

  test.each([
    ['17.05.1980', 'German'],
    ['05/17/1980', 'SQL'],
    ['Sat May 17 07:37:16.00 1980 PDT', 'Postgres'],
    ['infinity', 'ISO'],
    ['-infinity', 'ISO'],
    ['1980-05-17; 078-05-1120', 'ISO with more behind it'],
    ['', 'nothing'],
    [`${'9'.repeat(60)}-01-01`, 'too long a year'],
  ])('a date as %j (%s)', (value) => {
    expect(maskText('date-year', date, value)).toBeNull()
  })

  test('binary dates of the wrong length, and the infinities', () => {
    expect(maskValue('date-year', date, 1, Buffer.from('00000000ff', 'hex'))).toBeNull()
    expect(maskValue('date-year', timestamp, 1, Buffer.from('00000000', 'hex'))).toBeNull()
    for (const hex of ['7fffffff', '80000000']) {
      expect(maskValue('date-year', date, 1, Buffer.from(hex, 'hex'))).toBeNull()
      expect(
        maskValue('date-year', timestamp, 1, Buffer.from(hex + (hex === '7fffffff' ? 'ffffffff' : '00000000'), 'hex')),
      ).toBeNull()
    }
  })
})

describe('last4', () => {
  test.each([
    ['078-05-1120', '*******1120'],
    ['11120', '*1120'],
    ['1120', '****'],
    ['7', '*'],
    ['', ''],
    ['Zoë Müller', '******ller'],
    ['地址在东京都', '**在东京都'],
    ['𝒜𝒷', '**'],
    ['a𝒜𝒷𝒸𝒹', '*𝒜𝒷𝒸𝒹'],
    ['1234    ', '****    '],
  ])('%j becomes %j, in text and binary', (value, masked) => {
    expect(maskText('last4', text, value)).toBe(masked)
    for (const typeOid of [varchar, bpchar, name]) {
      expect(maskValue('last4', typeOid, 1, value)?.toString()).toBe(masked)
    }
  })
})

describe('email', () => {
  test.each([
    ['alice@secret.example', 'a***@***'],
    ['élodie@secret.example', 'é***@***'],
    ['a@secret.example', '***@***'],
    ['@secret.example', '***@***'],
    ['"a@b"@secret.example', '"***@***'],
    ['no address, a secret', '***'],
    ['', '***'],
  ])('%j becomes %j', (value, masked) => {
    expect(maskText('email', varchar, value)).toBe(masked)
  })
})

describe('date-year', () => {
  test.each([
    [date, '1980-05-17', '1980-01-01'],
    [date, '12024-05-17', '12024-01-01'],
    [date, '0044-03-15 BC', '0044-01-01 BC'],
    [timestamp, '1980-05-17 13:14:15.123456', '1980-01-01 00:00:00'],
    [timestamptz, '1980-07-17 13:14:15-04', '1980-01-01 00:00:00+00'],
    [timestamptz, '1880-07-17 13:14:15.5-04:56:02', '1880-01-01 00:00:00+00'],
    [text, '1980-05-17', '1980-01-01'],
  ])('text of type %i: %j becomes %j', (typeOid, value, masked) => {
    expect(maskText('date-year', typeOid, value)).toBe(masked)
  })

  const day = 86_400_000
  const days = (iso: string): number => (Date.parse(iso) - Date.parse('2000-01-01T00:00:00Z')) / day

  test.each([
    ['1980-05-17T00:00:00Z', '1980-01-01T00:00:00Z'],
    ['2000-01-01T00:00:00Z', '2000-01-01T00:00:00Z'],
    ['1999-12-31T00:00:00Z', '1999-01-01T00:00:00Z'],
    ['2024-02-29T00:00:00Z', '2024-01-01T00:00:00Z'],
    ['0033-04-03T00:00:00Z', '0033-01-01T00:00:00Z'],
    ['-000043-03-15T00:00:00Z', '-000043-01-01T00:00:00Z'],
  ])('binary: %s becomes %s', (value, masked) => {
    const binary = Buffer.alloc(4)
    binary.writeInt32BE(days(value))
    expect(maskValue('date-year', date, 1, binary)?.readInt32BE()).toBe(days(masked))
    const instant = Buffer.alloc(8)
    instant.writeBigInt64BE(BigInt(days(value)) * 86_400_000_000n + 86_399_999_999n)
    expect(maskValue('date-year', timestamptz, 1, instant)?.readBigInt64BE()).toBe(
      BigInt(days(masked)) * 86_400_000_000n,
    )
  })
})

describe('constants', () => {
  test.each([
    ['redact', text, 0, Buffer.from('[redacted]')],
    ['redact', json, 1, Buffer.from('"[redacted]"')],
    ['redact', jsonb, 0, Buffer.from('"[redacted]"')],
    ['redact', jsonb, 1, Buffer.from('\u0001"[redacted]"')],
    ['fixed', varchar, 1, Buffer.from('***')],
    ['fixed', TYPE_OID.bool, 0, Buffer.from('f')],
    ['fixed', TYPE_OID.bool, 1, Buffer.from([0])],
    ['fixed', TYPE_OID.int2, 1, Buffer.alloc(2)],
    ['fixed', TYPE_OID.int4, 0, Buffer.from('0')],
    ['fixed', TYPE_OID.int8, 1, Buffer.alloc(8)],
    ['fixed', TYPE_OID.numeric, 1, Buffer.alloc(8)],
    ['fixed', TYPE_OID.uuid, 0, Buffer.from('00000000-0000-0000-0000-000000000000')],
    ['fixed', TYPE_OID.uuid, 1, Buffer.alloc(16)],
    ['fixed', TYPE_OID.bytea, 0, Buffer.from(String.raw`\x`)],
    ['fixed', date, 0, Buffer.from('2000-01-01')],
    ['fixed', timestamptz, 1, Buffer.alloc(8)],
    ['fixed', jsonb, 1, Buffer.from('\u0001{}')],
    ['null', text, 0, null],
    ['redact', TYPE_OID.xml, 0, Buffer.from('<redacted/>')],
    ['fixed', TYPE_OID.xml, 1, Buffer.from('<masked/>')],
    ['fixed', TYPE_OID.money, 1, Buffer.alloc(8)],
    ['fixed', TYPE_OID.timetz, 1, Buffer.alloc(12)],
    ['fixed', TYPE_OID.interval, 1, Buffer.alloc(16)],
    ['fixed', TYPE_OID.inet, 1, Buffer.from([2, 32, 0, 4, 0, 0, 0, 0])],
    ['fixed', TYPE_OID.cidr, 1, Buffer.from([2, 32, 1, 4, 0, 0, 0, 0])],
    ['fixed', TYPE_OID.macaddr, 1, Buffer.alloc(6)],
    ['fixed', TYPE_OID.varbit, 1, Buffer.alloc(4)],
  ] as const)('%s of type %i in format %i', (method, typeOid, format, masked) => {
    expect(maskValue(method, typeOid, format, 'a value of 23 bytes ...')).toEqual(masked)
  })
})

describe('rows', () => {
  const masks: readonly ColumnMask[] = [
    { index: 1, method: 'last4', typeOid: text, format: 0 },
    { index: 3, method: 'email', typeOid: text, format: 0 },
  ]

  test('lie where they are when no length changes', () => {
    const masker = new RowMasker(masks, 5, KEY)
    const { how, values } = maskRow(masker, ['1', '078-05-1120', null, null, 'Berlin'])
    expect(how).toBe('in-place')
    expect(values.map((value) => value?.toString() ?? null)).toEqual(['1', '*******1120', null, null, 'Berlin'])
    expect(masker.counts).toEqual([1, 0])
  })

  test('a constant that happens to fit is written in place', () => {
    const { how, values } = maskRow(new RowMasker([{ ...ssn, method: 'fixed' }], 2, KEY), ['1', '666'])
    expect(how).toBe('in-place')
    expect(values[1]?.toString()).toBe('***')
  })

  test('get shorter where they lie when one does, with all masks in them', () => {
    const masker = new RowMasker(masks, 5, KEY)
    const { how, values } = maskRow(masker, ['1', '078-05-1120', null, 'alice@secret.example', 'Berlin'])
    expect(how).toBe('shrunk')
    expect(values.map((value) => value?.toString() ?? null)).toEqual(['1', '*******1120', null, 'a***@***', 'Berlin'])
    maskRow(masker, ['2', null, null, 'bob@secret.example', null])
    expect(masker.counts).toEqual([1, 2])
  })

  test('are rebuilt behind what is already in the output, and leave their neighbours alone', () => {
    const before = rowFrame(['1', 'before'])
    const row = rowFrame(['2', 'a secret'])
    const after = rowFrame(['3', 'after'])
    const chunk = Buffer.concat([before, row, after])
    const out = new Writer()
    out.bytes(before)
    const start = before.length
    const masker = new RowMasker([{ ...ssn, method: 'redact' }], 2, KEY)
    expect(masker.mask(chunk, start, start + 5, start + row.length, start, out)).toBe(REBUILT)
    expect(out.take().equals(Buffer.concat([before, rowFrame(['2', '[redacted]'])]))).toBe(true)
    expect(chunk.subarray(0, start).equals(before)).toBe(true)
    expect(chunk.subarray(start + row.length).equals(after)).toBe(true)
  })

  test('move to where the row before them ends, and may grow into the room that is left', () => {
    const gone = rowFrame(['1', 'gone'])
    const row = rowFrame(['2', 'a secret'])
    const after = rowFrame(['3', 'after'])
    const chunk = Buffer.concat([gone, row, after])
    const masker = new RowMasker([{ ...ssn, method: 'redact' }], 2, KEY)
    const start = gone.length
    const end = masker.mask(chunk, start, start + 5, start + row.length, 7, new Writer())
    expect(chunk.subarray(7, end).equals(rowFrame(['2', '[redacted]']))).toBe(true)
    expect(chunk.subarray(0, 7).equals(gone.subarray(0, 7))).toBe(true)
    expect(chunk.subarray(start + row.length).equals(after)).toBe(true)
  })

  test('have their length anew where what they grow by is what they move by', () => {
    const chunk = Buffer.concat([Buffer.from('..'), rowFrame(['2', 'a secret'])])
    const masker = new RowMasker([{ ...ssn, method: 'redact' }], 2, KEY)
    expect(masker.mask(chunk, 2, 7, chunk.length, 0, new Writer())).toBe(chunk.length)
    expect(chunk.equals(rowFrame(['2', '[redacted]']))).toBe(true)
  })

  test('without masks stay as they are', () => {
    const { how, values } = maskRow(new RowMasker([], 2, KEY), ['1', null])
    expect(how).toBe('in-place')
    expect(values).toEqual([Buffer.from('1'), null])
  })
})

test('the methods that are declared as enforced hide text in part or in whole', () => {
  const secret = Buffer.from('1980-05-17')
  for (const method of MASK_METHODS) {
    const copy = Buffer.from(secret)
    const result = valueMask(method, text, 0, KEY)(copy, 0, copy.length)
    expect(result === 'in-place' ? copy : result).not.toEqual(secret)
  }
})

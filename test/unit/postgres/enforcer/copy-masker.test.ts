import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Writer } from '../../../../planes/postgres/codec/writer.ts'
import { CopyMasker } from '../../../../planes/postgres/enforcer/copy-masker.ts'
import type { ColumnMask } from '../../../../planes/postgres/enforcer/row-masker.ts'
import { TYPE_OID } from '../../../../planes/postgres/enforcer/value-form.ts'
import type { CopyForm } from '../../../../planes/postgres/normalizer/index.ts'

const byte = (text: string): number => text.charCodeAt(0)
const TEXT: CopyForm = { kind: 'text', delimiter: byte('\t'), nullText: String.raw`\N`, header: false }
const CSV: CopyForm = { kind: 'csv', delimiter: byte(','), nullText: '', header: false, quote: 34, escape: 34 }
const BINARY: CopyForm = { kind: 'binary' }

const mask = (method: ColumnMask['method'], index = 1, format: 0 | 1 = 0): ColumnMask => ({
  index,
  method,
  typeOid: TYPE_OID.text,
  format,
})

function masker(form: CopyForm, masks: readonly ColumnMask[], columns = 3, maxRowBytes = 1 << 20): CopyMasker {
  return new CopyMasker(masks, columns, form, { key: null, maxRowBytes })
}

/** What comes out when these pieces go in, one after another, and that is all. */
function through(copy: CopyMasker, pieces: readonly (string | Buffer)[]): Buffer {
  const out = new Writer()
  for (const piece of pieces) {
    const bytes = Buffer.from(piece)
    copy.take(bytes, 0, bytes.length, out)
  }
  copy.finish()
  return out.take()
}

const masked = (form: CopyForm, method: ColumnMask['method'], rows: string): string =>
  through(masker(form, [mask(method)]), [rows]).toString()

describe('text', () => {
  test.each([
    ['1\tsecret\tx\n', 'redact', '1\t[redacted]\tx\n'],
    ['1\t\\N\tx\n', 'redact', '1\t\\N\tx\n'],
    ['1\tsecret\tx\n', 'null', '1\t\\N\tx\n'],
    ['1\t\t\n', 'last4', '1\t\t\n'],
    ['1\t078-05-1120\tx\n2\t078-05-1121\ty\n', 'last4', '1\t*******1120\tx\n2\t*******1121\ty\n'],
    ['1\ta\\tb\\\\c\\nd\tx\n', 'last4', '1\t***\\\\c\\nd\tx\n'],
    ['1\t\\\\N\tx\n', 'redact', '1\t[redacted]\tx\n'],
    ['1\tback\\\\slash\\\\\tx\n', 'fixed', '1\t***\tx\n'],
    ['', 'redact', ''],
  ] as const)('%j by %s becomes %j', (rows, method, wanted) => {
    expect(masked(TEXT, method, rows)).toBe(wanted)
  })

  test('a delimiter and a NULL of the client’s own are written as it wants them', () => {
    const form: CopyForm = { ...TEXT, delimiter: byte('*'), nullText: 'none' }
    expect(masked(form, 'last4', '1*a\\*bcdef*x\n2*none*y\n')).toBe('1*\\*\\*\\*cdef*x\n2*none*y\n')
    expect(masked(form, 'null', '1*a*x\n')).toBe('1*none*x\n')
  })

  test('a header goes out as it is, once', () => {
    expect(masked({ ...TEXT, header: true }, 'redact', 'id\tssn\tname\n1\ts\tx\n')).toBe(
      'id\tssn\tname\n1\t[redacted]\tx\n',
    )
  })
})

describe('csv', () => {
  test.each([
    ['1,secret,x\n', 'redact', '1,[redacted],x\n'],
    ['1,,x\n', 'redact', '1,,x\n'],
    ['1,"",x\n', 'redact', '1,"[redacted]",x\n'],
    ['1,secret,x\n', 'null', '1,,x\n'],
    ['1,"a,""b""\ncdef",x\n', 'last4', '1,"******cdef",x\n'],
    ['1,"abc""d,e",x\n', 'last4', '1,"***""d,e",x\n'],
    ['1,"one\ntwo","three\nfour"\n2,s,t\n', 'redact', '1,"[redacted]","three\nfour"\n2,[redacted],t\n'],
  ] as const)('%j by %s becomes %j', (rows, method, wanted) => {
    expect(masked(CSV, method, rows)).toBe(wanted)
  })

  test('what a mask makes is quoted where it would be read as something else', () => {
    const stars: CopyForm = { ...CSV, delimiter: byte('*') }
    expect(masked(stars, 'fixed', '1*a*x\n')).toBe('1*"***"*x\n')
    expect(masked({ ...CSV, nullText: '***' }, 'fixed', '1,a,x\n2,***,y\n')).toBe('1,"***",x\n2,***,y\n')
  })

  test('an escape of its own', () => {
    const form: CopyForm = { ...CSV, quote: byte("'"), escape: byte('\\') }
    expect(masked(form, 'last4', "1,'it\\'s, \\\\',x\n2,a,b\n")).toBe("1,'***s, \\\\',x\n2,*,b\n")
  })

  test.each(['1,"open,x\n', '1,"a"b,x\n', '1,a"b"c,x\n', '1,"a"\n', '1,a\n', '1,a,b,c\n', '1,a,x'])(
    '%j is no row of it',
    (rows) => {
      expect(() => masked(CSV, 'redact', rows)).toThrowError(expect.objectContaining({ code: 'ERR_PROTOCOL_MESSAGE' }))
    },
  )
})

const HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)])
const TRAILER = Buffer.from([0xff, 0xff])

function binaryRow(values: readonly (string | null)[]): Buffer {
  const writer = new Writer()
  writer.int16(values.length)
  for (const value of values) writer.value(value === null ? null : Buffer.from(value))
  return Buffer.from(writer.take())
}

describe('binary', () => {
  test('rows are masked, header and trailer stay', () => {
    const rows = [binaryRow(['1', 'secret', null]), binaryRow(['2', null, ''])]
    expect(through(masker(BINARY, [mask('redact', 1, 1)]), [HEADER, ...rows, TRAILER])).toEqual(
      Buffer.concat([HEADER, binaryRow(['1', '[redacted]', null]), binaryRow(['2', null, '']), TRAILER]),
    )
  })

  test.each([
    ['another signature', [Buffer.alloc(19), TRAILER]],
    ['rows with OIDs', [HEADER.subarray(0, 11), Buffer.from([0, 1, 0, 0, 0, 0, 0, 0]), TRAILER]],
    ['another number of columns', [HEADER, binaryRow(['1', 's']), TRAILER]],
    ['a field of a length below NULL', [HEADER, Buffer.from('0003fffffffe', 'hex'), TRAILER]],
    ['no trailer', [HEADER, binaryRow(['1', 's', 'x'])]],
    ['something behind the trailer', [HEADER, TRAILER, binaryRow(['1', 's', 'x'])]],
    ['nothing at all', []],
  ])('%s is refused', (_, pieces) => {
    expect(() => through(masker(BINARY, [mask('redact', 1, 1)]), pieces)).toThrowError(
      expect.objectContaining({ code: 'ERR_PROTOCOL_MESSAGE' }),
    )
  })
})

describe('any of them', () => {
  test('a row larger than may be held ends it, before it is held', () => {
    for (const [form, begin] of [
      [TEXT, '1\t'],
      [CSV, '1,"'],
    ] as const) {
      const copy = masker(form, [mask('redact')], 3, 1000)
      const piece = Buffer.from('x'.repeat(400))
      const out = new Writer()
      copy.take(Buffer.from(begin), 0, begin.length, out)
      copy.take(piece, 0, piece.length, out)
      copy.take(piece, 0, piece.length, out)
      expect(() => copy.take(piece, 0, piece.length, out)).toThrowError(
        expect.objectContaining({ code: 'ERR_PROTOCOL_FRAME_LENGTH' }),
      )
      expect(out.length).toBe(0)
    }
  })

  test('a mask out of place is refused at once', () => {
    expect(() => masker(TEXT, [mask('redact', 3)])).toThrowError(
      expect.objectContaining({ code: 'ERR_OBLIGATION_UNENFORCEABLE' }),
    )
    expect(() => masker(TEXT, [mask('redact'), mask('null')])).toThrowError(
      expect.objectContaining({ code: 'ERR_OBLIGATION_UNENFORCEABLE' }),
    )
  })

  test('however the bytes are cut, the same comes out, and the counts agree', () => {
    const value = fc.option(
      fc.string({ unit: fc.constantFrom('Q', 'W', ',', '"', '\n', '\t', '\\', 'é'), maxLength: 9 }),
    )
    const rows = fc.array(fc.tuple(value, value, value), { maxLength: 8 })
    const form = fc.constantFrom(TEXT, CSV, BINARY)
    fc.assert(
      fc.property(form, rows, fc.array(fc.nat({ max: 400 }), { maxLength: 12 }), (kind, table, cuts) => {
        const whole = encoded(kind, table)
        const masks = [mask('last4', 1, kind.kind === 'binary' ? 1 : 0)]
        const one = masker(kind, masks)
        const other = masker(kind, masks)
        const expected = through(one, [whole])
        const places = [0, ...cuts.filter((cut) => cut < whole.length).toSorted((a, b) => a - b), whole.length]
        const pieces = places.slice(1).map((end, index) => whole.subarray(places[index], end))
        expect(through(other, pieces)).toEqual(expected)
        expect(expected).toEqual(
          encoded(
            kind,
            table.map(([a, b, c]) => [a, b === null ? null : stars(b), c]),
          ),
        )
        const hidden = [table.filter(([, b]) => b !== null).length]
        expect([one.counts, other.counts]).toEqual([hidden, hidden])
      }),
      { numRuns: 500 },
    )
  })
})

function stars(value: string): string {
  const characters = Array.from(value)
  return characters
    .map((each, index) => (characters.length > 4 && index >= characters.length - 4 ? each : '*'))
    .join('')
}

/** As the server writes it. */
function encoded(form: CopyForm, table: readonly (readonly (string | null)[])[]): Buffer {
  switch (form.kind) {
    case 'text':
      return Buffer.from(table.map((row) => `${row.map(textField).join('\t')}\n`).join(''))
    case 'csv':
      return Buffer.from(table.map((row) => `${row.map(csvField).join(',')}\n`).join(''))
    case 'binary':
      return Buffer.concat([HEADER, ...table.map(binaryRow), TRAILER])
  }
}

function textField(value: string | null): string {
  if (value === null) return String.raw`\N`
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t')
}

/** With FORCE_QUOTE *, so that what is masked keeps its quotes. */
function csvField(value: string | null): string {
  return value === null ? '' : `"${value.replaceAll('"', '""')}"`
}

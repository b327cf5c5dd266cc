import { describe, expect, test } from 'vitest'
import { encodeBackend } from '../../../../planes/postgres/codec/backend-encoder.ts'
import { decodeBackend } from '../../../../planes/postgres/codec/backend-messages.ts'
import {
  decodeFrontend,
  decodePassword,
  decodeSaslInitial,
  decodeStartup,
  encodeFrontend,
  encodeStartup,
  formatAt,
  saslInitialBody,
} from '../../../../planes/postgres/codec/frontend-messages.ts'
import { RowFields } from '../../../../planes/postgres/codec/row-fields.ts'
import { Writer } from '../../../../planes/postgres/codec/writer.ts'

/** Each body stands in the middle of other bytes, so that a reader that leaves its frame finds something there. */
const AROUND = Buffer.from('\0\0\0\0\x01\x01canary\0\0\0')

function client(type: string, body: string | Buffer): unknown {
  return within(body, (buffer, start, end) => decodeFrontend(type.charCodeAt(0), buffer, start, end))
}

function server(type: string, body: string | Buffer): unknown {
  return within(body, (buffer, start, end) => decodeBackend(type.charCodeAt(0), buffer, start, end))
}

function startup(body: string | Buffer): unknown {
  return within(body, decodeStartup)
}

function within<T>(body: string | Buffer, decode: (buffer: Buffer, start: number, end: number) => T): T {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
  return decode(Buffer.concat([AROUND, bytes, AROUND]), AROUND.length, AROUND.length + bytes.length)
}

function malformed(message: string | RegExp): unknown {
  return expect.objectContaining({ code: 'ERR_PROTOCOL_MESSAGE', message: expect.stringMatching(message) })
}

describe('a client’s malformed messages', () => {
  test.each([
    ['Query without a NUL', 'Q', 'select 1', /^Query: a text has no terminating NUL/],
    ['Query with bytes behind it', 'Q', 'select 1\0drop', /^Query: 4 bytes follow its end$/],
    ['Query that is empty', 'Q', '', /no terminating NUL/],
    ['Query in Latin-1', 'Q', 'select \xe9\0', /^Query: a text is not valid UTF-8$/],
    ['Query with an overlong slash', 'Q', 'select \xc0\xaf\0', /not valid UTF-8/],
    ['Query with a surrogate', 'Q', 'select \xed\xa0\x80\0', /not valid UTF-8/],
    ['Parse with more types than bytes', 'P', 's\0q\0\xff\xff\0\0\0\x01', /^Parse: 65535 items/],
    ['Parse without its count', 'P', 's\0q\0', /^Parse: 2 bytes are expected, 0 are left$/],
    ['Parse with a type too many', 'P', 's\0q\0\0\0\0\0\0\x17', /^Parse: 4 bytes follow its end$/],
    ['Bind with a value beyond the frame', 'B', '\0\0\0\0\0\x01\0\0\0\x09a\0\0', /^Bind: 9 bytes are expected/],
    ['Bind with a length of -2', 'B', '\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0', /^Bind: a value's length is -2$/],
    ['Bind with a length of 2^31-1', 'B', '\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0', /^Bind: 2147483647 bytes/],
    ['Bind with format 2', 'B', '\0\0\0\x01\0\x02\0\0\0\0', /^Bind: format code 0 or 1 is expected, 2 was found$/],
    [
      'Bind with two formats for one parameter',
      'B',
      '\0\0\0\x02\0\0\0\x01\0\x01\xff\xff\xff\xff\0\0',
      /^Bind: 2 formats for 1 parameters$/,
    ],
    ['Bind without result formats', 'B', '\0\0\0\0\0\0', /^Bind: 2 bytes are expected/],
    ['Describe of neither', 'D', 'Xs\0', /^Describe: 'S' or 'P' is expected, 'X' was found$/],
    ['Close of neither', 'C', '\x01s\0', /^Close: 'S' or 'P' is expected, 0x01 was found$/],
    ['Execute without maxRows', 'E', '\0\0\0', /^Execute: 4 bytes are expected, 2 are left$/],
    ['Sync with a body', 'S', 'x', /^Sync: 1 bytes follow its end$/],
    ['CopyFail without a NUL', 'f', 'no', /^CopyFail: /],
    ['FunctionCall without an oid', 'F', '\0', /^FunctionCall: /],
  ])('%s', (_, type, body, message) => {
    expect(() => client(type, body)).toThrowError(malformed(message))
  })

  test('a type that no client sends', () => {
    expect(() => client('T', '')).toThrowError(
      expect.objectContaining({ code: 'ERR_PROTOCOL_FRAME_TYPE', message: "a client sends no message of type 'T'" }),
    )
  })

  test.each([
    ['two users', '\0\x03\0\0user\0alice\0user\0postgres\0\0', 'ERR_PROTOCOL_STARTUP', /given twice$/],
    ['protocol 2', '\0\x02\0\0', 'ERR_PROTOCOL_STARTUP', /^protocol version 3 is expected, 2.0 was asked for$/],
    ['no end of the parameters', '\0\x03\0\0user\0alice\0', 'ERR_PROTOCOL_MESSAGE', /no terminating NUL/],
    ['a name without a value', '\0\x03\0\0user\0', 'ERR_PROTOCOL_MESSAGE', /no terminating NUL/],
    ['bytes behind the parameters', '\0\x03\0\0user\0a\0\0x\0', 'ERR_PROTOCOL_MESSAGE', /2 bytes follow/],
    ['SSLRequest with a tail', '\x04\xd2\x16\x2fx', 'ERR_PROTOCOL_MESSAGE', /1 bytes follow/],
    ['a cancel key of 3 bytes', '\x04\xd2\x16\x2e\0\0\0\x01abc', 'ERR_PROTOCOL_MESSAGE', /has 4 to 256 bytes, not 3$/],
    [
      'a cancel key of 257 bytes',
      `\x04\xd2\x16\x2e\0\0\0\x01${'k'.repeat(257)}`,
      'ERR_PROTOCOL_MESSAGE',
      /4 to 256 bytes, not 257$/,
    ],
  ])('startup: %s', (_, body, code, message) => {
    expect(() => startup(body)).toThrowError(expect.objectContaining({ code, message: expect.stringMatching(message) }))
  })

  test('a password is not repeated in the error about it', () => {
    expect(() => decodePassword(Buffer.from('s3cret'))).toThrowError(malformed(/^(?!.*s3cret)Password: /))
    expect(() => decodePassword(Buffer.from('s3cret\0s3cret'))).toThrowError(malformed(/^(?!.*s3cret)Password: /))
  })

  test('a SASL response longer than its message', () => {
    const body = saslInitialBody('SCRAM-SHA-256', Buffer.from('n,,'))
    expect(decodeSaslInitial(body)).toEqual({ mechanism: 'SCRAM-SHA-256', response: Buffer.from('n,,') })
    expect(() => decodeSaslInitial(body.subarray(0, -1))).toThrowError(malformed(/^SASLInitialResponse: 3 bytes/))
  })
})

describe('a server’s malformed messages', () => {
  test.each([
    ['ReadyForQuery in no known state', 'Z', 'X', /^ReadyForQuery: 'I', 'T' or 'E' is expected, 'X' was found$/],
    ['BackendKeyData with a short key', 'K', '\0\0\0\x01abc', /^BackendKeyData: a key has 4 to 256 bytes, not 3$/],
    ['RowDescription with more fields than bytes', 'T', '\x7f\xff', /^RowDescription: 32767 items/],
    [
      'RowDescription with format 7',
      'T',
      `\0\x01a\0${'\0'.repeat(17)}\x07`,
      /^RowDescription: format code 0 or 1 is expected, 7 was found$/,
    ],
    ['DataRow beyond its frame', 'D', '\0\x01\0\0\0\x05abcd', /^DataRow: 5 bytes are expected, 4 are left$/],
    ['DataRow with a length of -2', 'D', '\0\x01\xff\xff\xff\xfe', /^DataRow: a value's length is -2$/],
    ['ErrorResponse without its end', 'E', 'SERROR\0', /^ErrorResponse: /],
    ['ErrorResponse with a tail', 'E', 'SERROR\0\0x', /^ErrorResponse: 1 bytes follow/],
    ['a negative count of options', 'v', '\0\x03\0\0\xff\xff\xff\xff', /^NegotiateProtocolVersion: -1 items/],
    ['mechanisms without an end', 'R', '\0\0\0\x0aSCRAM-SHA-256\0', /^Authentication: /],
    ['MD5 with a short salt', 'R', '\0\0\0\x05abc', /^Authentication: 4 bytes are expected, 3 are left$/],
    ['CopyOutResponse in format 2', 'H', '\x02\0\0', /^CopyOutResponse: format 0 or 1 is expected, 2 was found$/],
  ])('%s', (_, type, body, message) => {
    expect(() => server(type, body)).toThrowError(malformed(message))
  })

  test('an error text that is not UTF-8 does not hide the error', () => {
    expect(server('E', 'SFATAL\0C28000\0Mr\xf4le\0\0')).toEqual({
      kind: 'errorResponse',
      fields: new Map([
        ['S', 'FATAL'],
        ['C', '28000'],
        ['M', 'r\ufffdle'],
      ]),
    })
  })
})

describe('messages as they are on the wire', () => {
  test('a Bind from the protocol’s description', () => {
    expect(client('B', 'p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02hi\xff\xff\xff\xff\0\x02\0\0\0\x01')).toEqual({
      kind: 'bind',
      portal: 'p',
      statement: 's',
      formats: [1],
      parameters: [Buffer.from('hi'), null],
      resultFormats: [0, 1],
    })
  })

  test('a byte order mark is part of the text', () => {
    expect(client('Q', '\xef\xbb\xbfselect\0')).toEqual({ kind: 'query', sql: '\ufeffselect' })
  })

  test('an oid above 2^31 stays positive', () => {
    expect(client('P', '\0q\0\0\x01\xff\xff\xff\xff')).toMatchObject({ parameterTypes: [4_294_967_295] })
  })

  test('startup 3.2 with parameters', () => {
    expect(startup('\0\x03\0\x02user\0a\0database\0\0\0')).toEqual({
      kind: 'startup',
      minor: 2,
      parameters: new Map([
        ['user', 'a'],
        ['database', ''],
      ]),
    })
  })

  test('formats: none is text, one is for all, else one each', () => {
    expect([formatAt([], 3), formatAt([1], 3), formatAt([0, 1], 1), formatAt([0, 1], 0)]).toEqual([0, 1, 1, 0])
  })
})

describe('a writer', () => {
  test('refuses a NUL within a text, and forgets that frame only', () => {
    const writer = new Writer()
    encodeFrontend(writer, { kind: 'sync' })
    expect(() => encodeFrontend(writer, { kind: 'query', sql: 'select 1\0Q' })).toThrowError(
      malformed(/^a text to be sent contains a NUL$/),
    )
    expect(() => writer.take()).toThrowError(expect.objectContaining({ code: 'ERR_PROTOCOL_STATE' }))
    writer.abandon()
    expect(writer.take().toString('latin1')).toBe('S\0\0\0\x04')
  })

  test('never changes what was taken', () => {
    const writer = new Writer(16)
    const taken: Buffer[] = []
    for (let index = 0; index < 2000; index += 1) {
      encodeFrontend(writer, { kind: 'query', sql: `select ${index}` })
      taken.push(writer.take())
    }
    for (const [index, frame] of taken.entries()) {
      expect(decodeFrontend(0x51, frame, 5, frame.length)).toEqual({ kind: 'query', sql: `select ${index}` })
    }
  })

  test.each([16, 4096])('of %i bytes keeps a frame whole when it outgrows its buffer', (capacity) => {
    const writer = new Writer(capacity)
    encodeBackend(writer, { kind: 'commandComplete', tag: 'SELECT 1' })
    writer.take()
    const value = Buffer.alloc(10_000, 'v')
    encodeBackend(writer, { kind: 'dataRow', values: [null, value, value] })
    expect(writer.buffer.subarray(writer.start).readInt32BE(1)).toBe(20_018)
    expect(writer.length).toBe(20_019)
    const frame = writer.take()
    expect(frame.readInt32BE(1)).toBe(frame.length - 1)
    expect(server('D', frame.subarray(5))).toEqual({ kind: 'dataRow', values: [null, value, value] })
  })

  test('forgets an unfinished frame where it has grown in the middle of it', () => {
    const writer = new Writer(4096)
    encodeFrontend(writer, { kind: 'sync' })
    writer.take()
    encodeFrontend(writer, { kind: 'flush' })
    expect(() =>
      encodeFrontend(writer, { kind: 'parse', name: 'n'.repeat(9000), sql: '\0', parameterTypes: [] }),
    ).toThrowError(malformed(/contains a NUL$/))
    writer.abandon()
    expect(writer.take().toString('latin1')).toBe('H\0\0\0\x04')
  })

  test('writes startup frames without a type', () => {
    const writer = new Writer()
    encodeStartup(writer, { kind: 'sslRequest' })
    expect(writer.take().toString('hex')).toBe('0000000804d2162f')
  })
})

function walk(body: string): (readonly number[])[] {
  return within(body, (buffer, start, end) => {
    const fields = new RowFields()
    fields.open(buffer, start, end)
    const seen = []
    while (fields.next()) seen.push([fields.index, fields.start - start, fields.length])
    return seen
  })
}

describe('a walk over a row’s fields', () => {
  test('gives index, place and length', () => {
    expect(walk('\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0')).toEqual([
      [0, 6, 2],
      [1, 12, -1],
      [2, 16, 0],
    ])
  })

  test.each([
    ['', /has no field count/],
    ['\0\x01', /ends within a field/],
    ['\0\x01\0\0\0\x02a', /has 1 bytes left for a field of 2$/],
    ['\0\x01\xff\xff\xff\xfe', /for a field of -2$/],
    ['\0\x01\x7f\xff\xff\xffab', /for a field of 2147483647$/],
    ['\0\0x', /has 1 bytes behind its last field$/],
  ])('refuses %j', (body, message) => {
    expect(() => walk(body)).toThrowError(malformed(message))
  })
})

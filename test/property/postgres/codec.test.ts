import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../../engine/index.ts'
import { encodeBackend } from '../../../planes/postgres/codec/backend-encoder.ts'
import { type BackendMessage, decodeBackend } from '../../../planes/postgres/codec/backend-messages.ts'
import { FrameReader } from '../../../planes/postgres/codec/frame.ts'
import {
  decodeFrontend,
  decodeStartup,
  encodeFrontend,
  encodeStartup,
  type FrontendMessage,
  type StartupMessage,
} from '../../../planes/postgres/codec/frontend-messages.ts'
import { BACKEND, FRONTEND } from '../../../planes/postgres/codec/message-types.ts'
import { RowFields } from '../../../planes/postgres/codec/row-fields.ts'
import { Writer } from '../../../planes/postgres/codec/writer.ts'

const RUNS = { numRuns: 300 }

const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((each) => !each.includes('\0'))
const word = text.filter((each) => each !== '')
const bytes = fc.uint8Array({ maxLength: 60 }).map((each) => Buffer.from(each))
const value = fc.option(bytes, { nil: null })
const oid = fc.nat(0xff_ff_ff_ff)
const int32 = fc.integer()
const int16 = fc.integer({ min: -32_768, max: 32_767 })
const format = fc.constantFrom(0 as const, 1 as const)
const target = fc.constantFrom('statement' as const, 'portal' as const)
const secret = fc.uint8Array({ minLength: 4, maxLength: 256 }).map((each) => Buffer.from(each))
const kind = <K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name)
const few = <T>(each: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(each, { maxLength: 6 })
const texts = <T extends string>(names: fc.Arbitrary<T>): fc.Arbitrary<ReadonlyMap<T, string>> =>
  fc.array(fc.tuple(names, text), { maxLength: 6 }).map((pairs) => new Map(pairs))

const bind = few(value).chain((parameters) =>
  fc.record({
    kind: kind('bind'),
    portal: text,
    statement: text,
    formats: fc.oneof(
      fc.constant([]),
      fc.tuple(format),
      fc.array(format, { minLength: parameters.length, maxLength: parameters.length }),
    ),
    parameters: fc.constant(parameters),
    resultFormats: few(format),
  }),
)

const frontend: fc.Arbitrary<FrontendMessage> = fc.oneof(
  fc.record({ kind: kind('query'), sql: text }),
  fc.record({ kind: kind('parse'), name: text, sql: text, parameterTypes: few(oid) }),
  bind,
  fc.record({ kind: kind('describe'), target, name: text }),
  fc.record({ kind: kind('close'), target, name: text }),
  fc.record({ kind: kind('execute'), portal: text, maxRows: int32 }),
  fc.record({ kind: kind('password'), body: bytes }),
  fc.record({ kind: kind('copyData'), data: bytes }),
  fc.record({ kind: kind('copyFail'), reason: text }),
  fc.record({ kind: kind('functionCall'), functionOid: oid, rest: bytes }),
  fc.record({ kind: fc.constantFrom('flush' as const, 'sync' as const, 'terminate' as const, 'copyDone' as const) }),
)

const startup: fc.Arbitrary<StartupMessage> = fc.oneof(
  fc.record({ kind: fc.constantFrom('sslRequest' as const, 'gssEncRequest' as const) }),
  fc.record({ kind: kind('cancelRequest'), pid: int32, secret }),
  fc.record({ kind: kind('startup'), minor: fc.nat(65_535), parameters: texts(word) }),
)

const field = fc.record({
  name: text,
  tableOid: oid,
  attnum: int16,
  typeOid: oid,
  typeSize: int16,
  typeModifier: int32,
  format,
})

const backend: fc.Arbitrary<BackendMessage> = fc.oneof(
  fc.record({ kind: fc.constantFrom('authenticationOk' as const, 'authenticationCleartextPassword' as const) }),
  fc.record({ kind: kind('authenticationMD5Password'), salt: fc.constant(Buffer.from('salt')) }),
  fc.record({ kind: kind('authenticationSASL'), mechanisms: few(word) }),
  fc.record({
    kind: fc.constantFrom('authenticationSASLContinue' as const, 'authenticationSASLFinal' as const),
    step: bytes,
  }),
  fc.record({ kind: kind('authenticationOther'), method: fc.constantFrom(2, 7, 8, 9, 99), rest: bytes }),
  fc.record({ kind: kind('parameterStatus'), name: text, value: text }),
  fc.record({ kind: kind('backendKeyData'), pid: int32, secret }),
  fc.record({ kind: kind('readyForQuery'), status: fc.constantFrom('I' as const, 'T' as const, 'E' as const) }),
  fc.record({ kind: kind('rowDescription'), fields: few(field) }),
  fc.record({ kind: kind('parameterDescription'), types: few(oid) }),
  fc.record({ kind: kind('dataRow'), values: few(value) }),
  fc.record({ kind: kind('commandComplete'), tag: text }),
  fc.record({
    kind: fc.constantFrom('errorResponse' as const, 'noticeResponse' as const),
    fields: texts(fc.constantFrom('S', 'V', 'C', 'M', 'D', 'H', 'P')),
  }),
  fc.record({ kind: kind('notificationResponse'), pid: int32, channel: text, payload: text }),
  fc.record({ kind: kind('negotiateProtocolVersion'), version: int32, options: few(text) }),
  fc.record({ kind: kind('functionCallResponse'), value }),
  fc.record({
    kind: fc.constantFrom('copyInResponse' as const, 'copyOutResponse' as const, 'copyBothResponse' as const),
    format,
    columnFormats: few(format),
  }),
  fc.record({ kind: kind('copyData'), data: bytes }),
  fc.record({
    kind: fc.constantFrom(
      'copyDone' as const,
      'emptyQueryResponse' as const,
      'noData' as const,
      'parseComplete' as const,
      'bindComplete' as const,
      'closeComplete' as const,
      'portalSuspended' as const,
    ),
  }),
)

/** Cuts bytes at these places, whatever their order and number. */
function cut(whole: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (whole.length + 1)), whole.length].toSorted((a, b) => a - b)
  // Copies, as sockets hand them out: a chunk's memory is nobody else's.
  return at.slice(1).map((end, index) => Buffer.from(whole.subarray(at[index], end)))
}

function encoded<M>(messages: readonly M[], encode: (writer: Writer, message: M) => void): Buffer {
  const writer = new Writer(16)
  for (const message of messages) encode(writer, message)
  return writer.take()
}

/** Any error but ours is a bug, and so is a message that was read from bytes outside its frame. */
function messageOrProtocolError<T>(decode: () => T): T | ProtocolError {
  try {
    return decode()
  } catch (error) {
    if (error instanceof ProtocolError) return error
    throw error
  }
}

describe('any split of the bytes gives the same messages', () => {
  test('from a client, startup included', () => {
    fc.assert(
      fc.property(startup, fc.array(frontend, { maxLength: 8 }), fc.array(fc.nat()), (first, messages, places) => {
        const whole = Buffer.concat([encoded([first], encodeStartup), encoded(messages, encodeFrontend)])
        const reader = new FrameReader({ maxFrameBytes: 1 << 20, startup: true })
        const seen: unknown[] = []
        for (const chunk of cut(whole, places)) {
          reader.push(chunk)
          while (reader.advance()) {
            const { type, buffer, bodyStart, end } = reader
            if (seen.length === 0) {
              seen.push(decodeStartup(buffer, bodyStart, end))
              reader.startupDone()
            } else {
              seen.push(decodeFrontend(type, buffer, bodyStart, end))
            }
          }
        }
        expect(seen).toEqual([first, ...messages])
        expect(reader.bufferedBytes).toBe(0)
      }),
      RUNS,
    )
  })

  test('from a server, and the frames put together are the bytes', () => {
    fc.assert(
      fc.property(fc.array(backend, { maxLength: 8 }), fc.array(fc.nat()), (messages, places) => {
        const whole = encoded(messages, encodeBackend)
        const reader = new FrameReader({ maxFrameBytes: 1 << 20 })
        const seen: BackendMessage[] = []
        const frames: Buffer[] = []
        for (const chunk of cut(whole, places)) {
          reader.push(chunk)
          while (reader.advance()) {
            const { type, buffer, start, bodyStart, end } = reader
            seen.push(decodeBackend(type, buffer, bodyStart, end))
            frames.push(buffer.subarray(start, end))
          }
        }
        expect(seen).toEqual(messages)
        expect(Buffer.concat(frames).equals(whole)).toBe(true)
      }),
      RUNS,
    )
  })

  test('bytes that are not frames yet are kept, in order', () => {
    fc.assert(
      fc.property(fc.array(backend, { minLength: 1 }), fc.array(fc.nat()), fc.nat(8), (messages, places, read) => {
        const whole = encoded(messages, encodeBackend)
        const reader = new FrameReader({ maxFrameBytes: 1 << 20 })
        for (const chunk of cut(whole, places)) reader.push(chunk)
        let handedOut = 0
        for (let count = 0; count < read && reader.advance(); count += 1) handedOut += reader.end - reader.start
        expect(reader.bufferedBytes).toBe(whole.length - handedOut)
        expect(reader.takeRest().equals(whole.subarray(handedOut))).toBe(true)
      }),
      RUNS,
    )
  })
})

describe('any bytes give a message or a ProtocolError', () => {
  // The bytes around the body are canaries: a value that holds one was read from outside.
  const CANARY = 0xa5
  const around = Buffer.alloc(300, CANARY)
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc
      .array(fc.constantFrom(0, 1, 2, 4, 0x50, 0x53, 0x7f, 0xff), { maxLength: 60 })
      .map((each) => Uint8Array.from(each)),
  )
  const withoutCanary = body.map((each) => Buffer.from(each.map((byte) => (byte === CANARY ? 0 : byte))))

  function holdsCanary(message: unknown): boolean {
    if (message instanceof Uint8Array) return message.includes(CANARY)
    if (message instanceof Map) return [...message].flat().some(holdsCanary)
    if (Array.isArray(message)) return message.some(holdsCanary)
    return typeof message === 'object' && message !== null && Object.values(message).some(holdsCanary)
  }

  test.each([
    ['client', Object.values(FRONTEND), decodeFrontend],
    ['server', Object.values(BACKEND), decodeBackend],
    ['startup', [0], (_: number, buffer: Buffer, start: number, end: number) => decodeStartup(buffer, start, end)],
  ])('%s', (_, types, decode) => {
    fc.assert(
      fc.property(fc.constantFrom(...types), withoutCanary, (type, content) => {
        const buffer = Buffer.concat([around, content, around])
        const end = around.length + content.length
        const message = messageOrProtocolError(() => decode(type, buffer, around.length, end))
        expect(message instanceof ProtocolError || !holdsCanary(message)).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  test('one byte of a good message changed', () => {
    fc.assert(
      fc.property(frontend, fc.nat(), fc.nat(255), (message, place, byte) => {
        const frame = encoded([message], encodeFrontend)
        frame[place % frame.length] = byte
        const read = messageOrProtocolError(() => decodeFrontend(frame[0] ?? 0, frame, 5, frame.length))
        expect(read instanceof ProtocolError || Object.values(FRONTEND).includes(FRONTEND[read.kind])).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  test('a walk over a row agrees with the decoder, on good rows and bad', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          withoutCanary,
          few(value).map((values) => rowBody(values)),
        ),
        (content) => {
          const buffer = Buffer.concat([around, content, around])
          const end = around.length + content.length
          const decoded = messageOrProtocolError(() => decodeBackend(BACKEND.dataRow, buffer, around.length, end))
          const walked = messageOrProtocolError(() => walk(buffer, around.length, end))
          expect(walked instanceof ProtocolError ? walked.code : walked).toEqual(
            decoded instanceof ProtocolError ? decoded.code : rowValues(decoded),
          )
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('a stream of anything ends in frames, hunger or a ProtocolError, and holds no more than it was given', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }),
        fc.boolean(),
        (chunks, startupPhase) => {
          const reader = new FrameReader({ maxFrameBytes: 4096, startup: startupPhase })
          let given = 0
          messageOrProtocolError(() => {
            for (const chunk of chunks) {
              reader.push(Buffer.from(chunk))
              given += chunk.length
              while (reader.advance()) {
                expect(reader.end).toBeLessThanOrEqual(reader.buffer.length)
                expect(reader.end - reader.start).toBeLessThanOrEqual(10_000)
              }
              expect(reader.bufferedBytes).toBeLessThanOrEqual(given)
            }
          })
        },
      ),
      { numRuns: 1000 },
    )
  })
})

function rowValues(message: BackendMessage): unknown {
  return message.kind === 'dataRow' ? message.values : message
}

function rowBody(values: readonly (Buffer | null)[]): Buffer {
  return encoded([{ kind: 'dataRow' as const, values }], encodeBackend).subarray(5)
}

function walk(buffer: Buffer, start: number, end: number): (Buffer | null)[] {
  const fields = new RowFields()
  fields.open(buffer, start, end)
  const values: (Buffer | null)[] = []
  while (fields.next()) {
    values.push(fields.length < 0 ? null : buffer.subarray(fields.start, fields.start + fields.length))
  }
  return values
}

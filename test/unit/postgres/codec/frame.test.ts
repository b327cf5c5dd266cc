import { describe, expect, test } from 'vitest'
import { backendLimits, frontendLimits } from '../../../../planes/postgres/codec/frame-limits.ts'
import { FrameReader } from '../../../../planes/postgres/codec/frame.ts'

const MAX = 1024 * 1024

function frame(type: string, length: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeInt32BE(length, 1)
  return Buffer.concat([head, body])
}

function readerOf(...chunks: readonly Buffer[]): FrameReader {
  const reader = new FrameReader({ maxFrameBytes: MAX })
  for (const chunk of chunks) reader.push(chunk)
  return reader
}

describe('lengths are judged before the body is awaited', () => {
  test.each([0, 3, -1, -2_147_483_648, MAX + 1, 2_147_483_647])('a length of %i is refused', (length) => {
    expect(() => readerOf(frame('Q', length)).advance()).toThrowError(
      expect.objectContaining({
        code: 'ERR_PROTOCOL_FRAME_LENGTH',
        message: `a message of type 'Q' may be 4 to ${MAX} bytes long, its length says ${length}`,
      }),
    )
  })

  test('also where the length itself comes byte by byte', () => {
    const reader = new FrameReader({ maxFrameBytes: MAX })
    for (const byte of [0x51, 0x7f, 0xff, 0xff]) {
      reader.push(Buffer.of(byte))
      expect(reader.advance()).toBe(false)
    }
    reader.push(Buffer.of(0xff))
    expect(() => reader.advance()).toThrowError(expect.objectContaining({ code: 'ERR_PROTOCOL_FRAME_LENGTH' }))
  })

  test.each([0, 7, 10_001, -1])('a startup frame of %i bytes is refused', (length) => {
    const reader = new FrameReader({ maxFrameBytes: MAX, startup: true })
    const head = Buffer.alloc(4)
    head.writeInt32BE(length)
    reader.push(head)
    expect(() => reader.advance()).toThrowError(
      expect.objectContaining({
        code: 'ERR_PROTOCOL_FRAME_LENGTH',
        message: `a startup frame may be 8 to 10000 bytes long, its length says ${length}`,
      }),
    )
  })

  test('a direct TLS hello is no startup frame', () => {
    const reader = new FrameReader({ maxFrameBytes: MAX, startup: true })
    reader.push(Buffer.from('16030100f5010000f1', 'hex'))
    expect(() => reader.advance()).toThrowError(expect.objectContaining({ code: 'ERR_PROTOCOL_FRAME_LENGTH' }))
  })
})

describe('what a peer promises costs nothing', () => {
  test('a large length allocates by what has come, not by what was promised', () => {
    const most = 1024 * 1024 * 1024
    const reader = new FrameReader({ maxFrameBytes: most })
    const before = process.memoryUsage().arrayBuffers
    reader.push(frame('d', most))
    expect(reader.advance()).toBe(false)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024)
    expect(reader.bufferedBytes).toBe(5)
  })

  test('a frame in single bytes takes at most its own size', () => {
    const body = 20_000
    const whole = frame('d', body + 4, Buffer.alloc(body, 7))
    const reader = new FrameReader({ maxFrameBytes: MAX })
    for (const byte of whole.subarray(0, -1)) {
      reader.push(Buffer.of(byte))
      expect(reader.advance()).toBe(false)
    }
    reader.push(whole.subarray(-1))
    expect(reader.advance()).toBe(true)
    expect(reader.buffer.length).toBe(whole.length)
    expect(reader.buffer.equals(whole)).toBe(true)
  })
})

describe('limits by type', () => {
  const client = (type: string, length: number) => (): boolean => {
    const reader = new FrameReader({ maxFrameBytes: MAX, limits: frontendLimits(MAX) })
    reader.push(frame(type, length))
    return reader.advance()
  }
  const server = (type: string, length: number) => (): boolean => {
    const reader = new FrameReader({ maxFrameBytes: MAX, limits: backendLimits(MAX) })
    reader.push(frame(type, length))
    return reader.advance()
  }

  test.each([
    ['S', 5],
    ['X', 5],
    ['H', 8],
    ['p', 65_537],
    ['D', 65_537],
    ['Q', MAX + 1],
  ])('a client’s %s of %i bytes is refused', (type, length) => {
    expect(client(type, length)).toThrowError(expect.objectContaining({ code: 'ERR_PROTOCOL_FRAME_LENGTH' }))
  })

  test.each([
    ['Z', 6],
    ['1', 5],
    ['K', 265],
    ['R', 65_537],
  ])('a server’s %s of %i bytes is refused', (type, length) => {
    expect(server(type, length)).toThrowError(expect.objectContaining({ code: 'ERR_PROTOCOL_FRAME_LENGTH' }))
  })

  test.each(['T', 'Z', 'R', '\0', '\xff', 'q'])('a client sends no %j', (type) => {
    expect(client(type, 4)).toThrowError(
      expect.objectContaining({
        code: 'ERR_PROTOCOL_FRAME_TYPE',
        message: expect.stringMatching(/^no message of type .* is expected here$/),
      }),
    )
  })

  test('a limit is never above the overall one', () => {
    const reader = new FrameReader({ maxFrameBytes: 100, limits: frontendLimits(100) })
    reader.push(frame('p', 101))
    expect(() => reader.advance()).toThrowError(expect.objectContaining({ code: 'ERR_PROTOCOL_FRAME_LENGTH' }))
  })

  test('every type that a server sends is let through at its smallest', () => {
    for (const type of 'RKZ123CWdcGHDIEVvnNAtSsT') {
      expect(server(type, type === 'Z' ? 5 : 4)).not.toThrow()
    }
  })
})

describe('frames', () => {
  test('lie in the pushed chunk, one behind the other', () => {
    const chunk = Buffer.concat([frame('S', 4), frame('Q', 6, Buffer.from('a\0'))])
    const reader = readerOf(chunk)
    expect(reader.advance()).toBe(true)
    expect(reader).toMatchObject({ type: 0x53, start: 0, bodyStart: 5, end: 5 })
    expect(reader.buffer).toBe(chunk)
    expect(reader.bufferedBytes).toBe(7)
    expect(reader.advance()).toBe(true)
    expect(reader).toMatchObject({ type: 0x51, start: 5, bodyStart: 10, end: 12 })
    expect(reader.buffer).toBe(chunk)
    expect(reader.advance()).toBe(false)
    expect(reader.bufferedBytes).toBe(0)
  })

  test('a frame across chunks does not change when the next ones are read', () => {
    const whole = frame('Q', 14, Buffer.from('select 1;\0'))
    const reader = readerOf(whole.subarray(0, 7), Buffer.concat([whole.subarray(7), whole]), whole)
    expect(reader.advance()).toBe(true)
    const first = reader.buffer.subarray(reader.start, reader.end)
    expect(reader.advance()).toBe(true)
    expect(reader.advance()).toBe(true)
    expect(first.equals(whole)).toBe(true)
  })

  test('startup frames have no type byte, and those behind them do', () => {
    const startup = Buffer.from('0000000804d2162f', 'hex')
    const reader = new FrameReader({ maxFrameBytes: MAX, startup: true })
    reader.push(Buffer.concat([startup, startup, frame('S', 4)]))
    expect(reader.advance()).toBe(true)
    expect(reader).toMatchObject({ type: 0, start: 0, bodyStart: 4, end: 8 })
    expect(reader.advance()).toBe(true)
    reader.startupDone()
    expect(reader.advance()).toBe(true)
    expect(reader).toMatchObject({ type: 0x53, start: 16, bodyStart: 21, end: 21 })
  })

  test('the startup phase can’t end within a startup frame', () => {
    const reader = new FrameReader({ maxFrameBytes: MAX, startup: true })
    reader.push(Buffer.from('0000000804d2', 'hex'))
    expect(reader.advance()).toBe(false)
    expect(() => reader.startupDone()).toThrowError(
      expect.objectContaining({
        code: 'ERR_PROTOCOL_STATE',
        message: 'the startup phase ended within a startup frame',
      }),
    )
  })

  test('what is left is handed out whole, and once', () => {
    const whole = frame('Q', 6, Buffer.from('a\0'))
    const reader = readerOf(Buffer.concat([whole, whole.subarray(0, 3)]))
    reader.advance()
    expect(reader.advance()).toBe(false)
    reader.push(whole.subarray(3))
    reader.push(whole)
    expect(reader.takeRest().equals(Buffer.concat([whole, whole]))).toBe(true)
    expect(reader.bufferedBytes).toBe(0)
    expect(reader.advance()).toBe(false)
  })
})

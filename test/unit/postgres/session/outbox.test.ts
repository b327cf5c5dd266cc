import { describe, expect, test, vi } from 'vitest'
import { Outbox, type Sink } from '../../../../planes/postgres/session/outbox.ts'

function outboxOver(sent: string[], room = true) {
  const drains: (() => void)[] = []
  const sink: Sink = {
    write: (bytes) => {
      sent.push(Buffer.from(bytes).toString())
      return room
    },
    cork: () => undefined,
    uncork: () => undefined,
    once: (_, listener) => drains.push(listener),
  }
  const failures: unknown[] = []
  const onRoom = vi.fn<() => void>()
  const outbox = new Outbox(sink, { highWaterMark: 4, onFailure: (error) => failures.push(error), onRoom })
  return { outbox, failures, onRoom, drain: () => drains.splice(0).forEach((each) => each()) }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('outbox', () => {
  test('nothing leaves before its gate settles, and nothing overtakes it', async () => {
    const sent: string[] = []
    const { outbox } = outboxOver(sent)
    const gate = Promise.withResolvers<void>()
    outbox.push(Buffer.from('a'))
    outbox.gate(gate.promise)
    outbox.flush()
    outbox.push(Buffer.from('b'))
    outbox.flush()
    await settle()
    expect(sent).toEqual([])
    gate.resolve()
    await settle()
    expect(sent).toEqual(['a', 'b'])
  })

  test('a gate that fails closes the outbox: not a byte of that batch or a later one leaves', async () => {
    const sent: string[] = []
    const { outbox, failures } = outboxOver(sent)
    const gate = Promise.withResolvers<void>()
    outbox.push(Buffer.from('a'))
    outbox.gate(gate.promise)
    outbox.flush()
    outbox.push(Buffer.from('b'))
    outbox.flush()
    gate.reject(new Error('disk full'))
    await settle()
    outbox.push(Buffer.from('c'))
    outbox.flush()
    await settle()
    expect(sent).toEqual([])
    expect(failures).toEqual([new Error('disk full')])
  })

  test('is full while a slow reader holds more than the mark, and says when there is room again', async () => {
    const { outbox, onRoom, drain } = outboxOver([], false)
    outbox.push(Buffer.from('12345'))
    outbox.flush()
    expect(outbox.full).toBe(true)
    drain()
    expect(outbox.full).toBe(false)
    expect(onRoom).toHaveBeenCalledOnce()
  })

  test('drained waits for what was flushed', async () => {
    const sent: string[] = []
    const { outbox } = outboxOver(sent)
    const gate = Promise.withResolvers<void>()
    outbox.push(Buffer.from('a'))
    outbox.gate(gate.promise)
    outbox.flush()
    setTimeout(() => gate.resolve(), 5)
    await outbox.drained()
    expect(sent).toEqual(['a'])
  })
})

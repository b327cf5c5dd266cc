import type { Socket } from 'node:net'
import { type BackendMessage, decodeBackend } from '../../planes/postgres/codec/backend-messages.ts'
import { FrameReader } from '../../planes/postgres/codec/frame.ts'
import { encodeFrontend, type FrontendMessage } from '../../planes/postgres/codec/frontend-messages.ts'
import { Writer } from '../../planes/postgres/codec/writer.ts'

/** What a client does next: says something, or waits for as many ReadyForQuery as it has asked for. */
export type ClientStep = FrontendMessage | { readonly kind: 'wait' } | { readonly kind: 'raw'; readonly bytes: Buffer }

/** A client that sends what its script says, cut at any byte, and keeps every message that comes back. */
export class ScriptedClient {
  readonly received: BackendMessage[] = []
  /** Every byte that came. */
  readonly bytes: Buffer[] = []
  /** ReadyForQuery that it has asked for, and that came. */
  asked = 0
  ready = 0
  closed = false
  onMessage: (message: BackendMessage) => void = () => undefined
  readonly #socket: Socket
  readonly #reader = new FrameReader({ maxFrameBytes: 1 << 24 })
  #wake = Promise.withResolvers<void>()

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('close', () => {
      this.closed = true
      this.#wake.resolve()
    })
  }

  /** `cuts`: sizes of the pieces, cyclically; none: one write a step. */
  async play(steps: readonly ClientStep[], cuts: readonly number[], pause: () => Promise<void>): Promise<void> {
    let cut = 0
    for (const step of steps) {
      if (step.kind === 'wait') await this.settled()
      const bytes = bytesOf(step)
      if (step.kind === 'sync' || step.kind === 'query' || step.kind === 'functionCall') this.asked += 1
      for (let from = 0; from < bytes.length;) {
        const size = cuts[cut++ % Math.max(cuts.length, 1)] ?? bytes.length
        if (this.#socket.writable) this.#socket.write(bytes.subarray(from, from + size))
        from += size
        await pause()
      }
    }
  }

  /** Until every ReadyForQuery that it asked for has come, or the connection has ended. */
  async settled(): Promise<void> {
    while (this.ready < this.asked && !this.closed) await this.#wake.promise
  }

  async ended(): Promise<void> {
    while (!this.closed) await this.#wake.promise
  }

  /** Reads no more. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.bytes.push(chunk)
    this.#reader.push(chunk)
    while (this.#reader.advance()) {
      const { type, buffer, bodyStart, end } = this.#reader
      const message = decodeBackend(type, buffer, bodyStart, end)
      if (message.kind === 'readyForQuery') this.ready += 1
      this.received.push(message)
      this.onMessage(message)
    }
    const { resolve } = this.#wake
    this.#wake = Promise.withResolvers<void>()
    resolve()
  }
}

function bytesOf(step: ClientStep): Buffer {
  if (step.kind === 'wait') return Buffer.alloc(0)
  if (step.kind === 'raw') return step.bytes
  const writer = new Writer(256)
  encodeFrontend(writer, step)
  return writer.take()
}

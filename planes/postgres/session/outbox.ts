/** The part of a socket that is written to. */
export interface Sink {
  write(bytes: Uint8Array): boolean
  cork(): void
  uncork(): void
  once(event: 'drain', listener: () => void): unknown
}

/** Up to this many bytes, copying pieces into one costs less than handing the kernel a list of them. */
const WORTH_COPYING = 16 * 1024

/** Pieces that belong together, in one write. False when the socket wants to drain first. */
export function writeTogether(
  sink: Pick<Sink, 'write' | 'cork' | 'uncork'>,
  pieces: readonly Buffer[],
  bytes: number,
): boolean {
  const [only] = pieces
  if (only === undefined) return true
  if (pieces.length === 1) return sink.write(only)
  if (bytes <= WORTH_COPYING) return sink.write(Buffer.concat(pieces, bytes))
  sink.cork()
  let room = true
  for (const piece of pieces) room = sink.write(piece)
  sink.uncork()
  return room
}

interface Batch {
  readonly pieces: Buffer[]
  bytes: number
  gates: Promise<void>[] | null
}

/**
 * What goes to the client, in order, a batch at a time. A batch leaves when its gates have settled (its intents,
 * recording and outcomes are durable) and every batch before it has left. A gate that fails closes the outbox: not one
 * byte of that batch or a later one leaves, and `onFailure` is told once.
 */
export class Outbox {
  readonly #sink: Sink
  readonly #onFailure: (error: unknown) => void
  readonly #onRoom: () => void
  readonly #onWrite: ((pieces: readonly Buffer[]) => void) | null
  readonly #highWaterMark: number
  readonly #waiting: Batch[] = []
  #open: Batch = { pieces: [], bytes: 0, gates: null }
  #held = 0
  /** Of these, what the socket has taken and not sent. */
  #undrained = 0
  #roomMade = Promise.withResolvers<void>()
  #leaving: Promise<void> | null = null
  #closed = false
  #full = false

  /** `onRoom` is called when the outbox has emptied after it was `full`; `onWrite` with what leaves, frames as a whole. */
  constructor(
    sink: Sink,
    options: {
      readonly highWaterMark: number
      onFailure(error: unknown): void
      onRoom(): void
      readonly onWrite?: ((pieces: readonly Buffer[]) => void) | null
    },
  ) {
    this.#sink = sink
    this.#onFailure = (error) => options.onFailure(error)
    this.#onRoom = () => options.onRoom()
    this.#onWrite = options.onWrite ?? null
    this.#highWaterMark = options.highWaterMark
  }

  /** More bytes wait than the mark allows: stop reading from the upstream until `onRoom`. */
  get full(): boolean {
    return this.#full
  }

  /** Adds bytes to the open batch. They must not be changed afterwards. */
  push(bytes: Buffer): void {
    if (this.#closed || bytes.length === 0) return
    this.#open.pieces.push(bytes)
    this.#open.bytes += bytes.length
    this.#held += bytes.length
  }

  /** Nothing of the open batch, and nothing after it, leaves before this settles. */
  gate(durable: Promise<void>): void {
    const gates = (this.#open.gates ??= [])
    if (gates.at(-1) === durable) return // what is written together is one promise
    durable.catch(() => undefined) // looked at when its batch's turn comes, which may be after it has failed
    gates.push(durable)
  }

  /** Closes the open batch; it leaves as soon as it may. */
  flush(): void {
    const batch = this.#open
    if (batch.pieces.length === 0 && batch.gates === null) return
    this.#open = { pieces: [], bytes: 0, gates: null }
    if (batch.gates === null && this.#leaving === null) this.#write(batch)
    else {
      this.#waiting.push(batch)
      this.#leaving ??= this.#leave()
    }
    if (this.#held > this.#highWaterMark) this.#full = true
  }

  /** Nothing more leaves. */
  close(): void {
    this.#closed = true
    this.#waiting.length = 0
    this.#open = { pieces: [], bytes: 0, gates: null }
    this.#makeRoom()
  }

  /** Resolves when it isn't full, or has closed. */
  async room(): Promise<void> {
    if (this.#full) await this.#roomMade.promise
  }

  /** Resolves when all that was flushed so far has been handed to the socket, or the outbox has closed. */
  async drained(): Promise<void> {
    await this.#leaving
  }

  #makeRoom(): void {
    this.#full = false
    this.#roomMade.resolve()
    this.#roomMade = Promise.withResolvers<void>()
  }

  async #leave(): Promise<void> {
    try {
      for (let batch = this.#waiting.shift(); batch !== undefined; batch = this.#waiting.shift()) {
        if (batch.gates !== null) await Promise.all(batch.gates)
        if (this.#closed) return
        this.#write(batch)
      }
    } catch (error) {
      this.close()
      this.#onFailure(error)
    } finally {
      this.#leaving = null
    }
  }

  #write(batch: Batch): void {
    if (this.#closed) return
    this.#onWrite?.(batch.pieces)
    if (writeTogether(this.#sink, batch.pieces, batch.bytes)) this.#released(batch.bytes)
    else this.#awaitDrain(batch.bytes)
  }

  /** One listener, however many batches wait for it. */
  #awaitDrain(bytes: number): void {
    this.#undrained += bytes
    if (this.#undrained > bytes) return
    this.#sink.once('drain', () => {
      const drained = this.#undrained
      this.#undrained = 0
      this.#released(drained)
    })
  }

  #released(bytes: number): void {
    this.#held -= bytes
    if (!this.#full || this.#held > this.#highWaterMark / 2) return
    this.#makeRoom()
    this.#onRoom()
  }
}

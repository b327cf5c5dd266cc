import { NO_BYTES, type HeaderLine, mediaType } from '../message.ts'
import { EVENTS_TYPE, formOf } from '../normalizer/body.ts'
import { checkReadable, maskLines, unmaskable } from './body-masker.ts'
import { endOfEvents, maskWhole } from './event-masker.ts'
import type { MaskPlan } from './mask-plan.ts'

/** Masks a body that comes in pieces, each of which means something by itself: a line of JSON, a server-sent event. */
export class StreamMasker {
  readonly #isEvents: boolean
  readonly #plan: MaskPlan
  readonly #most: number
  #pending: Buffer = NO_BYTES

  /** Null for a body that has to be whole before it can be masked. `most`: bytes of one line, or one event. */
  static of(headers: readonly HeaderLine[], plan: MaskPlan, most: number): StreamMasker | null {
    const type = mediaType(headers)
    const isEvents = type === EVENTS_TYPE
    if ((!isEvents && formOf(type) !== 'ndjson') || plan.hasWhole || !isReadable(headers)) return null
    return new StreamMasker(isEvents, plan, most)
  }

  private constructor(isEvents: boolean, plan: MaskPlan, most: number) {
    this.#isEvents = isEvents
    this.#plan = plan
    this.#most = most
  }

  /** What of it is complete by now, masked. Throws ObligationError for what can't be masked with certainty. */
  push(chunk: Buffer): Buffer {
    const held = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    const end = this.#isEvents ? endOfEvents(held) : held.lastIndexOf(0x0a) + 1
    this.#pending = held.subarray(end)
    if (this.#pending.length > this.#most) throw unmaskable(`a piece of it is larger than ${this.#most} bytes`)
    return end === 0 ? NO_BYTES : this.#masked(held.subarray(0, end))
  }

  /** A last line that nothing ended; an event that nothing ended is none. */
  end(): Buffer {
    return this.#isEvents || this.#pending.length === 0 ? NO_BYTES : this.#masked(this.#pending)
  }

  #masked(bytes: Buffer): Buffer {
    const masked = this.#isEvents ? maskWhole(bytes, this.#plan) : maskLines(bytes, this.#plan)
    if (masked === null) throw unmaskable('a piece of it could not be read as what its type says')
    return masked
  }
}

function isReadable(headers: readonly HeaderLine[]): boolean {
  try {
    checkReadable(headers)
    return true
  } catch {
    return false
  }
}

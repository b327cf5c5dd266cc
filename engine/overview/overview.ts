import { Worker } from 'node:worker_threads'
import { EvidenceError } from '../errors.ts'
import type { QuestionName, Questions } from './questions.ts'
import type { OverviewThread, Question, Told, Watched } from './worker.ts'

export interface OverviewOptions extends Omit<OverviewThread, 'everyMs' | 'restAfterMs'> {
  /** Milliseconds from one look at evidence to the next. */
  readonly everyMs?: number
  /** The thread rests when nobody has asked for so many. */
  readonly restAfterMs?: number
  /** The thread died, and another has begun; `why` is for the log. */
  onTrouble(why: string): void
}

/** What pages and metrics may ask of it. */
export type OverviewDoor = Pick<Overview, 'ask' | 'onAdvance'>

const EVERY_MS = 250
const REST_AFTER_MS = 120_000
const LIMITS = { maxOldGenerationSizeMb: 256 }
/** How long a question may wait for its answer, and how many may wait. */
const PATIENCE_MS = 15_000
const MOST_WAITING = 256
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 30_000

interface Waiting {
  readonly resolve: (answer: never) => void
  readonly reject: (error: EvidenceError) => void
  readonly timer: NodeJS.Timeout
}

/**
 * What evidence holds, for pages and metrics to ask: an index beside it that a thread of its own keeps up, so that nothing
 * of it is on any decision's path. It may be behind, or gone, and no decision changes for it. The thread begins with the first
 * that asks or watches, and rests when nobody has for a while.
 */
export class Overview {
  readonly #options: OverviewOptions
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<() => void>()
  #worker: Worker | null = null
  #asked = 0
  #retryMs = FIRST_RETRY_MS
  #retry: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: OverviewOptions) {
    this.#options = options
  }

  /** Throws EvidenceError ERR_EVIDENCE_OVERVIEW where there is no answer: too many ask, or the thread is gone just now. */
  ask<Name extends QuestionName>(name: Name, asked: Questions[Name]['asked']): Promise<Questions[Name]['answer']> {
    if (this.#closed || this.#retry !== undefined) return Promise.reject(unanswered('the index is being opened again'))
    if (this.#waiting.size >= MOST_WAITING) return Promise.reject(unanswered('too many ask at once'))
    const id = (this.#asked += 1)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id)?.reject(unanswered('no answer in time')), PATIENCE_MS).unref()
      this.#waiting.set(id, { resolve, reject, timer })
      this.#say({ kind: 'question', id, name, asked })
    })
  }

  /** Told when records were taken in, four times a second at most. Answers how to be told no more. */
  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    this.#watched()
    return () => {
      this.#listeners.delete(listener)
      this.#watched()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#giveUp('the gateway stops')
    await this.#worker?.terminate()
  }

  #watched(): void {
    if (!this.#closed && this.#retry === undefined) this.#say({ kind: 'watched', by: this.#listeners.size })
  }

  #say(what: Question | Watched): void {
    this.#worker ??= this.#start()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#worker.postMessage(what)
  }

  #start(): Worker {
    const { evidence, path, writer, everyMs = EVERY_MS, restAfterMs = REST_AFTER_MS } = this.#options
    const workerData: OverviewThread = { evidence, path, writer, everyMs, restAfterMs }
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { resourceLimits: LIMITS, workerData })
    worker.unref()
    worker.on('message', (told: Told) => this.#take(told))
    worker.on('error', (error) => this.#lost(worker, error instanceof Error ? error.message : String(error)))
    worker.on('exit', () => this.#lost(worker, 'it ended'))
    return worker
  }

  #take(told: Told): void {
    this.#retryMs = FIRST_RETRY_MS
    switch (told.kind) {
      case 'advanced':
        for (const listener of this.#listeners) listener()
        return
      case 'answer':
        this.#settle(told.id)?.resolve(answerOf(told))
        return
      case 'failed':
        this.#settle(told.id)?.reject(unanswered(told.message))
    }
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return undefined
    clearTimeout(waiting.timer)
    this.#waiting.delete(id)
    return waiting
  }

  #lost(worker: Worker, why: string): void {
    if (this.#closed || worker !== this.#worker || this.#retry !== undefined) return
    this.#options.onTrouble(why)
    this.#giveUp(why)
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#worker = this.#start()
      this.#watched()
    }, this.#retryMs).unref()
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
  }

  #giveUp(why: string): void {
    for (const id of this.#waiting.keys()) this.#settle(id)?.reject(unanswered(why))
  }
}

/** What the thread answers is what was asked of it; a message can't say so. */
function answerOf(told: { readonly answer: unknown }): never {
  const { answer }: { readonly answer: never } = Object(told)
  return answer
}

function unanswered(why: string): EvidenceError {
  return new EvidenceError('ERR_EVIDENCE_OVERVIEW', `the index of evidence can't answer just now: ${why}`, {
    retryable: true,
  })
}

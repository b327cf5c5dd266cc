import { Worker } from 'node:worker_threads'
import type { WorkerAnswer } from './parser-worker.ts'
import { compilePgQuery } from './pg-query.ts'

/** Left to the thread for its tree; a statement that needs more ends the thread, not the gateway. */
const LIMITS = { stackSizeMb: 4, maxOldGenerationSizeMb: 256 }

/**
 * The parser's worker thread: one statement at a time, each with a deadline. Without an answer by then (`null`) the
 * thread is ended and the next statement gets a fresh one.
 */
export class ParserThread {
  readonly #deadlineMs: number
  #worker: Promise<Worker> | null = null
  #queue: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs
  }

  /** Starts the thread ahead of its first statement. */
  warm(): void {
    if (this.#closed) return
    this.#worker ??= startWorker()
    this.#worker.catch(() => {
      this.#worker = null
    })
  }

  ask(sql: string): Promise<WorkerAnswer | null> {
    const turn = this.#queue.then(() => this.#ask(sql))
    this.#queue = turn.catch(() => null)
    return turn
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#end()
  }

  async #ask(sql: string): Promise<WorkerAnswer | null> {
    if (this.#closed) return null
    this.warm()
    const worker = await this.#worker
    if (worker === null) return null
    const answer = await answerOf(worker, sql, this.#deadlineMs)
    if (answer === null) {
      await this.#end()
      this.warm()
    }
    return answer
  }

  async #end(): Promise<void> {
    const worker = this.#worker
    this.#worker = null
    await worker?.then(
      (running) => running.terminate(),
      () => 0,
    )
  }
}

async function startWorker(): Promise<Worker> {
  const workerData = await compilePgQuery()
  const worker = new Worker(new URL('./parser-worker.ts', import.meta.url), { resourceLimits: LIMITS, workerData })
  worker.unref()
  const { promise, resolve, reject } = Promise.withResolvers<Worker>()
  worker.once('message', () => resolve(worker))
  worker.once('error', reject)
  worker.once('exit', () => reject(new Error('the parser thread ended before it was ready')))
  return promise
}

/** The thread's answer to one statement; null when it died or the deadline passed first. */
function answerOf(worker: Worker, sql: string, deadlineMs: number): Promise<WorkerAnswer | null> {
  const { promise, resolve } = Promise.withResolvers<WorkerAnswer | null>()
  const give = (answer: WorkerAnswer | null): void => {
    clearTimeout(timer)
    worker.off('message', give)
    worker.off('error', fail)
    worker.off('exit', fail)
    resolve(answer)
  }
  const fail = (): void => give(null)
  const timer = setTimeout(fail, deadlineMs)
  worker.on('message', give)
  worker.on('error', fail)
  worker.on('exit', fail)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  worker.postMessage(sql)
  return promise
}

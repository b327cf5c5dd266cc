import { Worker } from 'node:worker_threads'
import type { Evaluation } from '../verdict.ts'
import type { CandidateAnswer, CandidateBundle, Question } from './candidate-worker.ts'

/** Called once: with the candidate's answer, null where it gave no verdict, undefined where it gave up or was given up. */
type Answered = (evaluation: Evaluation | null | undefined) => void

const LIMITS = { maxOldGenerationSizeMb: 256 }
/** How much may wait for the thread; what comes beyond is dropped, and counted as that. */
const MAX_WAITING = 512
/** Opening and one answer each have this long. */
const DEADLINE_MS = 10_000

/** One candidate's thread. Answers come in the order of the questions. Started again when it died or took too long. */
export class CandidateThread {
  readonly #bundle: CandidateBundle
  readonly #waiting: Answered[] = []
  #worker: Worker | null = null
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(bundle: CandidateBundle) {
    this.#bundle = bundle
  }

  /** False where too much waits already: nothing was asked. */
  ask(question: Question, answered: Answered): boolean {
    if (this.#closed || this.#waiting.length >= MAX_WAITING) return false
    this.#waiting.push(answered)
    const worker = (this.#worker ??= this.#start())
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(question)
    if (this.#timer === undefined) this.#expect()
    return true
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#giveUp()
    await worker?.terminate()
  }

  #start(): Worker {
    const workerData = this.#bundle
    const worker = new Worker(new URL('./candidate-worker.ts', import.meta.url), { resourceLimits: LIMITS, workerData })
    worker.unref()
    worker.on('message', (answer: CandidateAnswer) => this.#take(worker, answer))
    worker.on('error', () => this.#lost(worker))
    worker.on('exit', () => this.#lost(worker))
    return worker
  }

  #take(worker: Worker, answer: CandidateAnswer): void {
    if (worker !== this.#worker) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (answer.kind !== 'ready') this.#waiting.shift()?.(answer.kind === 'answered' ? answer.evaluation : null)
    if (this.#waiting.length > 0) this.#expect()
  }

  #expect(): void {
    this.#timer = setTimeout(() => this.#giveUp(), DEADLINE_MS)
    this.#timer.unref()
  }

  #lost(worker: Worker): void {
    if (worker === this.#worker) this.#giveUp()
  }

  /** What waits is not asked again: a question that ended the thread would end the next one. */
  #giveUp(): void {
    const worker = this.#worker
    this.#worker = null
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const answered of this.#waiting.splice(0)) answered(undefined)
    worker?.terminate().catch(() => undefined)
  }
}

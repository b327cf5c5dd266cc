import { Worker } from 'node:worker_threads'
import { PolicyError } from '../errors.ts'
import type { PolicyReference } from '../verdict.ts'
import type { Question, Reply, WorkerData } from './worker.ts'

/** A bundle on a thread of its own, for questions about what was or might be; it never decides anything. */
export class Candidate implements AsyncDisposable {
  readonly reference: PolicyReference
  readonly #worker: Worker

  private constructor(worker: Worker, reference: PolicyReference) {
    this.#worker = worker
    this.reference = reference
  }

  /** Throws PolicyError for a bundle that does not open. */
  static async open(bundle: string): Promise<Candidate> {
    const workerData: WorkerData = { bundle }
    const worker = new Worker(new URL(import.meta.resolve('./worker.ts')), { workerData })
    const reference = await next<PolicyReference>(worker, OPENING_MS)
    return new Candidate(worker, reference)
  }

  /** One reply a question, in their order. Throws PolicyError ERR_POLICY_EVALUATION when they take beyond all measure. */
  async ask(questions: readonly Question[]): Promise<readonly Reply[]> {
    const replies = next<readonly Reply[]>(this.#worker, PATIENCE_MS)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
    this.#worker.postMessage(questions)
    return replies
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate()
  }
}

const OPENING_MS = 120_000
/** For a batch: a hundred decisions at the slowest that a bundle may have take less. */
const PATIENCE_MS = 60_000

async function next<Message>(worker: Worker, patienceMs: number): Promise<Message> {
  const { promise, resolve, reject } = Promise.withResolvers<Message>()
  const late = setTimeout(() => {
    void worker.terminate()
    reject(new PolicyError('ERR_POLICY_EVALUATION', `the policy did not answer within ${patienceMs / 1000} s`))
  }, patienceMs)
  const ended = (code: number): void =>
    reject(new PolicyError('ERR_POLICY_EVALUATION', `the thread that ran the policy ended with ${code}`))
  worker.once('message', resolve)
  worker.once('error', reject)
  worker.once('exit', ended)
  try {
    return await promise
  } finally {
    clearTimeout(late)
    worker.off('message', resolve)
    worker.off('error', reject)
    worker.off('exit', ended)
  }
}

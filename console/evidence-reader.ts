import { Worker } from 'node:worker_threads'
import type { Query } from '../engine/evidence/index.ts'
import { EvidenceError } from '../engine/index.ts'
import type { ExportReading, ExportTold, Reading, Told } from './evidence-worker.ts'

/** Where evidence is, and what an export is made with. */
export interface EvidencePlace {
  /** Null where evidence is in a database, which is pulled into a directory before it is read whole. */
  readonly directory: string | null
  /** The export key; null: exports are unsigned, and say so. */
  readonly exportKey: string | null
  readonly controls: string
  readonly policies: readonly string[]
  readonly producer: string
}

export interface Exporting {
  readonly query: Query
  readonly out: string
  onProgress(phase: string, done: number, of: number): void
  /** Who takes evidence away is evidence: durable when it resolves, and only then can anybody have the bundle. */
  beforePublishing(told: ExportTold): Promise<void>
}

const AT_ONCE = 2
const MOST_WAITING = 16
const LIMITS = { maxOldGenerationSizeMb: 1024 }

/** Readings of whole evidence, a few at a time, each on a thread of its own. */
export class EvidenceReader {
  readonly #place: EvidencePlace
  readonly #running = new Set<Worker>()
  readonly #queue: (() => void)[] = []
  #busy = 0
  #closed = false

  constructor(place: EvidencePlace) {
    this.#place = place
  }

  /** A session's evidence as JSON text; null where there is no such session. */
  session(session: string): Promise<string | null> {
    const directory = this.#directory()
    return this.#inTurn(() => this.#run({ kind: 'session', directory, session }, null))
  }

  async export(exporting: Exporting): Promise<void> {
    const { exportKey, controls, policies, producer } = this.#place
    const { query, out } = exporting
    const reading: ExportReading = {
      kind: 'export',
      directory: this.#directory(),
      out,
      query,
      signer: exportKey,
      producer,
      controls,
      policies,
    }
    await this.#inTurn(() => this.#run(reading, exporting))
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#running].map((worker) => worker.terminate()))
  }

  #directory(): string {
    if (this.#place.directory !== null) return this.#place.directory
    const message =
      'evidence is in a database here: bring it into a directory with "countersign evidence pull", and replay or export that'
    throw new EvidenceError('ERR_EVIDENCE_DIRECTORY', message)
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy >= AT_ONCE) {
      if (this.#queue.length >= MOST_WAITING) throw busy()
      await new Promise<void>((resolve) => this.#queue.push(resolve))
    }
    if (this.#closed) throw busy()
    this.#busy += 1
    try {
      return await work()
    } finally {
      this.#busy -= 1
      this.#queue.shift()?.()
    }
  }

  async #run(reading: Reading, exporting: Exporting | null): Promise<string | null> {
    const worker = new Worker(new URL('./evidence-worker.ts', import.meta.url), {
      workerData: reading,
      resourceLimits: LIMITS,
    })
    this.#running.add(worker)
    const done = Promise.withResolvers<string | null>()
    worker.on('message', (told: Told) => {
      if (told.kind === 'done') done.resolve(told.text)
      if (told.kind === 'progress') exporting?.onProgress(told.phase, told.done, told.of)
      if (told.kind === 'publishing') {
        exporting?.beforePublishing(told.told).then(() => worker.postMessage('go'), done.reject) // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread, not a window
      }
    })
    worker.on('error', (error) => done.reject(failure(error)))
    worker.on('exit', () => done.reject(busy()))
    try {
      return await done.promise
    } finally {
      this.#running.delete(worker)
      await worker.terminate()
    }
  }
}

/** An error that comes out of a thread has lost its class; what it says of itself is left. */
function failure(error: unknown): Error {
  const { code, message }: { readonly code?: unknown; readonly message?: unknown } = Object(error)
  if (code === 'ERR_EVIDENCE_TOO_LARGE' || code === 'ERR_EVIDENCE_EXPORT' || code === 'ERR_EVIDENCE_TAMPERED') {
    return new EvidenceError(code, String(message))
  }
  return error instanceof Error ? error : new Error(String(error))
}

function busy(): EvidenceError {
  return new EvidenceError(
    'ERR_EVIDENCE_OVERVIEW',
    'evidence is being read for too many at once: ask again in a moment',
    {
      retryable: true,
    },
  )
}

import { Worker } from 'node:worker_threads'
import type { Query } from '../engine/evidence/index.ts'
import { EvidenceError } from '../engine/index.ts'
import type { OverviewDoor } from '../engine/overview/index.ts'
import type { EvidenceAddress, ExportReading, ExportTold, Reading, Told } from './evidence-worker.ts'

/** Where evidence is, and what an export is made with. */
export interface EvidencePlace {
  readonly evidence: EvidenceAddress
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

/** Readings of evidence that are long, a few at a time, each on a thread of its own. */
export class EvidenceReader {
  readonly #place: EvidencePlace
  readonly #overview: OverviewDoor
  readonly #running = new Set<Worker>()
  readonly #queue: (() => void)[] = []
  #busy = 0
  #closed = false

  constructor(place: EvidencePlace, overview: OverviewDoor) {
    this.#place = place
    this.#overview = overview
  }

  /** A session's evidence as JSON text; null where there is no such session. */
  session(session: string): Promise<string | null> {
    const { evidence } = this.#place
    return this.#inTurn(async () => {
      const places = await this.#overview.ask('replay', { id: session })
      return places === null ? null : this.#run({ kind: 'session', evidence, session, places }, null)
    })
  }

  async export(exporting: Exporting): Promise<void> {
    const { evidence, exportKey, controls, policies, producer } = this.#place
    const { query, out } = exporting
    const reading: ExportReading = {
      kind: 'export',
      evidence,
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

const TOLD = ['ERR_EVIDENCE_TOO_LARGE', 'ERR_EVIDENCE_EXPORT', 'ERR_EVIDENCE_TAMPERED', 'ERR_EVIDENCE_STORE'] as const

/** An error that comes out of a thread has lost its class; what it says of itself is left. */
function failure(error: unknown): Error {
  const { code, message }: { readonly code?: unknown; readonly message?: unknown } = Object(error)
  const told = TOLD.find((each) => each === code)
  if (told !== undefined) return new EvidenceError(told, String(message), { retryable: told === 'ERR_EVIDENCE_STORE' })
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

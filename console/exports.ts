import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Query, RecordDraft } from '../engine/evidence/index.ts'
import type { Principal } from '../engine/index.ts'
import type { EvidenceReader } from './evidence-reader.ts'
import type { ExportTold } from './evidence-worker.ts'
import { problemOf, type Problem } from './problem.ts'

export type ExportState = 'making' | 'ready' | 'failed'

/** One export: asked for, made in the background, fetched by who asked. */
export interface Export {
  readonly id: string
  readonly by: { readonly id: string; readonly issuer: string }
  readonly query: Query
  readonly reason: string | null
  readonly askedAt: number
  readonly state: ExportState
  readonly progress: { readonly phase: string; readonly done: number; readonly of: number } | null
  readonly told: ExportTold | null
  readonly problem: Pick<Problem, 'code' | 'detail'> | null
  /** Where the bundle lies. */
  readonly folder: string
}

/** Bundles that are kept; beyond them the oldest goes, and each goes after its time, or with the gateway. */
const MOST_KEPT = 10
const KEPT_MS = 24 * 3_600_000

export interface ExportsOptions {
  readonly reader: EvidenceReader
  readonly record: (draft: RecordDraft) => Promise<void>
  now(): number
}

/** Export bundles that people have asked for on a page. They lie in a directory of this process alone. */
export class Exports {
  readonly #options: ExportsOptions
  readonly #all = new Map<string, Export>()
  #home: Promise<string> | null = null

  constructor(options: ExportsOptions) {
    this.#options = options
  }

  /** Those of one person, newest first. */
  of({ id, issuer }: Principal): readonly Export[] {
    return [...this.#all.values()].filter(({ by }) => by.id === id && by.issuer === issuer).toReversed()
  }

  /** Begins to make one; `of` tells how it goes. */
  async begin(principal: Principal, query: Query, reason: string | null): Promise<Export> {
    await this.#letGo()
    this.#home ??= mkdtemp(join(tmpdir(), 'countersign-exports-')) // mode 0700
    const id = randomUUID()
    const home = join(await this.#home, id)
    await mkdir(home, { mode: 0o700 })
    const made: Export = {
      id,
      by: { id: principal.id, issuer: principal.issuer },
      query,
      reason,
      askedAt: this.#options.now(),
      state: 'making',
      progress: null,
      told: null,
      problem: null,
      folder: join(home, 'evidence-bundle'),
    }
    this.#all.set(id, made)
    void this.#make(made, principal)
    return made
  }

  async close(): Promise<void> {
    const home = await this.#home
    if (home !== null) await rm(home, { recursive: true, force: true })
  }

  async #make({ id, query, folder: out, reason }: Export, principal: Principal): Promise<void> {
    try {
      await this.#options.reader.export({
        query,
        out,
        onProgress: (phase, done, of) => this.#change(id, { progress: { phase, done, of } }),
        beforePublishing: async (told) => {
          const { records, range, checkpoint, manifest } = told
          const detail = { query: { ...query }, range: range === null ? null : { ...range }, records }
          await this.#options.record({
            event: 'evidence.exported',
            principal,
            detail: { ...detail, checkpoint: { ...checkpoint }, manifest, how: 'console', reason },
          })
          this.#change(id, { told })
        },
      })
      this.#change(id, { state: 'ready', progress: null })
    } catch (error) {
      const { code, detail } = problemOf(error instanceof Error ? error : new Error(String(error)))
      this.#change(id, { state: 'failed', progress: null, problem: { code, detail } })
    }
  }

  #change(id: string, change: Partial<Export>): void {
    const known = this.#all.get(id)
    if (known !== undefined) this.#all.set(id, { ...known, ...change })
  }

  async #letGo(): Promise<void> {
    const old = this.#options.now() - KEPT_MS
    const settled = [...this.#all.values()].filter(({ state }) => state !== 'making')
    const due = settled.filter(({ askedAt }, at) => askedAt < old || settled.length - at >= MOST_KEPT)
    for (const { id, folder } of due) {
      this.#all.delete(id)
      await rm(join(folder, '..'), { recursive: true, force: true })
    }
  }
}

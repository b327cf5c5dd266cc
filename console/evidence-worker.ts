/** One heavy reading of evidence, on a thread of its own: however much there is, no decision waits for it. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { controlReport, controlsCsv, loadControlPack, reportHtml, reportPdf } from '../engine/controls/index.ts'
import {
  directoryStore,
  exportEvidence,
  parseSigner,
  postgresStore,
  type EvidenceSource,
  type ExportOptions,
  type PostgresAddress,
  type Query,
} from '../engine/evidence/index.ts'
import type { SessionPlaces } from '../engine/overview/index.ts'
import { bundleDigest } from '../engine/policy/index.ts'
import { collectPlaced } from '../engine/replay/index.ts'

export type Reading = SessionReading | ExportReading

/** Where evidence is. */
export type EvidenceAddress = { readonly directory: string } | { readonly postgres: PostgresAddress }

export interface SessionReading {
  readonly kind: 'session'
  readonly evidence: EvidenceAddress
  readonly session: string
  readonly places: SessionPlaces
}

export interface ExportReading {
  readonly kind: 'export'
  readonly evidence: EvidenceAddress
  readonly out: string
  readonly query: Query
  /** The export key as `countersign evidence key` makes it; null: unsigned. */
  readonly signer: string | null
  readonly producer: string
  readonly controls: string
  /** Policy bundles at hand. */
  readonly policies: readonly string[]
}

export type Told =
  | { readonly kind: 'progress'; readonly phase: string; readonly done: number; readonly of: number }
  /** All of an export is written; it takes its name once this is answered with `go`. */
  | { readonly kind: 'publishing'; readonly told: ExportTold }
  /** JSON text; null: there is nothing of it. */
  | { readonly kind: 'done'; readonly text: string | null }

export interface ExportTold {
  readonly records: number
  readonly frames: number
  readonly range: { readonly first: number; readonly last: number } | null
  readonly checkpoint: { readonly origin: string; readonly size: number; readonly root: string }
  readonly manifest: string
  readonly witnessed: boolean
}

const port = parentPort
if (port === null) throw new Error('evidence-worker.ts runs as a worker thread only')

const reading: Reading = workerData
const { evidence } = reading
const store = 'directory' in evidence ? directoryStore(evidence.directory) : postgresStore(evidence.postgres)
try {
  const { source } = store
  const text = reading.kind === 'session' ? await session(reading, source) : await bundle(reading, source, port)
  tell(port, { kind: 'done', text })
} finally {
  await store.close()
}

async function session({ session: id, places }: SessionReading, source: EvidenceSource): Promise<string | null> {
  const found = await collectPlaced(source, id, places)
  return found === null ? null : JSON.stringify(found)
}

async function bundle(asked: ExportReading, source: EvidenceSource, to: MessagePort): Promise<string> {
  const { out, query, producer } = asked
  const signer = asked.signer === null ? null : (parseSigner(asked.signer) ?? null)
  const isOfOne = query.agent !== null || query.session !== null // reports tell of everybody
  const report = await exportEvidence({
    evidence: source,
    out,
    query,
    signer,
    producer,
    policyFile: await policyFiles(asked.policies),
    ...(isOfOne ? {} : { reports: reports(asked, source) }),
    onProgress: (phase, done, of) => tell(to, { kind: 'progress', phase, done, of }),
    beforePublishing: async ({ predicate, manifest, witnessed }) => {
      const { log, counts, range } = predicate
      const { records, frames } = counts
      tell(to, { kind: 'publishing', told: { records, frames, range, checkpoint: log, manifest, witnessed } })
      await once(to, 'message')
    },
  })
  return JSON.stringify(report.manifest)
}

function reports({ query, controls }: ExportReading, source: EvidenceSource): NonNullable<ExportOptions['reports']> {
  return async ({ root, ...scope }) => {
    const pack = await loadControlPack(controls)
    if (query.control !== null && !pack.controls.has(query.control)) return []
    const chosen = query.control === null ? {} : { controls: [query.control] }
    const about = { ...scope, ...chosen, root: Buffer.from(root, 'base64'), closed: true }
    const report = await controlReport(source, pack, about)
    return [
      { name: 'controls.csv', content: controlsCsv(report) },
      { name: 'report.html', content: reportHtml(report) },
      { name: 'report.pdf', content: await reportPdf(report) },
    ]
  }
}

async function policyFiles(paths: readonly string[]): Promise<NonNullable<ExportOptions['policyFile']>> {
  const files = new Map<string, string>()
  for (const path of paths) files.set(await bundleDigest(path), path)
  return async (digest) => {
    const path = files.get(digest)
    return path === undefined ? null : readFile(path)
  }
}

function tell(to: MessagePort, told: Told): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  to.postMessage(told)
}

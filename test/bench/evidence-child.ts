/** One step of `npm run bench -- evidence` in a process of its own, so that its time and its memory are its own. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EVERYTHING, exportEvidence, readRecords, verifyBundle, verifyEvidence } from '../../engine/evidence/index.ts'
import { appendRecords, BENCH_SIGNER, EXPORT_SIGNER } from './evidence-records.ts'

export interface StepReport {
  readonly seconds: number
  /** Peak resident memory of the process, MiB. */
  readonly peakMiB: number
  readonly detail: Readonly<Record<string, number | string>>
}

type Step = (directory: string, argument: string) => Promise<Readonly<Record<string, number | string>>>

const STEPS: Readonly<Record<string, Step>> = {
  append: async (directory, argument) => {
    const [records, callers] = argument.split(',').map(Number)
    return appendRecords(directory, records ?? 0, callers ?? 1)
  },
  verify: async (directory) => {
    const { status, records, findings } = await verifyEvidence(directory)
    if (status !== 'ok') throw new Error(`verify: ${status}: ${JSON.stringify(findings[0])}`)
    return { records }
  },
  read: async (directory) => {
    let records = 0
    for await (const _ of readRecords(directory)) records += 1
    return { records }
  },
  // `argument`: where the bundle goes. All of the log, or of the same log one agent's session.
  export: (directory, argument) => exported(directory, argument, null),
  select: (directory, argument) => exported(directory, argument, 's-1'),
  bundle: async (_, argument) => {
    const trust = { logKey: BENCH_SIGNER.verifier, exportKey: EXPORT_SIGNER.verifier }
    const { status, predicate, findings } = await verifyBundle(argument, trust)
    if (status !== 'ok') throw new Error(`bundle: ${status}: ${JSON.stringify(findings[0])}`)
    return { records: predicate?.counts.records ?? 0 }
  },
}

async function exported(
  directory: string,
  out: string,
  session: string | null,
): Promise<Readonly<Record<string, number | string>>> {
  const query = { ...EVERYTHING, session }
  const { predicate } = await exportEvidence({
    evidence: directory,
    out,
    query,
    signer: EXPORT_SIGNER,
    producer: 'bench',
  })
  return { records: predicate.counts.records, proofBytes: (await stat(join(out, 'proofs/hashes.txt'))).size }
}

const [name = '', directory = '', argument = ''] = process.argv.slice(2)
const step = STEPS[name]
if (step === undefined) throw new Error(`no step ${name}`)
const begun = process.hrtime.bigint()
const detail = await step(directory, argument)
const seconds = Number(process.hrtime.bigint() - begun) / 1e9
const report: StepReport = { seconds, peakMiB: process.resourceUsage().maxRSS / 1024, detail }
process.stdout.write(`${JSON.stringify(report)}\n`)

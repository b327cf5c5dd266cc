/**
 * What evidence costs: records appended with group commit beside what the disk's fdatasync alone allows, verified, read,
 * exported whole and in part; at a tenth of the size and at the full one, so that time that isn't linear and memory that isn't flat show.
 *
 *   npm run bench -- evidence [--records N] [--callers N]
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import type { StepReport } from './evidence-child.ts'
import { syncLimit } from './evidence-records.ts'

const USAGE = 'usage: npm run bench -- evidence [--records 1000000] [--callers 64]\n'
const CHILD = fileURLToPath(new URL('evidence-child.ts', import.meta.url))

/** `npm run bench -- evidence`. */
export async function benchEvidence(argv: readonly string[]): Promise<number> {
  const options = parse(argv)
  if (options === null) {
    process.stderr.write(USAGE)
    return 64
  }
  for (const records of [options.records / 10, options.records]) await benchSize(records, options.callers)
  return 0
}

function parse(argv: readonly string[]): { readonly records: number; readonly callers: number } | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { records: { type: 'string', default: '1000000' }, callers: { type: 'string', default: '64' } },
    })
    const [records, callers] = [Number(values.records), Number(values.callers)]
    return records % 20 === 0 && records > 0 && Number.isInteger(callers) && callers > 0 ? { records, callers } : null
  } catch {
    return null
  }
}

async function benchSize(records: number, callers: number): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  try {
    const directory = join(scratch, 'evidence')
    const append = await step('append', directory, `${records},${callers}`)
    const bytes = await sizeOf(join(directory, 'records'))
    const { appendSeconds = 0, closeSeconds = 0 } = append.detail
    // As many batches as there are turns of all callers, each of the bytes that one such batch had.
    const batches = Math.ceil(records / callers)
    const limit = await syncLimit(scratch, batches, Math.round(bytes / batches))
    say(records, 'append', append, {
      'records/s': rate(records, Number(appendSeconds)),
      'of fdatasync alone': percent(limit / Number(appendSeconds)),
      'bytes a record': Math.round(bytes / records),
      'last record signed after': `${Number(closeSeconds).toFixed(2)} s`,
    })
    for (const name of ['read', 'verify']) {
      const done = await step(name, directory)
      say(records, name, done, { 'records/s': rate(records, done.seconds) })
    }
    for (const name of ['export', 'select']) {
      const out = join(scratch, name)
      const made = await step(name, directory, out)
      say(records, name, made, { 'records/s': rate(records, made.seconds), ...made.detail })
      const checked = await step('bundle', directory, out)
      say(records, `${name}, verified`, checked, {})
      await rm(out, { recursive: true })
    }
    const steps = Math.ceil(Math.log2(records))
    process.stdout.write(`${records} records: an inclusion proof has at most ${steps} hashes, ${steps * 32} bytes\n`)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function step(name: string, directory: string, argument = ''): Promise<StepReport> {
  process.stderr.write(`${name} ${argument}\n`)
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, name, directory, argument])
  const report: StepReport = JSON.parse(stdout)
  return report
}

function say(records: number, name: string, report: StepReport, more: Readonly<Record<string, number | string>>): void {
  const figures = Object.entries({ ...more, peak: `${report.peakMiB.toFixed(0)} MiB` })
  const text = figures.map(([what, figure]) => `${what} ${figure}`).join(', ')
  process.stdout.write(`${records} records, ${name}: ${report.seconds.toFixed(2)} s; ${text}\n`)
}

async function sizeOf(directory: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(directory)) bytes += (await stat(join(directory, name))).size
  return bytes
}

function rate(records: number, seconds: number): number {
  return Math.round(records / seconds)
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(0)} %`
}

import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'

export const MODES = ['simple', 'extended', 'prepared'] as const
export type Mode = (typeof MODES)[number]

export interface Target {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export interface Run {
  readonly mode: Mode
  readonly clients: number
  readonly seconds: number
  /** A script file: what one transaction is. */
  readonly script: string
}

export interface Measured {
  readonly transactions: number
  readonly tps: number
  readonly latencyMs: number
}

/** Rows in pgbench_accounts at scale 1. */
const SCALE = 1

/**
 * What `pgbench -S` runs, as a script of our own: with its built-in scripts pgbench also asks the catalogue about its
 * tables before it starts, which is not what is measured.
 */
export const SELECT_SCRIPT: string = `\\set aid random(1, 100000 * ${SCALE})\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n`

/** null where there is a pgbench, else how to get one. */
export function missingPgbench(): string | null {
  const found = spawnSync('pgbench', ['--version'], { encoding: 'utf8' })
  if (found.status === 0) return null
  return `The benchmark drives its load with PostgreSQL's own pgbench, which is not on the PATH.
  Debian, Ubuntu   apt-get install postgresql-contrib   (then add /usr/lib/postgresql/<version>/bin to the PATH)
  Fedora           dnf install postgresql-contrib
  macOS            brew install postgresql@17           (then add its bin to the PATH)`
}

/** Makes and fills pgbench's tables. */
export async function initialize(target: Target): Promise<void> {
  await pgbench(target, ['--initialize', '--quiet', '--scale', String(SCALE)])
}

/** One measured run. Throws when a transaction failed: a refusal is fast, and would look like a fine result. */
export async function measure(target: Target, run: Run): Promise<Measured> {
  const { mode, clients, seconds, script } = run
  const jobs = Math.min(clients, 2)
  const load = ['--no-vacuum', '--protocol', mode, '--client', String(clients), '--jobs', String(jobs)]
  const output = await pgbench(target, [...load, '--time', String(seconds), '--file', script])
  const failed = numberIn(output, /number of failed transactions: (\d+)/)
  if (failed !== 0) throw new Error(`${failed} transactions failed through ${target.name}:\n${output}`)
  return {
    transactions: numberIn(output, /number of transactions actually processed: (\d+)/),
    tps: numberIn(output, /tps = ([\d.]+)/),
    latencyMs: numberIn(output, /latency average = ([\d.]+) ms/),
  }
}

async function pgbench(target: Target, args: readonly string[]): Promise<string> {
  const { host, port, user, password, database } = target
  const { stdout, stderr } = await promisify(execFile)(
    'pgbench',
    [...args, '--host', host, '--port', String(port), '--username', user, database],
    { env: { ...process.env, PGPASSWORD: password, PGSSLMODE: 'disable' }, maxBuffer: 16 * 1024 * 1024 },
  )
  return stdout + stderr
}

function numberIn(output: string, pattern: RegExp): number {
  const text = pattern.exec(output)?.[1]
  if (text === undefined) throw new Error(`pgbench said nothing like ${String(pattern)}:\n${output}`)
  return Number(text)
}

/**
 * Other people's suites, first at the server and then at the gateway with allow-all:
 *
 *   npm run suites -- pgx|sqlalchemy|regress [--write-known] [NAME…]
 *
 * Prints how many passed on either side and what differs. Exits 1 when something differs that known/*.tsv doesn't list.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { differing, KnownDifferences } from './known.ts'
import { type Case, plainly } from './outcome.ts'
import { runPgx } from './pgx.ts'
import { regressCases } from './regress.ts'
import { runSqlalchemy } from './sqlalchemy.ts'

type Run = (only: readonly string[], work: string) => Promise<Case[]>

const SUITES: ReadonlyMap<string, Run> = new Map<string, Run>([
  ['pgx', runPgx],
  ['sqlalchemy', runSqlalchemy],
  ['regress', regressCases],
])
const EXIT_USAGE = 64

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { 'write-known': { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } },
  })
  const [name = '', ...only] = positionals
  const run = SUITES.get(name)
  if (run === undefined) {
    process.stderr.write(`usage: npm run suites -- ${[...SUITES.keys()].join('|')} [--write-known] [--keep] [NAME…]\n`)
    return EXIT_USAGE
  }
  const work = await mkdtemp(join(tmpdir(), `countersign-${name}-`))
  chmodSync(work, 0o755) // a server of another user reads and writes beneath it
  try {
    const cases = await run(only, work)
    const known = new KnownDifferences(name)
    if (values['write-known']) known.rewrite(cases)
    return report(name, cases, values['write-known'] ? new KnownDifferences(name) : known)
  } finally {
    if (values.keep) process.stdout.write(`outputs are kept in ${work}\n`)
    else await rm(work, { recursive: true, force: true })
  }
}

function report(name: string, cases: readonly Case[], known: KnownDifferences): number {
  const passed = (side: 'direct' | 'through'): number => cases.filter((each) => each[side] === 'passed').length
  const differ = differing(cases)
  const fresh = differ.filter((each) => known.reason(each.name) === undefined)
  const causes = new Map<string, number>()
  for (const { complaint } of differ) causes.set(plainly(complaint), (causes.get(plainly(complaint)) ?? 0) + 1)
  for (const [cause, count] of [...causes].toSorted(([, one], [, other]) => other - one)) line(`${count}\t${cause}`)
  for (const { name: test, direct, through } of fresh) line(`new: ${test}: ${direct} direct, ${through} through`)
  for (const test of known.mended(cases)) line(`no longer differs, strike it from known/${name}.tsv: ${test}`)
  line(
    `${name}: ${passed('direct')} passed direct, ${passed('through')} passed through the gateway, of ${cases.length}`,
  )
  line(`${differ.length} differ: ${differ.length - fresh.length} known, ${fresh.length} new`)
  return fresh.length === 0 ? 0 : 1
}

function line(text: string): void {
  process.stdout.write(`${text}\n`)
}

process.exit(await main(process.argv.slice(2)))

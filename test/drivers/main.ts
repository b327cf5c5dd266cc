/**
 * Every driver, step by step, through the gateway and directly: `npm run drivers [-- NAME…]`. Prints a table a policy, and
 * exits 1 when a step comes out otherwise than steps.ts wants and known.ts tells.
 */
import { existsSync } from 'node:fs'
import { startStack } from '../support/stack.ts'
import { DRIVERS, type Driver } from './driver.ts'
import { type Policy, type Result, results, surprising } from './results.ts'
import { STEPS } from './steps.ts'

/** pg_dump wants a server no newer than itself. */
const DEBIAN = '/usr/lib/postgresql/15'

async function main(names: readonly string[]): Promise<number> {
  const wanted = DRIVERS.filter(({ name }) => names.length === 0 || names.includes(name))
  const all: Result[] = []
  for (const policy of ['allow-all', 'starter'] as const) {
    const found = [
      ...(await ofRelease(
        policy,
        wanted.filter((driver) => driver.name !== 'pg_dump'),
      )),
      ...(await ofRelease(
        policy,
        wanted.filter((driver) => driver.name === 'pg_dump'),
        DEBIAN,
      )),
    ]
    all.push(...found)
    print(table(policy, found))
  }
  for (const result of all.filter(({ came, wanted: want }) => came !== want)) print(`${told(result)}\n`)
  const surprises = all.filter(surprising)
  const good = all.filter(({ came, wanted: want }) => came === want).length
  print(`${good} of ${all.length} steps came out as wanted; ${surprises.length} otherwise, and not known\n`)
  return surprises.length === 0 && all.length > 0 ? 0 : 1
}

async function ofRelease(policy: Policy, drivers: readonly Driver[], release?: string): Promise<Result[]> {
  if (drivers.length === 0) return []
  if (release !== undefined && !existsSync(release)) {
    process.stderr.write(`pg_dump is left out: it needs apt-get install postgresql-15\n`)
    return []
  }
  const stack = await startStack({ policy, logLevel: 'error', ...(release === undefined ? {} : { release }) })
  try {
    const found: Result[] = []
    for (const driver of drivers) found.push(...(await results(driver, policy, stack)))
    return found
  } finally {
    await stack.stop()
  }
}

function table(policy: Policy, found: readonly Result[]): string {
  const drivers = [...new Set(found.map(({ driver }) => driver))]
  const cell = (driver: string, step: string): string =>
    found.find((result) => result.driver === driver && result.step === step)?.came ?? '–'
  const lines = [
    [policy, ...drivers],
    ...STEPS.map(({ name }) => [name, ...drivers.map((driver) => cell(driver, name))]),
  ]
  return `${lines
    .map((cells) =>
      cells
        .map((text) => text.padEnd(14))
        .join('')
        .trimEnd(),
    )
    .join('\n')}\n\n`
}

function told({ policy, driver, step, came, wanted, known, direct, through }: Result): string {
  const head = `${policy}, ${driver}, ${step}: ${came} where ${wanted} is wanted`
  if (known !== null) return `${head}, as known: ${known}`
  return `${head}\n  direct:  ${short(direct)}\n  through: ${short(through)}`
}

const short = (what: unknown): string => JSON.stringify(what).slice(0, 1000)

function print(text: string): void {
  process.stdout.write(text)
}

process.exit(await main(process.argv.slice(2)))

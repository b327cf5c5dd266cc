import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { asSuperuser } from '../support/postgres.ts'
import { startStack, type StackLine } from '../support/stack.ts'
import { compared, type Case, type Ended, type Outcome } from './outcome.ts'

const MODULE = 'github.com/jackc/pgx/v5'
const VERSION = 'v5.12.0'

/** One of the tests sends 100,000 notifications one by one, and each is on disk before it goes up. */
const LONGEST = '30m'

const SETUP = `CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE DOMAIN uint64 AS numeric(20,0);
  CREATE USER " tricky, ' } "" \\\\ test user " SUPERUSER PASSWORD 'secret'`

/** pgx's own tests, from its module, first at the server and then at the gateway, each in a database made anew. */
export async function runPgx(only: readonly string[], work: string): Promise<Case[]> {
  if (spawnSync('go', ['version']).status !== 0)
    throw new Error('go is not on the PATH: https://go.dev/dl, 1.26 or newer')
  const sources = join(work, 'pgx')
  await cp(moduleDirectory(work), sources, { recursive: true })
  spawnSync('chmod', ['-R', 'u+w', sources]) // the module cache is read-only
  const stack = await startStack({ policy: 'allow-all', bank: false, logLevel: 'error' })
  try {
    const sides: ReadonlyMap<string, Ended>[] = []
    for (const address of [stack.line.upstream, throughOf(stack.line)]) {
      await asSuperuser(stack.postgres, 'postgres', 'DROP DATABASE IF EXISTS pgx_test WITH (FORCE)')
      await asSuperuser(stack.postgres, 'postgres', `DROP USER IF EXISTS " tricky, ' } "" \\\\ test user "`)
      await asSuperuser(stack.postgres, 'postgres', 'CREATE DATABASE pgx_test')
      await asSuperuser(stack.postgres, 'pgx_test', SETUP)
      sides.push(await tests(sources, address, only))
    }
    return compared(sides[0] ?? new Map(), sides[1] ?? new Map())
  } finally {
    await stack.stop()
  }
}

interface Address {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
}

function throughOf({ gateway, principals }: StackLine): Address {
  return { host: gateway.host, port: gateway.port, user: principals.agent.user, password: principals.agent.token }
}

function moduleDirectory(work: string): string {
  const { status, stdout, stderr } = spawnSync('go', ['mod', 'download', '-json', `${MODULE}@${VERSION}`], {
    encoding: 'utf8',
    cwd: work,
  })
  if (status !== 0) throw new Error(`go mod download ended with ${status}: ${stderr}${stdout}`)
  const answer: { readonly Dir?: string } = JSON.parse(stdout)
  if (answer.Dir === undefined) throw new Error(`go mod download names no directory: ${stdout}`)
  return answer.Dir
}

interface GoEvent {
  readonly Action?: string
  readonly Package?: string
  readonly Test?: string
  readonly Output?: string
}

/** A directory that a test's name tells: another at each run. */
const TEMPORARY = /(\/Test\w*?)\d{7,}\/\d{3}\b/g

const OUTCOMES: Readonly<Record<string, Outcome>> = { pass: 'passed', fail: 'failed', skip: 'skipped' }

/** Every test and subtest by package and name. One that a time limit cut off has no outcome. */
async function tests(cwd: string, at: Address, only: readonly string[]): Promise<Map<string, Ended>> {
  const url = `host=${at.host} port=${at.port} user=${at.user} password=${at.password} database=pgx_test sslmode=disable`
  const packages = only.length === 0 ? ['./...'] : only
  const child = spawn('go', ['test', '-json', '-count=1', '-p=1', '-vet=off', `-timeout=${LONGEST}`, ...packages], {
    cwd,
    env: { ...process.env, PGX_TEST_DATABASE: url, PGX_TEST_TCP_CONN_STRING: url, GOFLAGS: '-buildvcs=false' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const ended = new Map<string, Ended>()
  const printed = new Map<string, string>()
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue
    const event: GoEvent = JSON.parse(line)
    const outcome = OUTCOMES[event.Action ?? '']
    const name = `${event.Package?.slice(MODULE.length + 1) ?? ''}:${event.Test ?? ''}`.replaceAll(TEMPORARY, '$1')
    if (event.Test === undefined) continue
    if (event.Output !== undefined) printed.set(name, `${printed.get(name) ?? ''}${event.Output}`)
    if (outcome !== undefined) ended.set(name, { outcome, complaint: complaintOf(printed.get(name) ?? '') })
  }
  await exited
  return ended
}

/** What the gateway said, or else what the test found wrong. */
function complaintOf(printed: string): string {
  const said = /(?:ERROR|FATAL): .*?\(SQLSTATE \w+\)/.exec(printed)
  return said?.[0] ?? /Error: .*/.exec(printed)?.[0] ?? ''
}

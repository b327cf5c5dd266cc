import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { asSuperuser, startPostgres, type PostgresServer } from '../support/postgres.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { type Case } from './outcome.ts'
import { likeness, mainCause } from './regress-difference.ts'
import { RELEASE, regressSource, type RegressSource } from './regress-source.ts'

/** What psql printed of one script, on either side. */
interface ScriptResult {
  readonly name: string
  readonly direct: string
  readonly through: string
}

const PASSWORD = 'regress'
const SETTINGS = ['max_prepared_transactions=2', 'autovacuum=off', 'default_statistics_target=100']
const LIMIT_MS = 600_000

/** What pg_regress sets for its psql. */
const CLIENT = {
  PGTZ: 'PST8PDT',
  PGDATESTYLE: 'Postgres, MDY',
  PGOPTIONS: '-c intervalstyle=postgres_verbose',
  LANG: 'C',
  PGSSLMODE: 'disable',
}

/** A script passes at the gateway when psql prints what it prints at the server; each is told as it ends. */
export async function regressCases(only: readonly string[], work: string): Promise<Case[]> {
  const cases: Case[] = []
  for await (const { name, direct, through } of scripts(only, work)) {
    const alike = likeness(direct, through)
    const complaint = alike === 'differs' ? mainCause(direct, through) : alike
    process.stdout.write(`${name}: ${complaint}\n`)
    cases.push({ name, direct: 'passed', through: alike === 'equal' ? 'passed' : 'failed', complaint })
  }
  return cases
}

/**
 * Each script of the schedule, in its order, by two psql: one at a server, one at the gateway before another server of the
 * same release. Where their output differs, the second server is made a copy of the first before the next script, so that
 * each script is judged by itself.
 */
async function* scripts(only: readonly string[], work: string): AsyncGenerator<ScriptResult> {
  const source = regressSource()
  await using opened = new AsyncDisposableStack()
  const server = { bank: false, settings: SETTINGS, release: RELEASE, password: PASSWORD }
  const direct = await startPostgres(server)
  opened.defer(() => direct.stop())
  await createRegression(direct)
  const stack = await startStack({
    ...server,
    policy: 'allow-all',
    logLevel: 'error',
    plane: { limits: { query: '16MiB' } },
  })
  opened.defer(() => stack.stop())
  await createRegression(stack.postgres)
  for (const side of ['direct', 'through']) await openTo(join(work, side, 'results'))
  const names = await schedule(source)
  const judged = new Set(only.length === 0 ? names : only)
  const last = names.findLastIndex((name) => judged.has(name))
  let alike = true
  for (const name of names.slice(0, last + 1)) {
    if (judged.has(name) && !alike) await copyServer(direct, stack)
    const before = outputOf(source, name, work, 'direct', addressOf(direct))
    if (!judged.has(name)) {
      await before
      alike = false
      continue
    }
    const [one, other] = await Promise.all([before, outputOf(source, name, work, 'through', stack.line.env)])
    yield { name, direct: one, through: other }
    alike = likeness(one, other) !== 'differs'
  }
}

async function schedule({ directory }: RegressSource): Promise<string[]> {
  const text = await readFile(join(directory, 'parallel_schedule'), 'utf8')
  return [...text.matchAll(/^test: (.*)$/gm)].flatMap(([, names = '']) => names.trim().split(/\s+/))
}

/** As pg_regress makes it. */
async function createRegression(server: PostgresServer): Promise<void> {
  await asSuperuser(server, 'postgres', 'CREATE DATABASE regression TEMPLATE template0')
  for (const name of ['lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time'])
    await asSuperuser(server, 'postgres', `ALTER DATABASE regression SET ${name} TO 'C'`)
  await asSuperuser(server, 'postgres', `ALTER DATABASE regression SET bytea_output TO 'hex'`)
  await asSuperuser(server, 'postgres', `ALTER DATABASE regression SET timezone_abbreviations TO 'Default'`)
}

/** Servers, which are not us, write here. */
async function openTo(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  await chmod(directory, 0o777)
}

function addressOf({ host, port, user, password }: PostgresServer): Readonly<Record<string, string>> {
  return { PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password }
}

async function outputOf(
  source: RegressSource,
  name: string,
  work: string,
  side: string,
  address: Readonly<Record<string, string>>,
): Promise<string> {
  const output = join(work, `${name}.${side}`)
  const script = await open(join(source.directory, 'sql', `${name}.sql`))
  const out = await open(output, 'w')
  const args = ['-X', '-a', '-q', '-w', '-d', 'regression', '-v', 'HIDE_TABLEAM=on', '-v', 'HIDE_TOAST_COMPRESSION=on']
  const places = {
    PG_ABS_SRCDIR: source.directory,
    PG_ABS_BUILDDIR: join(work, side),
    PG_LIBDIR: source.libraries,
    PG_DLSUFFIX: '.so',
  }
  const child = spawn(join(RELEASE, 'bin/psql'), args, {
    cwd: source.directory,
    env: { PATH: process.env['PATH'], ...CLIENT, ...places, ...address, PGDATABASE: 'regression' },
    stdio: [script.fd, out.fd, out.fd],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  const [code, signal]: unknown[] = await once(child, 'exit')
  await script.close()
  await out.close()
  const text = (await readFile(output, 'latin1')).replaceAll(join(work, side), work)
  return signal === null ? `${text}psql ended with ${String(code)}\n` : `${text}psql was ended after ${LIMIT_MS} ms\n`
}

/** The second server starts again on what the first has on its disk. */
async function copyServer(from: PostgresServer, stack: Stack): Promise<void> {
  await asSuperuser(from, 'postgres', 'CHECKPOINT')
  await stack.postgres.kill()
  const { dataDirectory } = stack.postgres
  await rm(dataDirectory, { recursive: true, force: true })
  await promisify(execFile)('cp', ['-a', from.dataDirectory, dataDirectory])
  await rm(join(dataDirectory, 'postmaster.pid'), { force: true })
  await stack.postgres.restart()
  await forgetCatalogue(stack)
}

/** What the gateway knows of a database goes when a statement changes it. */
async function forgetCatalogue({ line }: Stack): Promise<void> {
  const { user, token } = line.principals.agent
  const { host, port } = line.gateway
  const client = new Client({ host, port, user, password: token, database: 'regression' })
  await client.connect()
  await client.query('CREATE TABLE forget_catalogue ()')
  await client.query('DROP TABLE forget_catalogue')
  await client.end()
}

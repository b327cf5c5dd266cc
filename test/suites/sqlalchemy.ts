import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { asSuperuser } from '../support/postgres.ts'
import { findPython } from '../support/python.ts'
import { startStack } from '../support/stack.ts'
import { compared, type Case, type Ended } from './outcome.ts'

const VERSION = '2.1.9'
const PACKAGES = [`sqlalchemy==${VERSION}`, 'psycopg[binary]==3.3.9', 'pytest==9.2.0']
const PLUGIN = fileURLToPath(new URL('outcomes_plugin.py', import.meta.url))

const SETUP = `CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE SCHEMA test_schema; CREATE SCHEMA test_schema_2;
  ALTER DATABASE test SET default_text_search_config TO 'pg_catalog.english'`

/** SQLAlchemy's own tests of its PostgreSQL dialect, from its source package, over psycopg 3. */
export async function runSqlalchemy(only: readonly string[], work: string): Promise<Case[]> {
  const python = findPython({ whole: PACKAGES })
  if (python === null) throw new Error('python3 with venv is needed: apt-get install python3-venv')
  const sources = await unpacked(python, work)
  const stack = await startStack({
    policy: 'allow-all',
    bank: false,
    logLevel: 'error',
    settings: ['max_prepared_transactions=20'],
    password: 'secret', // one of the tests takes every H and P of it for a place to write host and port to
  })
  const { upstream, gateway, principals } = stack.line
  const { user, token } = principals.agent
  try {
    const sides: ReadonlyMap<string, Ended>[] = []
    for (const [side, at, who] of [
      ['direct', upstream, `${upstream.user}:${upstream.password}`],
      ['through', gateway, `${user}:${token}`],
    ] as const) {
      await asSuperuser(stack.postgres, 'postgres', 'DROP DATABASE IF EXISTS test WITH (FORCE)')
      await asSuperuser(stack.postgres, 'postgres', 'CREATE DATABASE test')
      await asSuperuser(stack.postgres, 'test', SETUP)
      const uri = `postgresql+psycopg://${who}@${at.host}:${at.port}/test?sslmode=disable`
      sides.push(await tests(python, sources, uri, join(work, `${side}.ndjson`), only))
    }
    return compared(sides[0] ?? new Map(), sides[1] ?? new Map())
  } finally {
    await stack.stop()
  }
}

async function unpacked(python: string, work: string): Promise<string> {
  const directory = join(work, 'sqlalchemy')
  await mkdir(directory)
  const download = [
    '-m',
    'pip',
    'download',
    '--quiet',
    '--disable-pip-version-check',
    '--no-deps',
    '--no-binary',
    ':all:',
  ]
  run(python, [...download, '-d', directory, `sqlalchemy==${VERSION}`])
  const [archive = ''] = await readdir(directory)
  run('tar', ['xf', join(directory, archive), '-C', directory, '--strip-components=1'])
  return directory
}

/** Every test by its id. One that a time limit cut off has no outcome. */
async function tests(
  python: string,
  cwd: string,
  uri: string,
  outcomes: string,
  only: readonly string[],
): Promise<Map<string, Ended>> {
  const which = only.length === 0 ? ['test/dialect/postgresql', 'test/dialect/test_suite.py'] : only
  const args = [
    '-m',
    'pytest',
    '-q',
    '-p',
    'outcomes_plugin',
    '--dburi',
    uri,
    '--maxfail=100000',
    '--tb=short',
    ...which,
  ]
  const child = spawn(python, args, {
    cwd,
    env: { ...process.env, OUTCOMES: outcomes, PYTHONPATH: dirname(PLUGIN), PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 3_600_000,
    killSignal: 'SIGKILL',
  })
  await once(child, 'exit')
  const found = new Map<string, Ended>()
  for (const line of (await readFile(outcomes, 'utf8')).trimEnd().split('\n')) {
    const { name, ...ended }: Ended & { readonly name: string } = JSON.parse(line)
    found.set(name, ended)
  }
  return found
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, [...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}`)
}

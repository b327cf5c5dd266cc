import { execFileSync } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { readRecords } from '../../../engine/evidence/index.ts'
import type { Reconciliation } from '../../../planes/postgres/index.ts'
import { countersign } from '../../support/command.ts'
import { findPsql } from '../../support/psql.ts'
import { LOG_EVERYTHING, logFiles, logged } from '../../support/server-log.ts'
import { startStack, type Stack } from '../../support/stack.ts'

const psql = findPsql()
let stack: Stack
let directory: string
/** Each test judges its own time: what the others did lies before it. */
let from: string

beforeAll(async () => {
  stack = await startStack({ settings: LOG_EVERYTHING })
  directory = await mkdtemp(join(tmpdir(), 'countersign-reconcile-'))
})
beforeEach(async () => {
  await sleep(5)
  from = new Date().toISOString()
})
afterAll(async () => {
  await stack.stop()
  await rm(directory, { recursive: true, force: true })
})

async function through(work: (client: Client) => Promise<unknown>): Promise<void> {
  const { user, token } = stack.line.principals.agent
  const client = new Client({ ...stack.line.gateway, user, password: token }).on('error', () => undefined)
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Past the gateway, with the gateway's own role and password: nothing but the connection tells them apart. */
async function insider(...statements: readonly string[]): Promise<void> {
  const { host, port, database, user, password } = stack.line.upstream
  const client = new Client({ host, port, database, user, password, application_name: 'countersign catalogue' })
  await client.connect()
  try {
    for (const sql of statements) await client.query(sql)
  } finally {
    await client.end()
  }
}

interface Answer {
  readonly code: number
  readonly report: Reconciliation
}

async function reconcile(files: readonly string[], ...args: string[]): Promise<Answer> {
  const argv = ['reconcile', stack.evidence, '--json', '--from', from, ...args, '--server-log', ...files]
  const { code, out, err } = await countersign('postgres', ...argv)
  expect(err).toBe('')
  const report: Reconciliation = JSON.parse(out)
  return { code, report }
}

/** All that was done so far is in the log and in evidence, and the log goes on behind it. */
async function settled(form: 'csv' | 'json' = 'csv'): Promise<readonly string[]> {
  const mark = `mark_${Date.now()}`
  await through((client) => client.query(`SELECT 1 AS ${mark}`))
  await logged(stack.postgres, form, mark)
  await sleep(50) // the session's last rows
  return logFiles(stack.postgres, form)
}

const textsOf = ({ report }: Answer): (string | null)[] => report.around.map(({ text }) => text)

test('one SELECT of an insider among many of the gateway’s is named, and nothing else', async () => {
  await through(async (client) => {
    for (let n = 0; n < 60; n += 1) await client.query('SELECT $1::int + 1', [n])
    for (let n = 0; n < 30; n += 1) await client.query(`SELECT id, name FROM customers WHERE id = ${n}`)
    await client.query('SELECT 1; SELECT 2')
    await client.query('PREPARE named AS SELECT id FROM customers')
    await client.query('EXECUTE named')
    await client.query('BEGIN')
    await client.query({ name: 'many', text: 'SELECT id FROM customers WHERE id = $1', values: [1] })
    await client.query({ name: 'many', text: 'SELECT id FROM customers WHERE id = $1', values: [2] })
    await client.query('SELECT 1 / 0').catch(() => undefined)
    await client.query('SELECT 1').catch(() => undefined)
    await client.query('ROLLBACK')
    await client.query('DROP TABLE customers').catch(() => undefined)
    await client.query('SELECT nothing FROM customers').catch(() => undefined)
    await client.query('SELECT $1::int', ['no number']).catch(() => undefined)
    await client.query('SELECT $1::int', [1])
    await client.query('')
    await client.query("SELECT 'a\nb\"c,d' AS x")
    await client.query('SELECT 1 /* statement: SELECT 2 */')
    await client.query({ name: 'execute x: SELECT 3', text: 'SELECT 1 AS odd' })
  })
  await insider("SELECT ssn FROM customers WHERE name = 'x' -- around")
  await through(async (client) => {
    for (let n = 0; n < 40; n += 1) await client.query('SELECT $1::int + 1', [n])
  })
  await settled('json')
  for (const form of ['csv', 'json'] as const) {
    const answer = await reconcile(await settled(form))
    expect(answer.report.around).toMatchObject([
      {
        text: 'SELECT ssn FROM customers WHERE name = $1',
        user: 'postgres',
        application: 'countersign catalogue',
        note: null,
      },
    ])
    expect(answer.report.unlogged).toEqual([])
    expect(answer.report.unjudged).toEqual([])
    expect(answer.code).toBe(1)
    expect(answer.report.matched).toBeGreaterThan(130)
    expect(answer.report.own.connections).toBe(1)
  }
})

test('nobody but the gateway: matched, down to its own look-ups', async () => {
  await through((client) => client.query('SELECT id FROM customers'))
  const { code, report } = await reconcile(await settled())
  expect(report).toMatchObject({ status: 'matched', around: [], unlogged: [], unjudged: [] })
  expect(code).toBe(0)
})

test('over live evidence, what was found is recorded', async () => {
  await insider('SELECT 1 AS recorded')
  const files = await settled()
  const argv = ['--config', stack.line.config, '--from', from, '--server-log', ...files]
  expect((await countersign('postgres', 'reconcile', ...argv)).code).toBe(1)
  const found: unknown[] = []
  for await (const { record } of readRecords(stack.evidence, { mark: 'boundary.verified' })) found.push(record.detail)
  expect(found).toMatchObject([{ plane: 'postgres', status: 'unmatched', around: 1, unlogged: 0 }])
})

test('for people, the report says who, from where, when and what, and where it stands in the log', async () => {
  await insider('SELECT 1 AS seen')
  const files = await settled()
  const { out, code } = await countersign(
    'postgres',
    'reconcile',
    stack.evidence,
    '--from',
    from,
    '--server-log',
    ...files,
  )
  expect(code).toBe(1)
  expect(out).toMatch(/postgres in bank from 127\.0\.0\.1:\d+ \(session [0-9a-f]+\.[0-9a-f]+, pid \d+/)
  expect(out).toContain('SELECT $1 AS seen')
  expect(out).toMatch(/\.csv:\d+\n/)
})

test('COPY, DO, several statements in one text, a cursor and a failing statement past the gateway are named', async () => {
  await insider(
    'CREATE TEMP TABLE taken AS SELECT 1; INSERT INTO taken VALUES (2)',
    'DO $$ BEGIN PERFORM 1; END $$',
    'BEGIN; DECLARE c CURSOR FOR SELECT ssn FROM customers; FETCH ALL FROM c; COMMIT',
  )
  await insider('SELECT 1 / 0').catch(() => undefined)
  const answer = await reconcile(await settled())
  expect(textsOf(answer)).toEqual([
    'CREATE TEMP TABLE taken AS SELECT $1; INSERT INTO taken VALUES ($1)',
    'DO $1',
    'BEGIN; DECLARE c CURSOR FOR SELECT ssn FROM customers; FETCH ALL FROM c; COMMIT',
    'SELECT $1 / $2',
  ])
})

test('a statement that the server never logged is named, by its record', async () => {
  await insider("ALTER ROLE postgres SET log_statement = 'none'")
  await through((client) => client.query('SELECT name FROM customers WHERE id = 7'))
  await insider("SET log_statement = 'all'", 'ALTER ROLE postgres RESET log_statement')
  const answer = await reconcile(await settled())
  expect(answer.report.unlogged.map(({ text, principal }) => [text, principal])).toContainEqual([
    'SELECT name FROM customers WHERE id = $1',
    'reconciler',
  ])
  expect(answer.code).toBe(1)
})

test('who signs in past the gateway with logging switched off for his role is not passed over', async () => {
  await insider("CREATE ROLE quiet LOGIN SUPERUSER PASSWORD 'quiet'", "ALTER ROLE quiet SET log_statement = 'none'")
  const { host, port, database } = stack.line.upstream
  const client = new Client({ host, port, database, user: 'quiet', password: 'quiet' })
  await client.connect()
  await client.query('SELECT ssn FROM customers')
  await client.end()
  const { report } = await reconcile(await settled())
  const silent = report.unjudged.find(({ reason }) => reason.includes('no statement'))
  expect(silent?.examples.join()).toContain('quiet from 127.0.0.1')
})

test('a server that logs by duration tells enough to find an insider', async () => {
  await insider(
    "ALTER DATABASE bank SET log_statement = 'none'",
    'ALTER DATABASE bank SET log_min_duration_statement = 0',
  )
  const began = new Date().toISOString()
  await through(async (client) => {
    await client.query('SELECT $1::int + 2', [1])
    await client.query('SELECT 1; SELECT name FROM customers')
    await client.query('SELECT nothing_at_all').catch(() => undefined)
    await client.query('SELECT 1 / 0').catch(() => undefined)
  })
  await insider('SELECT 1 AS by_duration')
  const files = await settled()
  const answer = await reconcile(files, '--from', began)
  await insider('ALTER DATABASE bank RESET log_statement', 'ALTER DATABASE bank RESET log_min_duration_statement')
  expect(textsOf(answer)).toEqual(['SELECT $1 AS by_duration'])
  expect(answer.report.unlogged).toEqual([])
})

test('a statement cancelled, and one cut off with its client, match', async () => {
  await through(async (client) => {
    await client.query("SET statement_timeout = '50ms'")
    await client.query('SELECT count(*) FROM generate_series(1, 100000000)').catch(() => undefined)
  })
  const { report, code } = await reconcile(await settled())
  expect(report.around).toEqual([])
  expect(report.unlogged).toEqual([])
  expect(code).toBe(0)
})

test('rotated logs in any order, one of them packed and one given twice, are one log', async () => {
  await through((client) => client.query('SELECT 1 AS before_rotation'))
  await insider('SELECT pg_rotate_logfile()')
  await sleep(1100) // the new file's name has the second in it
  await through((client) => client.query('SELECT 1 AS after_rotation'))
  await insider('SELECT pg_rotate_logfile()')
  await sleep(1100)
  const files = await settled()
  expect(files.length).toBeGreaterThan(1)
  const packed = join(directory, `${basename(files[0] ?? '')}.gz`)
  await writeFile(packed, gzipSync(await readFile(files[0] ?? '')))
  const answer = await reconcile([...files.slice(1).toReversed(), packed, files[1] ?? ''])
  expect(textsOf(answer)).toEqual(['SELECT pg_rotate_logfile()', 'SELECT pg_rotate_logfile()'])
  expect(answer.report.log.repeated).toBeGreaterThan(0)
  expect(answer.report.unlogged).toEqual([])
  const [first, ...rest] = files
  const without = await reconcile(rest)
  expect(first).toBeDefined()
  expect(without.report.unjudged.length).toBeGreaterThan(0)
})

test('rows taken out of the log show', async () => {
  await through(async (client) => {
    for (let n = 0; n < 5; n += 1) await client.query('SELECT 1 AS taken_out')
  })
  const files = await settled()
  const newest = files.at(-1) ?? ''
  const cut = join(directory, 'cut.csv')
  const rows = (await readFile(newest, 'utf8')).split('\n')
  const at = rows.findIndex((row) => row.includes('taken_out'))
  await writeFile(cut, rows.toSpliced(at, 1).join('\n'))
  const answer = await reconcile([...files.slice(0, -1), cut])
  expect(answer.report.status).toBe('incomplete')
  expect(answer.report.unjudged.map(({ reason }) => reason)).toContain('rows of a session are missing from the log')
})

test('a log that ends in the middle of a row is judged up to there', async () => {
  await insider('SELECT 1 AS torn')
  const files = await settled()
  const torn = join(directory, 'torn.csv')
  await copyFile(files.at(-1) ?? '', torn)
  const text = await readFile(torn, 'utf8')
  await writeFile(torn, text.slice(0, text.lastIndexOf('\n', text.length - 2) + 40))
  const answer = await reconcile([...files.slice(0, -1), torn])
  expect(textsOf(answer)).toEqual(['SELECT $1 AS torn'])
})

test('a read on its way when the gateway died is told apart from one around it', async () => {
  await through(async (client) => {
    const answers = Array.from({ length: 300 }, (_, n) =>
      client.query('SELECT $1::int AS load', [n]).catch(() => undefined),
    )
    await answers[40]
    await stack.gateway.kill9()
    await Promise.all(answers)
  }).catch(() => undefined)
  await stack.gateway.restart()
  const answer = await reconcile(await settled())
  expect(answer.report.around).toEqual([])
  expect(answer.report.unlogged).toEqual([])
})

test('what is no log, no evidence or not there can’t be judged', async () => {
  const wrong = join(directory, 'wrong.csv')
  await writeFile(wrong, 'not,a,log\n')
  const files = logFiles(stack.postgres, 'csv')
  const nowhere = join(directory, 'nowhere')
  const tries = [
    [stack.evidence, '--server-log', wrong],
    [stack.evidence, '--server-log', nowhere],
    [stack.evidence, '--server-log', ...files, ...logFiles(stack.postgres, 'json')],
    [stack.evidence, '--server', 'elsewhere:5432', '--server-log', ...files],
  ]
  for (const argv of tries) expect((await countersign('postgres', 'reconcile', ...argv)).code).toBe(3)
  expect((await countersign('postgres', 'reconcile', '--server-log', ...files)).code).toBe(64)
  expect((await countersign('postgres', 'reconcile', stack.evidence)).code).toBe(64)
})

test.skipIf(psql === null)('psql, as a person at the server would use it', async () => {
  const { host, port, user, password, database } = stack.line.upstream
  const argv = ['-h', host, '-p', String(port), '-U', user, '-d', database, '-c', 'SELECT 1 AS by_psql']
  execFileSync(psql ?? '', argv, { env: { ...process.env, PGPASSWORD: password } })
  const answer = await reconcile(await settled())
  expect(answer.report.around).toMatchObject([{ text: 'SELECT $1 AS by_psql', application: 'psql' }])
})

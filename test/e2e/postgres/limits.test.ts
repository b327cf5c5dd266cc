import { join } from 'node:path'
import { Client, DatabaseError } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeChangedBundle } from '../../support/changed-bundle.ts'
import { evidenceBytes } from '../../support/evidence-trace.ts'
import { asSuperuser } from '../../support/postgres.ts'
import { findPython } from '../../support/python.ts'
import { runChild } from '../../support/child.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const python = findPython()
const directory = temporaryDirectory()
const ALLOWED = 100
/** Milliseconds: much longer than any statement here takes that is to be answered. */
const TIMEOUT = 2000

let stack: Stack

beforeAll(async () => {
  const bundle = join(directory.path, 'changed.tar.gz')
  await writeChangedBundle('starter', bundle, (data) => ({
    ...data,
    answers: {
      max_rows: { select: ALLOWED, copy_to: ALLOWED },
      timeout_ms: { select: TIMEOUT },
      refuse_above: 60_000,
    },
  }))
  stack = await startStack({ policy: bundle, plane: { estimates: true } })
  const setup = 'CREATE TABLE many AS SELECT i AS id FROM generate_series(1, 200000) AS i; ANALYZE many'
  await asSuperuser(stack.postgres, 'bank', setup)
})
afterAll(async () => {
  await stack?.stop()
  directory[Symbol.dispose]()
})

async function connected(): Promise<Client & AsyncDisposable> {
  const { gateway, principals } = stack.line
  const client = new Client({ ...gateway, user: principals.agent.user, password: principals.agent.token })
  client.on('error', () => undefined)
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

async function refusal(run: Promise<unknown>): Promise<string> {
  try {
    await run
    return 'nothing was refused'
  } catch (error) {
    return error instanceof DatabaseError ? `${error.code} ${error.message}` : String(error)
  }
}

const CUT = `54000 policy allows ${ALLOWED} rows of this statement, and the rest is not handed out`
const series = (count: number): string => `SELECT i, repeat('x', 200) AS x FROM generate_series(1, ${count}) AS i`

describe.each([
  ['the simple protocol', undefined],
  ['the extended protocol', []],
])('an answer that is larger than policy allows, over %s', (_, values) => {
  test.each([ALLOWED + 1, 10_000, 50_000])('%i rows are cut off, and the session goes on', async (count) => {
    await using client = await connected()
    const rows: unknown[] = []
    const run = client.query({ text: series(count), ...(values === undefined ? {} : { values }) })
    expect(await refusal(run.then((result) => rows.push(...result.rows)))).toBe(CUT)
    expect(rows).toEqual([])
    expect((await client.query('SELECT 7 AS seven')).rows).toEqual([{ seven: 7 }])
    expect((await client.query(series(ALLOWED))).rowCount).toBe(ALLOWED)
  })

  test.each([ALLOWED + 1, 10_000])(
    '%i rows fail the transaction that they are in, as the client believes',
    async (count) => {
      await using client = await connected()
      await client.query('BEGIN')
      expect(await refusal(client.query({ text: series(count), ...(values === undefined ? {} : { values }) }))).toBe(
        CUT,
      )
      expect(await refusal(client.query('SELECT 1'))).toMatch(/^25P02 /)
      await client.query('ROLLBACK')
      expect((await client.query('SELECT 7 AS seven')).rows).toEqual([{ seven: 7 }])
    },
  )
})

const SCRIPT = `
import json, psycopg
with psycopg.connect(autocommit=True) as connection:
    seen = []
    for count in (100, 101, 50000):
        lines = 0
        try:
            with connection.cursor().copy(f"COPY (SELECT i FROM generate_series(1, {count}) AS i) TO STDOUT") as copy:
                for line in copy.rows():
                    lines += 1
            seen.append([lines, None])
        except psycopg.Error as error:
            seen.append([lines, error.sqlstate])
    with connection.pipeline():
        cursors = [connection.execute(f"SELECT i FROM generate_series(1, {count}) AS i") for count in (5, 6)]
    seen.append([len(cursor.fetchall()) for cursor in cursors])
    print(json.dumps(seen))
`

test.skipIf(python === null)(
  'COPY is cut off behind the last row that is allowed; pipelines within the limit pass',
  async () => {
    const run = await runChild(python ?? '', ['-c', SCRIPT], { env: stack.line.env, timeoutMs: 60_000 })
    expect(run.stderr).toBe('')
    expect(JSON.parse(run.stdout)).toEqual([
      [100, null],
      [100, '54000'],
      [100, '54000'],
      [5, 6],
    ])
  },
)

test('a statement that takes too long is given up: the client is told why', async () => {
  await using client = await connected()
  const slow = 'SELECT count(*) FROM generate_series(1, 1000000000000)'
  expect(await refusal(client.query(slow))).toBe(
    `57014 policy allows ${TIMEOUT} milliseconds of this statement, and the rest is not handed out`,
  )
  expect((await client.query('SELECT 7 AS seven')).rows).toEqual([{ seven: 7 }])
})

test('what the server expects to find is known before it runs: too much is refused', async () => {
  await using client = await connected()
  expect(await refusal(client.query('SELECT * FROM many'))).toMatch(/^42501 .*the server expects about 200000 rows/)
  expect(await refusal(client.query('SELECT * FROM many WHERE id > $1', [0]))).toMatch(/^42501 .*about \d{5,6} rows/)
  expect((await client.query('SELECT * FROM many WHERE id = $1', [5])).rows).toEqual([{ id: 5 }])
  expect((await client.query("SELECT * FROM many WHERE id = 5 -- a comment; with ' in it")).rowCount).toBe(1)
})

test('limits, estimates and where an answer was cut are in evidence', () => {
  const evidence = evidenceBytes(stack.evidence)
  expect(evidence.includes(`"limits":{"max_rows":${ALLOWED},"timeout_ms":${TIMEOUT}}`)).toBe(true)
  expect(evidence.includes('"error":"54000"')).toBe(true)
  expect(evidence.includes('"estimate":{"cost":')).toBe(true)
})

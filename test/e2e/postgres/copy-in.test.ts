import { createHash, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FrontendMessage } from '../../../planes/postgres/codec/frontend-messages.ts'
import { runChild, type ChildResult } from '../../support/child.ts'
import { direct, openDirect } from '../../support/direct.ts'
import { evidenceBytes, traceEvidence } from '../../support/evidence-trace.ts'
import { findPsql } from '../../support/psql.ts'
import { findPython } from '../../support/python.ts'
import { startStack, type Stack } from '../../support/stack.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { brief, WireClient } from '../../support/wire-client.ts'

const psql = findPsql()
const python = findPython()

/** The same table twice: one is filled through the gateway, the other at the server itself. */
const TABLES = `
  CREATE TABLE via_gateway (id int PRIMARY KEY, note text, amount numeric(12, 2));
  CREATE TABLE via_server (LIKE via_gateway INCLUDING ALL);
  CREATE FUNCTION stop_it() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'not today'; END$$;
  CREATE TABLE stopped (id int);
  CREATE TRIGGER stop_it BEFORE INSERT ON stopped FOR EACH STATEMENT EXECUTE FUNCTION stop_it()`
const PLACES = ['via_gateway', 'via_server'] as const
type Place = (typeof PLACES)[number]

let stack: Stack
const directory = temporaryDirectory()
beforeAll(async () => {
  stack = await startStack({ policy: 'allow-all' })
  await direct(stack, TABLES)
})
afterAll(async () => {
  await stack?.stop()
  directory[Symbol.dispose]()
})

const rowsOf = (place: Place): Promise<unknown[][]> => direct(stack, `SELECT * FROM ${place} ORDER BY id`)
async function emptied(): Promise<void> {
  for (const place of PLACES) await direct(stack, `TRUNCATE ${place}`)
}

/** What was copied is there, the same in both. */
async function sameRows(): Promise<unknown[][]> {
  const [gateway, server] = await Promise.all(PLACES.map(rowsOf))
  expect(gateway).toEqual(server)
  return gateway ?? []
}

function environment(place: Place): Readonly<Record<string, string>> {
  if (place === 'via_gateway') return stack.line.env
  const { host, port, database, user, password } = stack.line.upstream
  return { PGHOST: host, PGPORT: String(port), PGDATABASE: database, PGUSER: user, PGPASSWORD: password }
}

/** A program of other people's, once through the gateway and once at the server. */
function both(command: string, args: (place: Place) => readonly string[]): Promise<readonly ChildResult[]> {
  return Promise.all(
    PLACES.map((place) =>
      runChild(command, args(place), { env: { ...environment(place), PGSSLMODE: 'disable' }, timeoutMs: 60_000 }),
    ),
  )
}

function file(name: string, content: string | Buffer): string {
  const path = join(directory.path, name)
  writeFileSync(path, content)
  return path
}

describe.skipIf(psql === null)('psql \\copy', () => {
  test.each([
    ['text', '', '1\tone\t1.10\n2\t\\N\t2.20\n3\ta\\tb\t\\N\n'],
    ['csv', 'WITH (FORMAT csv, HEADER)', 'id,note,amount\n1,"one, two",1.10\n2,"",\n3,,3\n'],
    ['many rows', '', Array.from({ length: 50_000 }, (_, n) => `${n}\trow ${n}\t${n}.5\n`).join('')],
    ['a row that the server refuses', '', '1\tone\t1.10\n2\ttwo\tnothing\n3\tthree\t3\n'],
    ['a row too few', '(id, note)', '1\tone\n2\n'],
    ['no rows', '', ''],
  ])('%s', async (name, options, content) => {
    await emptied()
    const path = file(`${name}.copy`, content)
    const columns = options.startsWith('(') ? options : ''
    const rest = options.startsWith('(') ? '' : options
    const [gateway, server] = await both(psql ?? '', (place) => [
      '-X',
      '-v',
      'VERBOSITY=sqlstate',
      '-c',
      `\\copy ${place} ${columns} FROM '${path}' ${rest}`,
    ])
    expect(gateway).toEqual(server)
    await sameRows()
  })
})

const SCRIPT = `
import json, sys, psycopg
table = sys.argv[1]
seen = []
with psycopg.connect(autocommit=True) as connection:
    cursor = connection.cursor()
    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for n in range(1000):
            copy.write_row((n, f"row {n}", None))
    seen.append(cursor.rowcount)
    with cursor.copy(f"COPY {table} (id, note) FROM STDIN WITH (FORMAT binary)") as copy:
        copy.set_types(["int4", "text"])
        for n in range(1000, 1500):
            copy.write_row((n, f"row {n}"))
    seen.append(cursor.rowcount)
    for bad in ("1\\tagain\\t1\\n", "9000\\tx\\tnonsense\\n"):
        try:
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for _ in range(100):
                    copy.write(bad)
        except psycopg.Error as error:
            seen.append(error.sqlstate)
    try:
        with cursor.copy(f"COPY {table} FROM STDIN") as copy:
            copy.write("5000\\tnever\\t1\\n")
            raise RuntimeError("changed my mind")
    except RuntimeError as error:
        seen.append(str(error))
    with connection.transaction():
        with cursor.copy(f"COPY {table} FROM STDIN") as copy:
            copy.write("6000\\tin a transaction\\t1\\n")
        cursor.execute(f"SELECT count(*) FROM {table}")
        seen.append(cursor.fetchone()[0])
    seen.append(connection.execute("SELECT 'still here'").fetchone()[0])
print(json.dumps(seen))
`

test.skipIf(python === null)(
  'psycopg: rows, binary, an error in the middle, a change of mind, a transaction',
  async () => {
    await emptied()
    const [gateway, server] = await both(python ?? '', (place) => ['-c', SCRIPT, place])
    expect(gateway).toEqual(server)
    expect(JSON.parse(gateway?.stdout ?? '')).toEqual([
      1000,
      500,
      '23505',
      '22P02',
      'changed my mind',
      1501,
      'still here',
    ])
    expect(await sameRows()).toHaveLength(1501)
  },
)

// Message by message

const query = (sql: string): FrontendMessage => ({ kind: 'query', sql })
const data = (text: string): FrontendMessage => ({ kind: 'copyData', data: Buffer.from(text) })
const done: FrontendMessage = { kind: 'copyDone' }
const sync: FrontendMessage = { kind: 'sync' }
const fail: FrontendMessage = { kind: 'copyFail', reason: 'no more' }
const run = (sql: string): FrontendMessage[] => [
  { kind: 'parse', name: '', sql, parameterTypes: [] },
  { kind: 'bind', portal: '', statement: '', formats: [], parameters: [], resultFormats: [] },
  { kind: 'execute', portal: '', maxRows: 0 },
]

const open = (place: Place): Promise<WireClient> =>
  place === 'via_server'
    ? openDirect(stack)
    : WireClient.open(stack.line.gateway, { token: stack.line.principals.agent.token, database: 'bank' })

type Script = (place: Place) => readonly FrontendMessage[]
const TABLE = (place: Place): string => `COPY ${place} FROM STDIN`

/** All at once, then goodbye: what comes back until the server closes. A gateway's error wording is its own. */
async function said(place: Place, script: Script, ready: number): Promise<string[]> {
  const client = await open(place)
  client.send(...script(place))
  const got: string[] = []
  for (let count = 0; count < ready; count += 1) got.push(...(await client.until('readyForQuery')).map(brief))
  client.send({ kind: 'terminate' })
  return [...got, ...(await client.untilClosed()).map(brief)]
}

describe('message by message, all sent before anything has come back', () => {
  test.each<[string, Script, number]>([
    ['simple', (place) => [query(TABLE(place)), data('1\ta\t1\n2\tb'), data('\t2\n'), done], 1],
    ['and a query behind it', (place) => [query(TABLE(place)), data('1\ta\t1\n'), done, query('SELECT 1')], 2],
    [
      'two of them in one text, with others around them',
      (place) => [
        query(`SELECT 1; ${TABLE(place)}; SELECT 2; ${TABLE(place)}; SELECT 3`),
        data('1\ta\t1\n'),
        done,
        data('2\tb\t2\n'),
        done,
      ],
      1,
    ],
    [
      'two of them, where the first fails',
      (place) => [query(`${TABLE(place)}; ${TABLE(place)}`), data('x\ta\t1\n'), done, data('2\tb\t2\n'), done],
      1,
    ],
    [
      'extended, with the Sync that libpq sends ahead',
      (place) => [...run(TABLE(place)), sync, data('1\ta\t1\n'), done, sync],
      1,
    ],
    [
      'extended, Flush in the middle',
      (place) => [...run(TABLE(place)), data('1\t'), { kind: 'flush' }, data('a\t1\n'), done, sync],
      1,
    ],
    [
      'extended, other statements around it',
      (place) => [...run('SELECT 1'), ...run(TABLE(place)), data('1\ta\t1\n'), done, ...run('SELECT 2'), sync],
      1,
    ],
    [
      'extended, and it fails: what comes behind is discarded up to Sync',
      (place) => [...run(TABLE(place)), data('x\ta\t1\n'), done, ...run('SELECT 2'), sync, query('SELECT 3')],
      2,
    ],
    ['the client changes its mind', (place) => [query(TABLE(place)), data('1\ta\t1\n'), fail, query('SELECT 1')], 2],
    [
      'rows go on after the error',
      (place) => [query(TABLE(place)), data('x\n'), data('2\tb\t2\n'), done, query('SELECT 1')],
      2,
    ],
    ['a COPY that can not begin', () => [query('COPY nowhere FROM STDIN'), data('1\n'), done, query('SELECT 1')], 2],
    [
      'one that a trigger stops before its rows',
      () => [query('COPY stopped FROM STDIN'), data('1\n'), done, query('SELECT 1')],
      2,
    ],
    ['rows where there is no COPY', () => [data('1\n'), done, fail, query('SELECT 1')], 1],
  ])('%s', async (_, script, ready) => {
    await emptied()
    const [gateway, server] = await Promise.all(PLACES.map((place) => said(place, script, ready)))
    expect(gateway).toEqual(server)
    await sameRows()
  })

  test.each<[string, Script]>([
    ['a Query', (place) => [query(TABLE(place)), data('1\ta\t1\n'), query('SELECT 1')]],
    ['a Parse', (place) => [...run(TABLE(place)), data('1\ta\t1\n'), ...run('SELECT 1'), sync]],
    ['Terminate', (place) => [query(TABLE(place)), data('1\ta\t1\n'), { kind: 'terminate' }]],
  ])('%s in the middle of the rows ends the session, and nothing stays', async (_, script) => {
    await emptied()
    for (const place of PLACES) {
      const client = await open(place)
      client.send(...script(place))
      const came = (await client.untilClosed()).map(brief)
      expect([place, came.filter((line) => line.startsWith('C'))]).toEqual([place, []])
    }
    expect(await sameRows()).toEqual([])
  })

  test('a client that dies in the middle leaves no row, and an outcome that says so', async () => {
    await emptied()
    const client = await open('via_gateway')
    client.send(query(TABLE('via_gateway')), data('1\ta\t1\n'))
    await client.until('copyInResponse')
    const before = outcomes().length
    client.destroy()
    await expect
      .poll(() => outcomes().slice(before), { timeout: 20_000 })
      .toMatchObject([{ status: 'failed', error: '57014', rows: 0 }])
    expect(await rowsOf('via_gateway')).toEqual([])
  })
})

/** Every outcome so far. */
function outcomes(): unknown[] {
  return traceEvidence(stack.evidence).flatMap(({ record }) => record.fields['outcome'] ?? [])
}

test('evidence has the digest and the size of what went up, and none of it', async () => {
  await emptied()
  const secret = randomUUID()
  const content = `1\t${secret}\t1\n`
  const client = await open('via_gateway')
  client.send(query(TABLE('via_gateway')), data(content.slice(0, 5)), data(content.slice(5)), done)
  await client.until('readyForQuery')
  client.end()
  expect(await rowsOf('via_gateway')).toEqual([[1, secret, '1.00']])
  const evidence = evidenceBytes(stack.evidence)
  expect(evidence.includes(secret)).toBe(false)
  const sha256 = createHash('sha256').update(content).digest('hex')
  expect(evidence.includes(`"sent":{"bytes":${content.length},"sha256":"${sha256}"}`)).toBe(true)
})

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, type QueryArrayConfig, type QueryArrayResult } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MASK_METHODS } from '../../../engine/index.ts'
import type { ByteTap } from '../../support/byte-tap.ts'
import { openTap } from '../../support/byte-tap.ts'
import { writeChangedBundle } from '../../support/changed-bundle.ts'
import { runChild } from '../../support/child.ts'
import { evidenceBytes } from '../../support/evidence-trace.ts'
import { asSuperuser } from '../../support/postgres.ts'
import { findPython } from '../../support/python.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const python = findPython()
const directory = temporaryDirectory()

/** A column of every built-in kind, with a value that nothing but itself looks like. */
const KINDS: readonly (readonly [column: string, type: string, value: string])[] = [
  ['text', 'text', "'Canary Text 4711-0815'"],
  ['varchar', 'varchar(40)', "'Canary Varchar 4711'"],
  ['bpchar', 'char(30)', "'Canary Bpchar 4711'"],
  ['name', 'name', "'Canary_Name_4711'"],
  ['json', 'json', `'{"canary": "json 4711"}'`],
  ['jsonb', 'jsonb', `'{"canary": "jsonb 4711"}'`],
  ['xml', 'xml', "'<canary>xml 4711</canary>'"],
  ['int4', 'int4', '471108152'],
  ['int8', 'int8', '4711081547110815471'],
  ['numeric', 'numeric', '471108154711.0815'],
  ['whole', 'numeric', '471108154711'],
  ['float4', 'float4', '4711.0815'],
  ['float8', 'float8', '4711.08154711'],
  ['money', 'money', '4711081547.11'],
  ['date', 'date', "'1981-07-15'"],
  ['time', 'time', "'04:07:11.0815'"],
  ['timetz', 'timetz', "'04:07:11.0815+02'"],
  ['timestamp', 'timestamp', "'1981-07-15 04:07:11.0815'"],
  ['timestamptz', 'timestamptz', "'1981-07-15 04:07:11.0815+02'"],
  ['interval', 'interval', "'47 days 11:08:15'"],
  ['uuid', 'uuid', "'4711abcd-0815-4711-8015-471108154711'"],
  ['bytea', 'bytea', String.raw`'\x4711081547110815'`],
  ['inet', 'inet', "'47.11.8.15'"],
  ['cidr', 'cidr', "'47.11.8.0/24'"],
  ['macaddr', 'macaddr', "'47:11:08:15:47:11'"],
  ['bit', 'bit(40)', "B'1010011100010000100000010101010001110001'"],
  ['varbit', 'varbit', "B'101001110001000010000001010101000111'"],
  ['mood', 'mood', "'canary_mood'"],
  ['code', 'code', "'Canary-Code-4711'"],
  ['texts', 'text[]', "'{Canary Element 4711}'"],
  ['pair', 'pair', "'(471108,Canary Pair)'"],
  ['range', 'int8range', "'[471108154711,471108154799)'"],
  ['point', 'point', "'(4711.0815,1508.1174)'"],
  ['lsn', 'pg_lsn', "'47110815/47110815'"],
]

const COLUMNS = KINDS.map(([column]) => column)
const tableOf = (method: string): string => `kinds_${method.replace('-', '_')}`

let stack: Stack
let tap: ByteTap

beforeAll(async () => {
  const bundle = join(directory.path, 'changed.tar.gz')
  await writeChangedBundle('starter', bundle, (data) => withTables(data))
  const key = join(directory.path, 'masking.key')
  writeFileSync(key, 'ab'.repeat(32))
  stack = await startStack({ policy: bundle, maskingKey: key })
  tap = await openTap(stack.line.gateway)
  const setup = [
    "CREATE TYPE mood AS ENUM ('canary_mood'); CREATE DOMAIN code AS text; CREATE TYPE pair AS (a int, b text);",
    `CREATE TABLE kinds (${KINDS.map(([column, type]) => `c_${column} ${type}`).join(', ')});`,
    `INSERT INTO kinds VALUES (${KINDS.map(([, , value]) => value).join(', ')});`,
    ...MASK_METHODS.map((method) => `CREATE TABLE ${tableOf(method)} AS SELECT 1 AS id, * FROM kinds;`),
  ]
  await asSuperuser(stack.postgres, 'bank', setup.join('\n'))
})
afterAll(async () => {
  await tap?.close()
  await stack?.stop()
  directory[Symbol.dispose]()
})

/** The starter pack's data with every column of every table labelled, each table's masked by one method. */
function withTables(data: Record<string, unknown>): object {
  const { labels, masks } = Object(data)
  return {
    ...data,
    labels: { postgres: { ...labels.postgres, ...tablesAs(() => ['pii']) } },
    masks: { postgres: { ...masks.postgres, ...tablesAs((method) => method) } },
  }
}

function tablesAs(value: (method: string) => unknown): object {
  return Object.fromEntries(MASK_METHODS.map((method) => [`public.${tableOf(method)}`, columnsAs(value(method))]))
}

function columnsAs(value: unknown): object {
  return Object.fromEntries(COLUMNS.map((column) => [`c_${column}`, value]))
}

/** Rows as they come, undecoded; `binary`: in binary. */
async function raw(where: 'gateway' | 'server', text: string, binary: boolean): Promise<QueryArrayResult> {
  const { upstream, gateway, principals } = stack.line
  const to = where === 'server' ? upstream : { ...gateway, port: tap.port, ...agent(principals.agent) }
  const client = new Client(to)
  await client.connect()
  try {
    const query: QueryArrayConfig = {
      text,
      rowMode: 'array',
      types: { getTypeParser: () => (value: unknown) => value },
    }
    return await client.query(Object.assign(query, { binary }))
  } finally {
    await client.end()
  }
}

function agent({ user, token }: { readonly user: string; readonly token: string }): object {
  return { user, password: token }
}

/** Every value as the server has it, in both formats, as long as it takes to be told from chance. */
async function canaries(): Promise<readonly Buffer[]> {
  const found: Buffer[] = []
  for (const binary of [false, true]) {
    const { rows } = await raw('server', 'SELECT * FROM kinds', binary)
    for (const value of rows[0] ?? []) found.push(Buffer.from(value))
  }
  return found.filter(({ length }) => length >= 4)
}

/** What COPY hands out, decoded by others' code, against what SELECT does; prints where they differ. */
const COPIES = `
import csv, io, json, sys, psycopg
with psycopg.connect(autocommit=True) as connection:
    seen = []
    for table in sys.argv[1:]:
        text = connection.pgconn.exec_(f"SELECT * FROM {table}".encode())
        binary = connection.pgconn.exec_params(f"SELECT * FROM {table}".encode(), None, result_format=1)
        columns = range(text.nfields)
        texts = [None if (v := text.get_value(0, i)) is None else v.decode() for i in columns]
        bytes_ = [binary.get_value(0, i) for i in columns]
        def rows(options, source=table):
            with connection.cursor().copy(f"COPY {source} TO STDOUT {options}") as copy:
                return list(copy.rows())
        def data(options):
            with connection.cursor().copy(f"COPY (SELECT * FROM {table}) TO STDOUT {options}") as copy:
                return b"".join(bytes(chunk) for chunk in copy).decode()
        names = ",".join(text.fname(i).decode() for i in columns)
        seen += [
            [table, "text", rows("") == [tuple(texts)]],
            [table, "text of a query", rows("", f"(SELECT * FROM {table})") == [tuple(texts)]],
            [table, "text with header", data("(HEADER)").splitlines()[0].split("\\t") == names.split(",")],
            [table, "binary", rows("(FORMAT binary)") == [tuple(bytes_)]],
            [table, "csv", [["" if v is None else v for v in texts]] == list(csv.reader(io.StringIO(data("CSV"))))],
            [table, "csv quoted", [[v or "" for v in texts]] ==
                list(csv.reader(io.StringIO(data("(FORMAT csv, FORCE_QUOTE *, DELIMITER '|', QUOTE '~')")), delimiter="|", quotechar="~"))],
        ]
    print(json.dumps([each[:2] for each in seen if not each[2]] + [len(seen)]))
`

const SCRIPT = `
import json, sys, psycopg
with psycopg.connect(autocommit=True) as connection:
    seen = {}
    for table in sys.argv[1:]:
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                row = cursor.execute(f"SELECT * FROM {table}").fetchone()
                seen[f"{table} {binary}"] = {c.name: [type(v).__name__, str(v)] for c, v in zip(cursor.description, row)}
    print(json.dumps(seen))
`

describe('every method over every built-in type', () => {
  test('psycopg decodes what comes, in text and in binary, to the same', async () => {
    if (python === null) return
    const { upstream: _, env } = stack.line
    const run = await runChild(python, ['-c', SCRIPT, ...MASK_METHODS.map(tableOf)], {
      env: { ...env, PGPORT: String(tap.port), PYTHONIOENCODING: 'utf8' },
      timeoutMs: 60_000,
    })
    expect(run.stderr).toBe('')
    const seen: Record<string, Record<string, [string, string]>> = JSON.parse(run.stdout)
    expect(Object.keys(seen)).toHaveLength(MASK_METHODS.length * 2)
    expect(seen['kinds_redact True']).toMatchObject({
      c_text: ['str', '[redacted]'],
      c_xml: ['bytes', "b'<redacted/>'"],
    })
    expect(seen['kinds_fixed True']).toMatchObject({
      c_int8: ['int', '0'],
      c_numeric: ['Decimal', '0'],
      c_date: ['date', '2000-01-01'],
      c_timestamptz: ['datetime', '2000-01-01 00:00:00+00:00'],
      c_interval: ['timedelta', '0:00:00'],
      c_inet: ['IPv4Address', '0.0.0.0'],
      c_uuid: ['UUID', '00000000-0000-0000-0000-000000000000'],
      c_code: ['str', '***'],
      c_texts: ['NoneType', 'None'],
      c_mood: ['NoneType', 'None'],
    })
    expect(seen['kinds_pseudonym True']).toMatchObject({
      c_int4: ['int', expect.any(String)],
      c_uuid: ['UUID', expect.any(String)],
    })
    for (const method of MASK_METHODS) {
      const [text, binary] = [seen[`${tableOf(method)} False`] ?? {}, seen[`${tableOf(method)} True`] ?? {}]
      // Types without a binary decoder of psycopg's own come as bytes; all others must say the same in both.
      const decoded = (row: typeof text): object =>
        Object.fromEntries(Object.entries(row).filter(([column]) => binary[column]?.[0] !== 'bytes'))
      expect(decoded(text)).toEqual(decoded(binary))
    }
  })

  test('COPY hands out what SELECT does, in text, CSV and binary', async () => {
    if (python === null) return
    const run = await runChild(python, ['-c', COPIES, ...MASK_METHODS.map(tableOf)], {
      env: { ...stack.line.env, PGPORT: String(tap.port), PYTHONIOENCODING: 'utf8' },
      timeoutMs: 60_000,
    })
    expect(run.stderr).toBe('')
    expect(JSON.parse(run.stdout)).toEqual([MASK_METHODS.length * 6])
  })

  test('node-postgres gets what the type has, and none of the values as they are', async () => {
    const secrets = await canaries()
    expect(secrets.length).toBeGreaterThan(60)
    for (const method of MASK_METHODS) {
      for (const binary of [false, true]) {
        const { rows } = await raw('gateway', `SELECT * FROM ${tableOf(method)}`, binary)
        expect(rows).toHaveLength(1)
      }
    }
    const sent = tap.toClients()
    const evidence = evidenceBytes(stack.evidence)
    expect(sent.length).toBeGreaterThan(10_000)
    expect(secrets.filter((secret) => sent.includes(secret)).map(String)).toEqual([])
    expect(secrets.filter((secret) => evidence.includes(secret)).map(String)).toEqual([])
  })

  test('what the server makes of the texts is a value of the type: they can be cast back', async () => {
    for (const method of MASK_METHODS) {
      const { rows, fields } = await raw('gateway', `SELECT * FROM ${tableOf(method)}`, false)
      const casts = fields.slice(1).map(({ name }, index) => {
        const value: unknown = rows[0]?.[index + 1]
        const type = KINDS.find(([column]) => name === `c_${column}`)?.[1] ?? ''
        return `CAST(${typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : 'NULL'} AS ${type.replace(/\(.*/, '')})`
      })
      const cast = await asSuperuser(stack.postgres, 'bank', `SELECT ${casts.join(', ')}`)
      expect(cast.rowCount).toBe(1)
    }
  })

  test('a keyed mask joins: the same value has the same pseudonym in every table, and the outcome names the key', async () => {
    const [one, other] = await Promise.all(
      ['kinds_pseudonym', 'kinds_pseudonym AS k'].map((table) =>
        raw('gateway', `SELECT c_text, c_code FROM ${table}`, false),
      ),
    )
    expect(one?.rows).toEqual(other?.rows)
    expect(one?.rows[0]?.[0]).toMatch(/^[A-Z][a-z]{5} [A-Z][a-z]{3} \d{4}-\d{4}$/)
    expect(evidenceBytes(stack.evidence).includes('"key":"tests","method":"pseudonym"')).toBe(true)
  })
})

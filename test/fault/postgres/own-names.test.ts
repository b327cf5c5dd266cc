import { afterAll, beforeAll, expect, test } from 'vitest'
import { nameInSession, NO_NAMES } from '../../../planes/postgres/naming.ts'
import { Catalog, SqlParser } from '../../../planes/postgres/normalizer/index.ts'
import { OwnState } from '../../../planes/postgres/own-state.ts'
import { connectUpstream, QueryConnection, type UpstreamConfig } from '../../../planes/postgres/upstream.ts'
import { asSuperuser, type PostgresServer, startPostgres } from '../../support/postgres.ts'
import { chooseSeed, type Random, seededRandom } from '../../support/seeded-random.ts'
import { WireClient } from '../../support/wire-client.ts'

const NAMES = ['a', 'b', 'c']
/** What may stand in a text; `n` and `m` are names, `s` a savepoint. The role owns nothing that others see. */
const STATEMENTS: readonly string[] = [
  'CREATE TEMP TABLE n (x text)',
  'CREATE TEMP TABLE IF NOT EXISTS n (y int)',
  'CREATE TEMP TABLE n (z serial) ON COMMIT DROP',
  'CREATE TEMP TABLE n ON COMMIT DROP AS SELECT 1 AS q',
  'CREATE TEMP TABLE n AS SELECT id AS x FROM public.a',
  'CREATE TEMP TABLE IF NOT EXISTS n AS SELECT 1 AS one',
  'SELECT id AS i INTO TEMP n FROM public.b',
  'CREATE OR REPLACE TEMP VIEW n AS SELECT id AS v FROM public.a',
  'CREATE TEMP SEQUENCE IF NOT EXISTS n',
  'DROP TABLE n',
  'DROP TABLE IF EXISTS n, m',
  'DROP VIEW n CASCADE',
  'ALTER TABLE n RENAME TO m',
  'ALTER TABLE n ADD extra int',
  'ALTER TABLE n RENAME x TO y',
  'ALTER TABLE IF EXISTS n DROP COLUMN IF EXISTS x',
  'CREATE INDEX ON n (x)',
  'INSERT INTO n VALUES (1)',
  'SELECT * FROM n',
  'BEGIN',
  'BEGIN',
  'COMMIT',
  'COMMIT AND CHAIN',
  'ROLLBACK',
  'SAVEPOINT s',
  'SAVEPOINT s',
  'ROLLBACK TO s',
  'RELEASE s',
  'SELECT 1/0',
  'DISCARD TEMP',
  'DISCARD ALL',
  'SET search_path = private',
  `SET search_path TO 'public', PRIVATE`,
  `SET LOCAL search_path = ''`,
  `SELECT set_config('search_path', ' "$user",private ', true)`,
  'RESET search_path',
]

let server: PostgresServer
let config: UpstreamConfig
let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  server = await startPostgres()
  const setUp = [
    'CREATE SCHEMA private; CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE private.b (own int)',
    `CREATE ROLE agent LOGIN PASSWORD 'agent'; GRANT USAGE ON SCHEMA private TO agent; GRANT TEMP ON DATABASE postgres TO agent`,
    'GRANT SELECT ON a, b, private.b TO agent',
  ]
  await asSuperuser(server, 'postgres', setUp.join(';'))
  const { host, port } = server
  config = {
    host,
    port,
    database: 'postgres',
    user: 'agent',
    password: 'agent',
    tls: { mode: 'off' },
    connectTimeoutMs: 5000,
  }
  const connection = await QueryConnection.open(config, new Map())
  catalog = await Catalog.load(connection)
  connection.close()
  parser = await SqlParser.open()
})
afterAll(async () => {
  await parser?.close()
  await server?.stop()
})

function oneOf(random: Random, all: readonly string[]): string {
  return all[Math.floor(random() * all.length)] ?? ''
}

function anyText(random: Random): string {
  const count = random() < 0.6 ? 1 : 1 + Math.floor(random() * 4)
  const words = { n: () => oneOf(random, NAMES), m: () => oneOf(random, NAMES), s: () => oneOf(random, ['s1', 's2']) }
  return Array.from({ length: count }, () =>
    oneOf(random, STATEMENTS).replaceAll(/\b([nms])\b/g, (_, word: 'n' | 'm' | 's') => words[word]()),
  ).join('; ')
}

/** What the server finds under each name, and of what columns. */
async function theirs(client: WireClient): Promise<readonly string[]> {
  const sql = NAMES.map((name) => {
    const at = `to_regclass('${name}')`
    return `SELECT concat(CASE WHEN relnamespace = pg_my_temp_schema() THEN 'pg_temp' ELSE relnamespace::regnamespace::text END, ' ',
      (SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = ${at} AND attnum > 0 AND NOT attisdropped))
      FROM pg_class WHERE oid = ${at}`
  })
  const found: string[] = []
  for (const each of sql) {
    const row = (await client.query(each)).find((message) => message.kind === 'dataRow')
    found.push(row?.kind === 'dataRow' ? String(row.values[0]) : 'nothing')
  }
  return found
}

function ours(own: OwnState): readonly string[] {
  const seen = own.over(catalog)
  return NAMES.map((name) => {
    const relation = seen
      ?.searchPath('agent')
      .map((schema) => seen.relation(schema, name))
      .find((each) => each !== undefined)
    return relation === undefined
      ? 'nothing'
      : `${relation.schema} ${relation.columns.map((column) => column.name).join(',')}`
  })
}

test('names are found where the server finds them, whatever was done and undone', async () => {
  const seed = chooseSeed()
  const random = seededRandom(seed)
  let compared = 0
  for (let session = 0; session < 40; session += 1) {
    const { socket } = await connectUpstream(config, new Map([['search_path', '"$user", public']]))
    const client = WireClient.over(socket)
    const own = new OwnState()
    const done: string[] = []
    for (let step = 0; step < 25; step += 1) {
      const sql = anyText(random)
      const ground = { catalog, database: 'postgres', user: 'agent' }
      const named = await nameInSession(await parser.parse(sql), ground, { ...NO_NAMES, own }, parser)
      const followed = named.statements.every(({ effect, opaque }) => opaque.length === 0 && effect.kind !== 'catalog')
      // What can't be named, or isn't followed, makes the session give up: another story.
      if (!followed && !/1\/0/.test(sql)) continue
      for (const { carries } of named.statements) own.carry(carries)
      const answers = await client.query(sql)
      const completed = answers.filter(({ kind }) => kind === 'commandComplete').length
      for (const { effect } of named.statements.slice(0, completed)) own.done(effect)
      const erred = answers.some(({ kind }) => kind === 'errorResponse')
      const ready = answers.at(-1)
      if (ready?.kind !== 'readyForQuery') throw new Error('the server is not ready')
      own.ready(ready.status, erred)
      done.push(sql)
      if (ready.status === 'E') continue
      compared += 1
      expect({ seed, done, found: ours(own) }).toEqual({ seed, done, found: await theirs(client) })
    }
    client.end()
  }
  expect(compared).toBeGreaterThan(300)
}, 120_000)

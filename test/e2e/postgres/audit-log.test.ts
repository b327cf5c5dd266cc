import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyEvidence } from '../../../engine/evidence/index.ts'
import { countersign } from '../../support/command.ts'
import { direct } from '../../support/direct.ts'
import { startStack, type Stack } from '../../support/stack.ts'

let stack: Stack
let directory: string

beforeAll(async () => {
  stack = await startStack()
  directory = await mkdtemp(join(tmpdir(), 'countersign-audit-'))
  await chmod(directory, 0o755) // the server reads from it, as another user
})
afterAll(async () => {
  await stack.stop()
  await rm(directory, { recursive: true, force: true })
})

/** As PostgreSQL's documentation gives it for csvlog, in version 18. */
const POSTGRES_LOG = `CREATE TABLE postgres_log (
  log_time timestamp(3) with time zone, user_name text, database_name text, process_id integer, connection_from text,
  session_id text, session_line_num bigint, command_tag text, session_start_time timestamp with time zone,
  virtual_transaction_id text, transaction_id bigint, error_severity text, sql_state_code text, message text, detail text,
  hint text, internal_query text, internal_query_pos integer, context text, query text, query_pos integer, location text,
  application_name text, backend_type text, leader_pid integer, query_id bigint, PRIMARY KEY (session_id, session_line_num)
)`

async function work(): Promise<void> {
  const { user, token } = stack.line.principals.agent
  const client = new Client({ ...stack.line.gateway, user, password: token, application_name: 'say "hi", it' })
  await client.connect()
  await client.query("SELECT id, 'a,b' || chr(10) FROM customers WHERE name = 'Alice \"A\"'")
  await client.query('SELECT id FROM customers WHERE id = $1 AND name = $2', [7, 'b"c,d'])
  await client.query('SELECT id FROM customers WHERE ssn = $1', ['900-11-1111']).catch(() => undefined)
  await client.query('SELECT 1 / (id - id) FROM customers').catch(() => undefined)
  await client.query('DROP TABLE customers').catch(() => undefined)
  await client.query('BEGIN; SELECT 1; COMMIT')
  await client.end()
}

test('PostgreSQL itself reads it as its own log, and pgAudit’s lines in it', async () => {
  await work()
  const out = join(directory, 'audit.csv')
  const done = await countersign('postgres', 'audit-log', '--config', stack.line.config, '-o', out, '--reason', 'exam')
  expect(done).toMatchObject({ code: 0, err: '' })
  const text = await readFile(out, 'utf8')
  expect(text).not.toContain('900-11-1111')
  await chmod(out, 0o644)
  await direct(stack, POSTGRES_LOG)
  await direct(stack, `COPY postgres_log FROM '${out}' WITH CSV`)
  const rows = await direct(
    stack,
    "SELECT message FROM postgres_log WHERE message LIKE 'AUDIT: %' ORDER BY session_line_num",
  )
  const lines = join(directory, 'lines.csv')
  await writeFile(lines, rows.map(([message]) => `${String(message).slice('AUDIT: '.length)}\n`).join(''), {
    mode: 0o644,
  })
  await direct(
    stack,
    `CREATE TABLE audit_line (audit_type text, statement_id int, substatement_id int, class text, command text,
       object_type text, object_name text, statement text, parameter text)`,
  )
  await direct(stack, `COPY audit_line FROM '${lines}' WITH CSV`)
  const read = await direct(
    stack,
    `SELECT statement_id, class, command, object_type, object_name, statement, parameter FROM audit_line
       WHERE object_name IS DISTINCT FROM 'public.vip_customers' ORDER BY 1`,
  )
  expect(read.map((row) => row.slice(1))).toEqual([
    [
      'READ',
      'SELECT',
      'TABLE',
      'public.customers',
      'SELECT id, $1 || chr($2) FROM customers WHERE name = $3',
      '<none>',
    ],
    [
      'READ',
      'SELECT',
      'TABLE',
      'public.customers',
      'SELECT id FROM customers WHERE id = $1 AND name = $2',
      '7,"b""c,d"',
    ],
    ['READ', 'SELECT', 'TABLE', 'public.customers', 'SELECT $1 / (id - id) FROM customers', '<none>'],
    ['MISC', 'BEGIN', null, null, 'BEGIN', '<none>'],
    ['READ', 'SELECT', null, null, 'SELECT $1', '<none>'],
    ['MISC', 'COMMIT', null, null, 'COMMIT', '<none>'],
  ])
  const refused = await direct(
    stack,
    "SELECT error_severity, sql_state_code, query, user_name FROM postgres_log WHERE error_severity = 'ERROR' ORDER BY session_line_num",
  )
  expect(refused).toContainEqual(['ERROR', '42501', 'DROP TABLE customers', 'reconciler'])
  expect(refused).toContainEqual(['ERROR', '22012', 'SELECT $1 / (id - id) FROM customers', 'reconciler'])
  expect(await direct(stack, 'SELECT DISTINCT application_name FROM postgres_log')).toEqual([['say "hi", it']])
})

test('that it was exported is in evidence; of a copy nothing can be', async () => {
  const report = await verifyEvidence(stack.evidence)
  expect(report.findings).toEqual([])
  expect(report.events['evidence.exported']).toBe(1)
  const copy = await countersign('postgres', 'audit-log', stack.evidence, '-o', join(directory, 'again.csv'))
  expect(copy.out).toContain('nothing was recorded')
  const taken = await countersign('postgres', 'audit-log', stack.evidence, '-o', join(directory, 'again.csv'))
  expect(taken.code).toBe(64)
})

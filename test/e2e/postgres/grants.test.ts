import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { main } from '../../../cli/main.ts'
import { freePort } from '../../support/free-port.ts'
import { asSuperuser } from '../../support/postgres.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

const ROLE = 'Gateway "least"'
let stack: Stack
let sql = ''

beforeAll(async () => {
  stack = await startStack()
  const { postgres } = stack
  await asSuperuser(postgres, 'bank', `CREATE SCHEMA "odd "" schema"; CREATE TABLE "odd "" schema".t (a int)`)
  await asSuperuser(postgres, 'bank', 'CREATE VIEW public.peephole AS SELECT ssn FROM private.customers')
  sql = await grants()
  await asSuperuser(postgres, 'bank', sql)
  await asSuperuser(postgres, 'bank', `ALTER ROLE "Gateway ""least""" PASSWORD 'secret'`)
})
afterAll(() => stack?.stop())

async function grants(): Promise<string> {
  let out = ''
  const io = { stdout: { write: (text: string) => (out += text) }, stderr: process.stderr, env: {} }
  expect(await main(['postgres', 'grants', '--config', stack.line.config, '--role', ROLE], io)).toBe(0)
  return out
}

async function directly(text: string): Promise<string> {
  const { host, port } = stack.postgres
  const client = new Client({ host, port, database: 'bank', user: ROLE, password: 'secret' })
  await client.connect()
  try {
    await client.query('BEGIN')
    await client.query(text)
    return 'done'
  } catch (error) {
    return String(Reflect.get(Object(error), 'code'))
  } finally {
    await client.query('ROLLBACK')
    await client.end()
  }
}

test('with the role alone, past the gateway: what no policy lets through is the server’s to refuse', async () => {
  const refused = [
    'SELECT ssn FROM private.customers',
    'SELECT * FROM public.peephole',
    'SELECT * FROM "odd "" schema".t',
    "UPDATE public.accounts SET account_number = 'x'",
    'DELETE FROM public.transfers',
    'UPDATE public.transfers SET amount = 1',
    'TRUNCATE public.customers',
    'CREATE TABLE public.mine (a int)',
    'CREATE ROLE other',
    "COPY public.customers TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
    'SELECT rolpassword FROM pg_authid',
    'ALTER TABLE public.customers ADD COLUMN x int',
    'LOCK TABLE public.customers IN ACCESS EXCLUSIVE MODE',
  ]
  expect(await Promise.all(refused.map(async (text) => [text, await directly(text)]))).toEqual(
    refused.map((text) => [text, '42501']),
  )
  expect(await directly('SELECT id, ssn FROM public.customers')).toBe('done')
  const transfer = 'INSERT INTO public.transfers (from_account, to_account, amount)'
  expect(await directly(`${transfer} SELECT min(id), max(id), 5 FROM public.accounts`)).toBe('done')
})

test('a column that is added later is nobody’s until the grants are made again', async () => {
  await asSuperuser(stack.postgres, 'bank', "ALTER TABLE public.audit_log ADD COLUMN vault_code text DEFAULT 'secret'")
  expect(await directly('SELECT vault_code FROM public.audit_log')).toBe('42501')
  await asSuperuser(stack.postgres, 'bank', await grants())
  expect(await directly('SELECT vault_code FROM public.audit_log')).toBe('done')
})

test('through the gateway, with that role at the server, the policy’s allowed statements are answered', async () => {
  const directory = dirname(stack.line.config)
  const config = await readFile(stack.line.config, 'utf8')
  await writeFile(stack.line.config, config.replace(`user: ${stack.postgres.user}`, `user: ${JSON.stringify(ROLE)}`))
  await writeFile(join(directory, 'upstream.password'), 'secret')
  await stack.gateway.stop()
  await stack.gateway.restart()
  const { host, port } = stack.line.gateway
  const { user, token } = stack.line.principals.agent
  const client = new Client({ host, port, database: 'bank', user, password: token })
  await client.connect()
  const masked = await client.query('SELECT ssn FROM customers ORDER BY id LIMIT 1')
  expect(masked.rows[0]?.ssn).toMatch(/^[^0-9]+\d{4}$/)
  const joined = await client.query('SELECT count(*) AS n FROM transfers t JOIN accounts a ON a.id = t.from_account')
  expect(Number(joined.rows[0]?.n)).toBeGreaterThan(0)
  await client.query('SELECT * FROM customers LIMIT 1')
  await expect(client.query('SELECT ssn FROM private.customers')).rejects.toMatchObject({ code: '42501' })
  await client.end()
})

async function doctor(env: Record<string, string>, ...argv: string[]): Promise<{ code: number; out: string }> {
  let out = ''
  const code = await main(['doctor', ...argv], {
    stdout: { write: (text: string) => (out += text) },
    stderr: process.stderr,
    env,
  })
  return { code, out }
}

test('the doctor: a superuser at the server is too much, the least role is not', async () => {
  const least = await doctor({}, '--config', stack.line.config)
  expect(least.out).toContain(`ok    the gateway's role ${ROLE} has no power beyond its grants`)
  const config = await readFile(stack.line.config, 'utf8')
  const other = join(dirname(stack.line.config), 'superuser.yaml')
  await writeFile(other, config.replace(`user: ${JSON.stringify(ROLE)}`, `user: ${stack.postgres.user}`))
  await writeFile(join(dirname(other), 'upstream.password'), stack.postgres.password)
  const most = await doctor({}, '--config', other, '--json')
  expect(most.code).toBe(1)
  expect(JSON.parse(most.out).findings[0]).toMatchObject({ kind: 'open', what: expect.stringContaining('SUPERUSER') })
})

test('the doctor on an agent’s host: let in past the gateway, answered but refused, not reachable', async () => {
  const { host, port, user, password } = stack.postgres
  const place = `${host}:${port}`
  const url = `postgres://${user}:${encodeURIComponent(password)}@elsewhere/bank`
  const inside = await doctor({ DATABASE_URL: url }, '--upstream', place)
  expect(inside).toMatchObject({ code: 1, out: expect.stringContaining('BYPASS') })
  const refused = await doctor({ PGUSER: user, PGPASSWORD: 'wrong' }, '--upstream', place)
  expect(refused).toMatchObject({ code: 1, out: expect.stringMatching(/answers from here, and refuses .*28P01/) })
  expect(`${inside.out}${refused.out}`).not.toContain(password)
  const away = await doctor({}, '--upstream', `127.0.0.1:${await freePort()}`)
  expect(away).toMatchObject({ code: 0, out: expect.stringContaining("can't be reached from here") })
})

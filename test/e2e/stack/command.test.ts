import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import type { StackLine } from '../../support/stack.ts'

const STACK = fileURLToPath(new URL('../../support/stack.ts', import.meta.url))

let running: ChildProcess | undefined
afterEach(() => running?.kill('SIGKILL'))

/** Runs the command as other people's suites do, and reads its line. */
async function start(
  ...args: string[]
): Promise<{ readonly child: ChildProcess; readonly line: StackLine; readonly lines: string[] }> {
  const child = spawn(process.execPath, [STACK, 'postgres', ...args], { stdio: ['pipe', 'pipe', 'ignore'] })
  running = child
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const [text]: unknown[] = await Promise.race([once(reader, 'line'), once(child, 'exit').then(() => [])])
  const line: StackLine = JSON.parse(String(text))
  return { child, line, lines }
}

async function query(env: Readonly<Record<string, string>>, sql: string, ssl?: object): Promise<unknown[]> {
  const { PGHOST: host, PGPORT, PGDATABASE: database, PGUSER: user, PGPASSWORD: password } = env
  const client = new Client({
    host,
    port: Number(PGPORT),
    database,
    user,
    password,
    ...(ssl === undefined ? {} : { ssl }),
  })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    }).on('error', () => resolve(false))
  })
}

/** Nothing listens any more, and every directory has gone. */
async function leftovers(line: StackLine): Promise<string[]> {
  const left: string[] = []
  if (await listens(line.gateway.port)) left.push('gateway')
  if (await listens(line.upstream.port)) left.push('upstream')
  if (await listens(Number(new URL(line.api).port))) left.push('api')
  if (existsSync(dirname(line.config))) left.push(dirname(line.config))
  return left
}

describe('npm run stack', () => {
  test('prints one line with all that a client needs; ends with its input and leaves nothing', async () => {
    const { child, line, lines } = await start()
    expect(Object.keys(line)).toEqual([
      'plane',
      'gateway',
      'upstream',
      'principals',
      'env',
      'api',
      'console',
      'dataDir',
      'config',
    ])
    expect(Object.keys(line.principals)).toEqual(['agent', 'owner', 'approver', 'approver2', 'auditor'])
    expect(line).toMatchObject({
      plane: 'postgres',
      gateway: { database: 'bank' },
      upstream: { database: 'bank', user: 'postgres' },
    })
    expect(await query(line.env, 'SELECT count(*)::text AS n FROM accounts')).toEqual([{ n: '6' }])
    const direct = {
      PGHOST: line.upstream.host,
      PGPORT: String(line.upstream.port),
      PGDATABASE: 'bank',
      PGUSER: 'postgres',
      PGPASSWORD: line.upstream.password,
    }
    expect(await query(direct, 'SELECT usesuper FROM pg_user WHERE usename = current_user')).toEqual([
      { usesuper: true },
    ])
    for (const { token } of Object.values(line.principals)) {
      const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
      expect(Reflect.get(Object(claims), 'exp')).toBeGreaterThan(Date.now() / 1000 + 3600)
    }
    child.stdin?.end()
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(lines).toHaveLength(1)
    expect(await leftovers(line)).toEqual([])
  })

  test('--policy allow-all forwards everything, to any database of the upstream', async () => {
    const { child, line } = await start('--policy', 'allow-all')
    expect(await query(line.env, 'DELETE FROM audit_log RETURNING id')).not.toHaveLength(0)
    expect(await query({ ...line.env, PGDATABASE: 'template1' }, 'SELECT current_database() AS name')).toEqual([
      { name: 'template1' },
    ])
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(await leftovers(line)).toEqual([])
  })

  test('--tls: a certificate that its own CA vouches for, and no plain connection; kill -9 leaves nothing either', async () => {
    const { child, line } = await start('--tls')
    expect(line.ca).toBe(line.env['PGSSLROOTCERT'])
    const ca = await readFile(line.ca ?? '', 'utf8')
    expect(await query(line.env, 'SELECT 1 AS one', { ca })).toEqual([{ one: 1 }])
    await expect(query(line.env, 'SELECT 1', { ca: [] })).rejects.toThrow(/certificate/)
    await expect(query(line.env, 'SELECT 1')).rejects.toThrow(/TLS|SSL/)
    child.kill('SIGKILL') // leaves nothing either
    await once(child, 'exit')
    for (let waited = 0; waited < 10_000 && (await leftovers(line)).length > 0; waited += 50) await sleep(50)
    expect(await leftovers(line)).toEqual([])
  })

  test.each([[[]], [['postgres', '--port', 'x']]])('%j is wrong usage', async (args) => {
    const child = spawn(process.execPath, [STACK, ...args], { stdio: ['pipe', 'ignore', 'pipe'] })
    expect(await once(child, 'exit')).toEqual([64, null])
  })
})

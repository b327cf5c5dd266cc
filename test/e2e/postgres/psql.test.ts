import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTap } from '../../support/byte-tap.ts'
import type { ByteTap } from '../../support/byte-tap.ts'
import { canariesIn } from '../../support/canaries.ts'
import { runChild, startChild } from '../../support/child.ts'
import type { ChildResult, RunningChild } from '../../support/child.ts'
import { evidenceBytes } from '../../support/evidence-trace.ts'
import { findPsql } from '../../support/psql.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

const psql = findPsql()

let stack: Stack
let tap: ByteTap

beforeAll(async () => {
  stack = await startStack({ tls: true, plane: { plaintext: 'loopback' } })
  tap = await openTap(stack.line.gateway)
})
afterAll(async () => {
  await tap?.close()
  await stack?.stop()
})

const QUIET = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose']

/** In plain text through the tap, so that what arrives can be searched. */
function throughTap(): Record<string, string> {
  return { ...stack.line.env, PGPORT: String(tap.port), PGSSLMODE: 'disable' }
}

function start(args: readonly string[], env = throughTap()): RunningChild {
  return startChild(psql ?? '', [...QUIET, ...args], { env })
}

const run = (...args: readonly string[]): Promise<ChildResult> => start(args).result
const rows = (sql: string): Promise<ChildResult> => run('-At', '-c', sql)

function tls(more: Record<string, string> = {}): Promise<ChildResult> {
  return start(['-At', '-c', 'SELECT 1'], { ...stack.line.env, ...more }).result
}

/** Text on its standard input, where a statement and a backslash command may share a line. */
function script(input: string): Promise<ChildResult> {
  return runChild(psql ?? '', [...QUIET, '-At'], { env: throughTap(), input })
}

function direct(...args: readonly string[]): Promise<ChildResult> {
  const { host, port, database, user, password } = stack.line.upstream
  const env = { PGHOST: host, PGPORT: String(port), PGDATABASE: database, PGUSER: user, PGPASSWORD: password }
  return runChild(psql ?? '', [...QUIET, ...args], { env: { ...env, PGSSLMODE: 'disable' } })
}

describe.skipIf(psql === null)('psql', () => {
  describe('TLS', () => {
    test('verify-full, by address and by name', async () => {
      expect(await tls()).toMatchObject({ status: 0, stdout: '1\n' })
      expect(await tls({ PGHOST: 'localhost' })).toMatchObject({ status: 0, stdout: '1\n' })
    })

    test('a client that trusts another authority goes away', async () => {
      const { status, stderr } = await tls({ PGSSLROOTCERT: '/etc/ssl/certs/ca-certificates.crt' })
      expect([status, stderr]).toEqual([2, expect.stringMatching(/certificate verify failed|could not read root/)])
    })

    test('a token that was changed by a letter', async () => {
      const { token } = stack.line.principals.agent
      const { status, stderr } = await tls({ PGPASSWORD: `${token.slice(0, -6)}AAAAAA` })
      expect([status, stderr]).toEqual([2, expect.stringContaining('ERR_IDENTITY_SIGNATURE')])
    })
  })

  describe('reads', () => {
    test.each([
      'SELECT * FROM transfers ORDER BY id',
      'SELECT c.name, sum(a.balance) FROM customers c JOIN accounts a ON a.customer_id = c.id GROUP BY c.name ORDER BY 1',
      'SELECT count(*), sum(amount), avg(amount) FROM transfers',
      "SELECT '12.50'::numeric, now() > '2000-01-01'::timestamptz, NULL, ARRAY[1,2,NULL], '{\"a\": [1]}'::jsonb, 'žluťoučký'",
      'VALUES (1, true), (2, false)',
      'SHOW server_version',
      'EXPLAIN (COSTS OFF) SELECT name FROM customers WHERE id = 1',
    ])('the same as directly: %s', async (sql) => {
      const [through, straight] = await Promise.all([rows(sql), direct('-At', '-c', sql)])
      expect(straight.status).toBe(0)
      expect(through).toEqual(straight)
    })

    test('labelled columns are masked', async () => {
      const sql = 'SELECT id, name, ssn, email, phone, dob FROM customers WHERE id IN (1, 4) ORDER BY id'
      expect(await rows(sql)).toEqual({
        status: 0,
        stdout:
          '1|Alice Archer|*******1111|a***@***|********0001|1981-01-01\n' +
          '4|Dmitri Dahl|*******4444|d***@***||1984-01-01\n',
        stderr: '',
      })
    })

    test('FETCH_COUNT: masked rows, through the SQL cursor that psql before 17 makes of it too', async () => {
      const fetched = await run('-v', 'FETCH_COUNT=1', '-At', '-c', 'SELECT ssn FROM customers WHERE id < 3')
      expect(fetched).toEqual({ status: 0, stdout: '*******1111\n*******2222\n', stderr: '' })
    })

    test('COPY to the client gets what SELECT gets', async () => {
      const selected = await run('-At', '-F', '\t', '-P', String.raw`null=\N`, '-c', 'SELECT * FROM ONLY customers')
      expect(selected.stdout).toContain('*******1111')
      expect(await run('-c', String.raw`\copy customers to stdout`)).toEqual(selected)
    })

    test(String.raw`\gdesc describes without running`, async () => {
      const described = await script('SELECT id, ssn FROM customers \\gdesc')
      expect(described).toEqual({ status: 0, stdout: 'id|integer\nssn|text\n', stderr: '' })
    })

    test(String.raw`\gset stores what was masked`, async () => {
      const stored = await script('SELECT ssn FROM customers WHERE id = 1 \\gset\n\\echo :ssn\n')
      expect(stored).toEqual({ status: 0, stdout: '*******1111\n', stderr: '' })
    })
  })

  describe('what it asks by itself', () => {
    test.each([
      String.raw`\d`,
      String.raw`\dt`,
      String.raw`\dn`,
      String.raw`\dv`,
      String.raw`\d customers`,
      String.raw`\d+ customer_contact`,
      String.raw`\di`,
      String.raw`\du`,
      String.raw`\df pg_catalog.upper`,
    ])('%s answers as directly', async (command) => {
      const [through, straight] = await Promise.all([run('-c', command), direct('-c', command)])
      expect(straight.status).toBe(0)
      expect(through).toEqual(straight)
    })
  })

  describe('what is refused', () => {
    test('by policy: its rule, a decision that is in the log, and a session that goes on', async () => {
      const { status, stdout, stderr } = await start([
        '-At',
        '-v',
        'ON_ERROR_STOP=0',
        '-c',
        'DELETE FROM transfers',
        '-c',
        'SELECT 1',
      ]).result
      expect([status, stdout]).toEqual([0, '1\n'])
      expect(stderr).toMatch(/ERROR: {2}42501: refused by policy/)
      const decision = /Decision ([0-9a-f-]{36}), rule reject-destructive/.exec(stderr)?.[1]
      expect(evidenceBytes(stack.evidence).toString()).toContain(`"decision":"${decision}"`)
    })

    test('COPY from the client, and COPY at the server', async () => {
      const atServer = "COPY with a file or a program of the server's is not covered"
      for (const [command, why] of [
        [String.raw`\copy transfers from /dev/null`, 'agents may not copy rows in'],
        ["COPY customers TO '/dev/null'", atServer],
        ["COPY customers TO PROGRAM 'cat'", atServer],
        ["COPY customers FROM PROGRAM 'cat'", atServer],
      ] as const) {
        const { status, stdout, stderr } = await run('-c', command)
        expect([command, stdout, stderr]).toEqual([command, '', expect.stringContaining(why)])
        expect(status).not.toBe(0)
      }
    })

    test('within a transaction, which then has failed', async () => {
      const args = [
        '-At',
        '-v',
        'ON_ERROR_STOP=0',
        '-c',
        'BEGIN',
        '-c',
        'DELETE FROM transfers',
        '-c',
        'SELECT 1',
        '-c',
        'COMMIT',
      ]
      const { stdout, stderr } = await start(args).result
      expect(stdout).toBe('')
      expect(stderr).toMatch(/42501[^]*25P02/)
    })
  })

  describe('Ctrl-C', () => {
    test('ends a running statement at the server', async () => {
      const running = start(['-c', 'SELECT count(*) FROM generate_series(1, 1000000000000)'])
      await activeUpstream('generate_series')
      running.process.kill('SIGINT')
      expect(await running.result).toMatchObject({ status: 1, stderr: expect.stringContaining('57014') })
      await expect.poll(() => upstreamRuns('generate_series'), { timeout: 10_000 }).toBe('0\n')
    })

    test('withdraws a statement that is held', async () => {
      const held = start([
        '-c',
        "INSERT INTO transfers (from_account, to_account, amount, status) VALUES (10, 20, 7.01, 'ctrl-c')",
      ])
      await held.said('held for approval')
      held.process.kill('SIGINT')
      expect(await held.result).toMatchObject({ status: 1, stderr: expect.stringContaining('57014') })
      expect((await direct('-At', '-c', "SELECT count(*) FROM transfers WHERE status = 'ctrl-c'")).stdout).toBe('0\n')
    })
  })

  test('no canary came through, stands in the evidence, or in the log', () => {
    expect(tap.toClients().length).toBeGreaterThan(10_000)
    expect(canariesIn(tap.toClients())).toEqual([])
    expect(canariesIn(evidenceBytes(stack.evidence))).toEqual([])
    expect(canariesIn(Buffer.from(stack.gateway.log))).toEqual([])
  })
})

async function upstreamRuns(text: string): Promise<string> {
  const sql = `SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%${text}%'`
  return (await direct('-At', '-c', sql)).stdout
}

async function activeUpstream(text: string): Promise<void> {
  await expect.poll(() => upstreamRuns(text), { timeout: 10_000 }).toBe('1\n')
}

import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { main } from '../../../cli/main.ts'
import { readRecords } from '../../../engine/evidence/index.ts'
import { openArchive } from '../../../engine/policy/index.ts'
import { signForStack } from '../../support/stack-config.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

const RELOADS = 100
const CLIENTS = 4

let stack: Stack
let directory: string
let operator: string
let reviewer: string
const paths = { starter: 'policies/dist/starter.tar.gz', open: 'policies/dist/allow-all.tar.gz' }

beforeAll(async () => {
  stack = await startStack()
  directory = dirname(stack.line.config)
  operator = await stack.identity.personToken('olga')
  reviewer = await stack.identity.personToken('rita')
  await writeFile(join(directory, 'open.tar.gz'), await signForStack(directory, paths.open))
})
afterAll(() => stack?.stop())

async function digestOf(path: string): Promise<string> {
  const { reference } = await openArchive(await readFile(path), { kind: 'unsigned' }, { slowestMs: 20_000 })
  return reference.digest
}

async function countersign(token: string, ...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const io = {
    stdout: { write: (text: string) => (said.out += text) },
    stderr: { write: (text: string) => (said.err += text) },
    env: { COUNTERSIGN_API: stack.line.api, COUNTERSIGN_TOKEN: token },
  }
  return { code: await main(['policy', ...argv], io), ...said }
}

async function connected(): Promise<Client> {
  const { gateway, principals } = stack.line
  const { user, token } = principals.agent
  const client = new Client({ host: gateway.host, port: gateway.port, database: 'bank', user, password: token })
  await client.connect()
  return client
}

async function activeRevision(): Promise<string> {
  const status: { active: { policy: { revision: string } } } = JSON.parse(
    (await countersign(operator, 'status', '--json')).out,
  )
  return status.active.policy.revision
}

interface Seen {
  readonly decision: string
  readonly event: string
  readonly digest: string
}

async function decisionsOver(table: string): Promise<readonly Seen[]> {
  const seen: Seen[] = []
  for await (const { record, fields } of readRecords(stack.evidence, { mark: table })) {
    if (!record.event.startsWith('decision.')) continue
    const digest: unknown = Reflect.get(Object(fields['policy']), 'digest')
    seen.push({ decision: record.decision ?? '', event: record.event, digest: String(digest) })
  }
  return seen
}

test(`${RELOADS} reloads under load: each statement is answered, by exactly the policy that its record names`, async () => {
  const [starter, open] = [await digestOf(paths.starter), await digestOf(paths.open)]
  expect((await countersign(operator, 'activate', join(directory, 'open.tar.gz'))).code).toBe(0)
  const clients = await Promise.all(Array.from({ length: CLIENTS }, connected))
  const state = { reloading: true }
  const answers = { masked: 0, plain: 0 }
  const load = async (client: Client): Promise<void> => {
    while (state.reloading) {
      const { rows } = await client.query<{ ssn: string }>('SELECT ssn FROM customers ORDER BY id LIMIT 1')
      const [row] = rows
      if (/^[^0-9]+\d{4}$/.test(row?.ssn ?? '')) answers.masked += 1
      else if (/^\d{3}-\d{2}-\d{4}$/.test(row?.ssn ?? '')) answers.plain += 1
      else throw new Error(`an answer of neither policy: ${JSON.stringify(rows)}`)
    }
  }
  const reload = async (): Promise<void> => {
    try {
      const headers = { authorization: `Bearer ${operator}`, 'content-type': 'application/json' }
      for (let count = 0; count < RELOADS; count += 1) {
        const response = await fetch(`${stack.line.api}/v1/policy/rollback`, { method: 'POST', headers, body: '{}' })
        const { here }: { here: { digest: string } } = Object(await response.json())
        expect([response.status, here.digest]).toEqual([200, count % 2 === 0 ? starter : open])
      }
    } finally {
      state.reloading = false
    }
  }
  await Promise.all([reload(), ...clients.map(load)])
  await Promise.all(clients.map((client) => client.end()))

  const decisions = await decisionsOver('"public.customers"')
  expect(decisions).toHaveLength(answers.masked + answers.plain)
  expect(new Set(decisions.map(({ event, digest }) => `${event} ${digest}`))).toEqual(
    new Set([`decision.mask ${starter}`, `decision.forward ${open}`]),
  )
  expect(decisions.filter(({ event }) => event === 'decision.mask')).toHaveLength(answers.masked)
  expect(Math.min(answers.masked, answers.plain)).toBeGreaterThan(0)
})

test('the command line: what others propose is reviewed, rejected, refused; who may not is told so', async () => {
  const { principals } = stack.line
  const starter = await digestOf(paths.starter)
  expect((await countersign(principals.agent.token, 'status')).code).toBe(77)
  expect((await countersign(principals.approver.token, 'activate', starter.slice(0, 12))).code).toBe(77)
  const unsigned = await countersign(operator, 'propose', paths.open)
  expect(unsigned).toMatchObject({ code: 1, err: expect.stringContaining('ERR_POLICY_SIGNATURE') })
  const proposed = await countersign(operator, 'propose', join(directory, 'bundle.tar.gz'))
  expect(proposed).toMatchObject({ code: 0, out: expect.stringMatching(/by olga .* tests PASSED; not reviewed/) })
  const own = await countersign(operator, 'review', starter, '--approve')
  expect(own).toMatchObject({ code: 77, err: expect.stringContaining('ERR_POLICY_SELF') })
  const no = await countersign(reviewer, 'review', starter.slice(0, 8), '--reject', '--reason', 'not this week')
  expect(no).toMatchObject({ code: 0, out: expect.stringContaining('rejected by rita: not this week') })
  const refused = await countersign(operator, 'activate', starter)
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('ERR_POLICY_UNREVIEWED') })
  expect((await countersign(operator, 'status')).out).toMatch(/^in force {3}.* by olga\n/)
})

test('a candidate in the shadow is asked what the live policy is asked, obeyed in nothing, and its differences are counted', async () => {
  const starter = await digestOf(paths.starter)
  const client = await connected()
  expect((await countersign(operator, 'shadow', starter)).code).toBe(0)
  for (let count = 0; count < 5; count += 1) {
    const { rows } = await client.query<{ ssn: string }>('SELECT ssn FROM customers ORDER BY id LIMIT 1')
    expect(rows[0]?.ssn).toMatch(/^\d{3}-/) // the live policy allows all
  }
  await client.query('SELECT 1')
  await client.end()
  const counts = await vi.waitFor(async () => {
    const status = JSON.parse((await countersign(operator, 'shadow', '--status', '--json')).out)
    expect(status.counts.compared).toBe(6)
    return status.counts
  }, 30_000)
  expect(counts.differences).toMatchObject({ 'postgres.select: now masked': 5 })
  expect(counts).toMatchObject({ dropped: 0, failed: 0 })
  expect(JSON.stringify(counts.examples)).not.toMatch(/\d{3}-\d{2}-\d{4}/)
  const ended = await countersign(operator, 'shadow', '--end')
  expect(ended).toMatchObject({ code: 0, out: expect.stringContaining('5 × postgres.select: now masked') })
})

test('SIGHUP puts the changed file in force; one that can not be leaves things as they are; a restart goes on', async () => {
  const file = join(directory, 'bundle.tar.gz')
  const starter = await readFile(file)
  await writeFile(file, 'no bundle')
  process.kill(stack.gateway.pid, 'SIGHUP')
  await vi.waitFor(() => expect(stack.gateway.log).toContain('policy.not_reloaded'), 30_000)
  const before = await activeRevision()
  await writeFile(file, starter)
  process.kill(stack.gateway.pid, 'SIGHUP')
  await vi.waitFor(() => expect(stack.gateway.log).toContain('"policy.reloaded"'), 30_000)
  const after = await activeRevision()
  expect(after).not.toBe(before)
  expect((await countersign(operator, 'rollback')).code).toBe(0)
  await stack.gateway.kill9()
  await stack.gateway.restart()
  expect(await activeRevision()).toBe(before)
})

import { readFile, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { Client, DatabaseError } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyEvidence } from '../../../engine/evidence/index.ts'
import { countersign } from '../../support/child.ts'
import { asSuperuser } from '../../support/postgres.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack.stop())

async function connect(): Promise<Client> {
  const { PGHOST: host, PGPORT, PGDATABASE: database, PGUSER: user, PGPASSWORD: password } = stack.line.env
  const client = new Client({ host, port: Number(PGPORT), database, user, password })
  client.on('error', () => undefined) // the gateway is killed under it
  await client.connect()
  return client
}

/** A configuration beside the stack's own, changed; `serve` with it must fail. */
async function serveOtherwise(change: (config: string) => string): ReturnType<typeof countersign> {
  const config = await readFile(stack.line.config, 'utf8')
  const changed = join(dirname(stack.line.config), 'otherwise.yaml')
  await writeFile(changed, change(config))
  return countersign(['serve', '--config', changed])
}

describe('a gateway that can’t start says why', () => {
  test('another of the same name has the evidence open', async () => {
    const { status, stderr } = await serveOtherwise((config) => config.replace(/port: \d+/g, 'port: 0'))
    expect(status).toBe(74)
    expect(stderr).toContain('ERR_EVIDENCE_LOCKED')
  })

  test('somebody listens on its port already', async () => {
    const { status, stderr } = await serveOtherwise((config) =>
      config
        .replace('instance: stack', 'instance: second')
        .replace('state.db', 'second.db')
        .replace('var/evidence', 'var/second-evidence'),
    )
    expect(status).toBe(78)
    expect(stderr).toMatch(/listen/)
  })

  test('its bundle is signed by somebody else', async () => {
    const directory = dirname(stack.line.config)
    const bundle = await readFile(join(directory, 'bundle.tar.gz'))
    await writeFile(join(directory, 'other.tar.gz'), bundle)
    await writeFile(
      join(directory, 'other.pem'),
      '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n',
    )
    const { status, stderr } = await serveOtherwise((config) => config.replace('./key.pem', './other.pem'))
    expect(status).toBe(78)
    expect(stderr).toContain('ERR_POLICY_SIGNATURE')
  })

  test('a token could be read on its way to the API', async () => {
    const { status, stderr } = await serveOtherwise((config) =>
      config.replace(/(api:\n\s+host: )127\.0\.0\.1/, '$10.0.0.0'),
    )
    expect(status).toBe(78)
    expect(stderr).toMatch(/otherwise\.yaml:\d+:\d+: api\.host: expected an address of loopback/)
  })
})

describe('countersign check', () => {
  test('finds all well with the stack', async () => {
    const { status, stdout } = await countersign(['check', '--config', stack.line.config])
    expect(stdout).not.toContain('FAIL')
    expect(status).toBe(0)
  })

  test('finds a wrong password at the upstream, and doesn’t repeat it', async () => {
    const directory = dirname(stack.line.config)
    await writeFile(join(directory, 'wrong.password'), 'hunter2')
    const config = await readFile(stack.line.config, 'utf8')
    await writeFile(join(directory, 'wrong.yaml'), config.replace('./upstream.password', './wrong.password'))
    const { status, stdout } = await countersign(['check', '--config', join(directory, 'wrong.yaml')])
    expect(status).toBe(1)
    expect(stdout).toMatch(/FAIL {2}postgres .*28P01/)
    expect(stdout).not.toContain('hunter2')
  })
})

describe('a gateway that is killed', () => {
  test('comes back at the same place with its evidence whole', async () => {
    const before = await connect()
    expect((await before.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    const port = stack.gateway.listening.planes['postgres']?.port
    await stack.gateway.kill9()
    await expect(connect()).rejects.toThrow(/ECONNREFUSED/)
    await stack.gateway.restart()
    expect(stack.gateway.listening.planes['postgres']?.port).toBe(port)
    const after = await connect()
    expect((await after.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }])
    await after.end()
    expect((await verifyEvidence(stack.evidence)).findings).toEqual([])
  })

  test('while a statement is held: it can still be answered, and is then done once', async () => {
    const sql = 'INSERT INTO transfers (from_account, to_account, amount) VALUES (10, 20, 4711.00)'
    const agent = await connect()
    const noticed = once(agent, 'notice')
    const broken = agent.query(sql).then(
      () => 'done',
      () => 'broken',
    )
    const [notice]: unknown[] = await noticed
    const approval = /approval ([0-9a-f-]{36})/.exec(String(Reflect.get(Object(notice), 'message')))?.[1] ?? ''
    await stack.gateway.kill9()
    expect(await broken).toBe('broken')
    expect(await executed()).toBe(0)

    await stack.gateway.restart()
    const { api, principals } = stack.line
    const env = { COUNTERSIGN_API: api, COUNTERSIGN_TOKEN: principals.approver.token }
    const approved = await countersign(['approvals', 'approve', approval, '--reason', 'asked before the crash'], {
      env,
    })
    expect(approved.stderr).toBe('')
    expect(await executed()).toBe(0)
    const again = await connect()
    await again.query(sql)
    await again.end()
    expect(await executed()).toBe(1)
    expect((await verifyEvidence(stack.evidence)).findings).toEqual([])
  })

  test('and its state with it: rebuilt from evidence, an approval that was used stays used', async () => {
    await stack.gateway.kill9()
    const { dataDir, api, principals } = stack.line
    const state = join(dataDir, 'state.db')
    for (const suffix of ['', '-wal', '-shm']) await rm(`${state}${suffix}`, { force: true })
    await stack.gateway.restart()
    const { stdout } = await countersign(['approvals', 'list', '--state', 'all', '--json'], {
      env: { COUNTERSIGN_API: api, COUNTERSIGN_TOKEN: principals.auditor.token },
    })
    const { approvals }: { approvals: { state: string }[] } = JSON.parse(stdout)
    expect(approvals.map(({ state }) => state)).toEqual(['used'])
  })
})

describe('what is behind it fails', () => {
  test('the server dies: its clients are told, others are refused, the gateway stays up', async () => {
    const other = await startStack({ bank: false })
    try {
      const { PGHOST: host, PGPORT, PGUSER: user, PGPASSWORD: password } = other.line.env
      const client = new Client({ host, port: Number(PGPORT), user, password, database: 'bank' })
      const told = new Promise<Error>((resolve) => client.on('error', resolve))
      await client.connect()
      await other.postgres.kill()
      expect(await told).toBeInstanceOf(Error)
      const refused: unknown = await new Client({ host, port: Number(PGPORT), user, password, database: 'bank' })
        .connect()
        .catch((cause: unknown) => cause)
      expect(refused instanceof DatabaseError ? refused.severity : refused).toBe('FATAL')
      expect((await fetch(`${other.line.api}/healthz`)).status).toBe(200)
      expect(await other.gateway.stop()).toBe(0)
    } finally {
      await other.stop()
    }
  })
})

async function executed(): Promise<number> {
  const { rowCount } = await asSuperuser(stack.postgres, 'bank', 'SELECT 1 FROM transfers WHERE amount = 4711')
  return rowCount ?? -1
}

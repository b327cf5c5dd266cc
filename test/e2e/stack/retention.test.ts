import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import {
  openEvidence,
  openEvidenceLog,
  parseVerifier,
  postgresStore,
  pullEvidence,
  readRecords,
  directoryStore,
  retain,
  verifyEvidence,
  type RecordDraft,
} from '../../../engine/evidence/index.ts'
import { countersign } from '../../support/command.ts'
import { startStack, type Stack } from '../../support/stack.ts'
import { intent } from '../../unit/evidence/workbench.ts'

let stack: Stack
let directory: string

beforeAll(async () => {
  stack = await startStack()
  directory = await mkdtemp(join(tmpdir(), 'countersign-retention-'))
})
afterAll(async () => {
  await stack.stop()
  await rm(directory, { recursive: true, force: true })
})

const CANARY = 'Quetzalcoatl'
const HOUR = 3_600_000

function bytesOf(evidence: string): string {
  const files = globSync('**/*', { cwd: evidence, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')).join('')
}

test('beside a gateway that goes on, what is erased is nowhere, and the log verifies', async () => {
  const { user, token } = stack.line.principals.agent
  const client = new Client({ ...stack.line.gateway, user, password: token })
  await client.connect()
  await client.query('SELECT id, $1::text AS word FROM customers', [CANARY])
  await client.query('SELECT $1::text AS word', [`kept ${CANARY.toLowerCase()}`])
  expect(bytesOf(stack.evidence)).toContain(CANARY)
  const load = (async () => {
    for (let n = 0; n < 200; n += 1) await client.query('SELECT $1::int', [n])
  })()
  const log = await openEvidenceLog({
    directory: stack.evidence,
    instance: 'stack-cli',
    now: Date.now,
    monotonic: () => process.hrtime.bigint(),
  })
  const report = await retain(directoryStore(stack.evidence), {
    rules: [{ resource: 'public.*', olderThan: '1h', olderThanMs: HOUR }],
    holds: [],
    now: Date.now() + HOUR,
    reason: 'asked for',
    record: (draft: RecordDraft) => log.append(draft).durable,
  })
  await log.close()
  await load
  await client.end()
  expect(report.due).toMatchObject([{ resource: 'public.customers', records: 1 }])
  const bytes = bytesOf(stack.evidence)
  expect(bytes).not.toContain(CANARY)
  expect(bytes).toContain(`kept ${CANARY.toLowerCase()}`)
  expect((await verifyEvidence(stack.evidence)).findings).toEqual([])
})

/** The stack's configuration over other evidence, and other state where that must be elsewhere too. */
async function configured(evidence: object, more: object = {}): Promise<string> {
  const config: unknown = parse(await readFile(stack.line.config, 'utf8'))
  const file = join(dirname(stack.line.config), `retention-${Date.now()}.yaml`)
  await writeFile(file, stringify({ ...Object(config), ...more, evidence }))
  return file
}

async function aged(path: string): Promise<void> {
  let now = Date.now() - 100 * 24 * HOUR
  const log = await openEvidenceLog({
    directory: path,
    instance: 'stack',
    now: () => (now += 1),
    monotonic: () => process.hrtime.bigint(),
  })
  for (const [decision, word] of Object.entries({ d1: 'one', d2: 'two' })) {
    const payload = { block: { statement: `SELECT ${CANARY} ${word}` }, values: [] }
    await log.append({ ...intent(decision, `session-${word}`), payload }).durable
    await log.append({ event: 'outcome.ok', session: `session-${word}`, decision }).durable
  }
  await log.close()
}

test('the command: a dry run, a hold that outlives the configuration, its lifting, and what each leaves in evidence', async () => {
  const path = join(directory, 'aged')
  await aged(path)
  const retention = [{ resource: 'public.accounts', older_than: '90d', payloads: true }]
  const hold = { name: 'case-7', session: 'session-one', reason: 'a complaint' }
  const held = await configured({ directory: path, retention, legal_holds: [hold] })
  const before = bytesOf(path)
  const dry = await countersign('evidence', 'retain', '--config', held, '--dry-run')
  expect(dry.out).toContain('Would erase\n  public.accounts older than 90d: public.accounts: 1 of records, 0 of frames')
  expect(dry.out).toContain('1 held by case-7')
  expect(bytesOf(path)).toBe(before)

  const done = await countersign('evidence', 'retain', '--config', held, '--reason', 'nightly')
  expect([done.code, done.err]).toEqual([0, ''])
  expect(bytesOf(path)).toContain(`${CANARY} one`)
  expect(bytesOf(path)).not.toContain(`${CANARY} two`)

  const bare = await configured({ directory: path, retention })
  const still = await countersign('evidence', 'retain', '--config', bare)
  expect(still.out).toContain('Hold case-7 is in force though the configuration')
  expect(bytesOf(path)).toContain(`${CANARY} one`)

  expect((await countersign('evidence', 'hold', '--config', held, '--lift', 'case-7', '--reason', 'x')).code).toBe(64)
  expect((await countersign('evidence', 'hold', '--config', bare, '--lift', 'case-7')).code).toBe(64)
  const lifted = await countersign('evidence', 'hold', '--config', bare, '--lift', 'case-7', '--reason', 'settled')
  expect(lifted.out).toMatch(/case-7: session session-one \(a complaint\): lifted, holds until \d{4}/)
  await countersign('evidence', 'retain', '--config', bare)
  expect(bytesOf(path)).toContain(`${CANARY} one`) // the notice still runs

  const events: string[] = []
  for await (const { record } of readRecords(path))
    if (/^(legal_hold|retention)/.test(record.event))
      events.push(`${record.event} ${JSON.stringify(record.detail?.['reason'])}`)
  expect(events).toEqual(['legal_hold.set "a complaint"', 'retention.applied "nightly"', 'legal_hold.lifted "settled"'])
  expect((await verifyEvidence(path)).findings).toEqual([])
})

test('two at once: the second waits for nobody, and does nothing', async () => {
  const path = join(directory, 'twice')
  await aged(path)
  const retention = [{ resource: '*', older_than: '90d', payloads: true }]
  const config = await configured({ directory: path, retention })
  const log = await openEvidenceLog({
    directory: path,
    instance: 'stack-cli',
    now: Date.now,
    monotonic: () => process.hrtime.bigint(),
  })
  const before = bytesOf(join(path, 'records'))
  const refused = await countersign('evidence', 'retain', '--config', config)
  expect([refused.code, refused.err.includes('ERR_EVIDENCE_LOCKED')]).toEqual([74, true])
  expect(bytesOf(join(path, 'records'))).toBe(before)
  await log.close()
})

test('both verifiers take the log as it is then, down to the signed root', async () => {
  expect(await stack.gateway.stop()).toBe(0)
  const key = join(dirname(stack.line.config), 'log.pub')
  const logKey = parseVerifier(await readFile(key, 'utf8'))
  expect(logKey).toBeDefined()
  const ours = await verifyEvidence(stack.evidence, logKey === undefined ? {} : { logKey })
  expect([ours.status, ours.findings]).toEqual(['ok', []])
  const theirs = spawnSync('python3', ['docs/verify.py', stack.evidence, '--log-key', await readFile(key, 'utf8')], {
    encoding: 'utf8',
  })
  expect([theirs.status, theirs.stderr]).toEqual([0, ''])
})

test('the commands over a database, as over a directory', async () => {
  const { host, port, user, password } = stack.line.upstream
  const owner = new Client({ ...stack.line.upstream, database: 'postgres' })
  await owner.connect()
  await owner.query('CREATE DATABASE kept')
  await owner.end()
  const address = { host, port, user, password, database: 'kept', tls: null }
  const store = postgresStore(address)
  const log = await openEvidence(store, {
    instance: 'stack',
    now: () => Date.now() - 100 * 24 * HOUR,
    monotonic: () => process.hrtime.bigint(),
  })
  for (const word of ['one', 'two']) {
    const payload = { block: { statement: `SELECT ${CANARY} ${word}` }, values: [] }
    await log.append({ ...intent(word, `session-${word}`), payload }).durable
    await log.append({ event: 'outcome.ok', session: `session-${word}`, decision: word }).durable
  }
  await log.close()
  await store.close()
  const passwordFile = join(directory, 'password')
  await writeFile(passwordFile, password)
  const postgres = { host, port, user, password: { file: passwordFile }, database: 'kept', tls: 'off' }
  const retention = [{ resource: 'public.accounts', older_than: '90d', payloads: true }]
  const holds = [{ name: 'case-7', session: 'session-one', reason: 'a complaint' }]
  const config = await configured({ postgres, retention, legal_holds: holds }, { state: { postgres } })
  expect(await countersign('evidence', 'hold', '--config', config)).toMatchObject({ code: 0, err: '' })
  expect(await countersign('evidence', 'retain', '--config', config)).toMatchObject({ code: 0, err: '' })
  const out = join(directory, 'pulled')
  await pullEvidence(address, out)
  expect(bytesOf(out)).toContain(`${CANARY} one`)
  expect(bytesOf(out)).not.toContain(`${CANARY} two`)
  expect((await verifyEvidence(out)).findings).toEqual([])
})

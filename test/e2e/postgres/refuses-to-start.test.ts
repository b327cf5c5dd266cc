import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { main } from '../../../cli/main.ts'
import { countersign } from '../../support/child.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

let stack: Stack
/** A copy of everything that the stack's gateway has on disk, to be spoiled. */
let copy: string

beforeAll(async () => {
  stack = await startStack({ policy: 'allow-all' }) // which is soon tested, at every start
  await stack.gateway.kill9() // its evidence is one that the next start must recover
})
afterAll(() => stack?.stop())

beforeEach(async () => {
  copy = await mkdtemp(join(tmpdir(), 'countersign-refusal-'))
  await cp(dirname(stack.line.config), copy, { recursive: true })
})
afterEach(() => rm(copy, { recursive: true, force: true }))

const at = (name: string): string => join(copy, name)

/** The command line in this process: a start costs a tenth of one of its own, and the end is the same exit code. */
async function refusal(): Promise<{ readonly status: number | string; readonly stderr: string }> {
  let stderr = ''
  const stream = { write: (text: string) => (stderr += text) }
  const before = process.listeners('uncaughtException')
  const running = main(['serve', '--config', at('gateway.yaml')], { stdout: stream, stderr: stream, env: process.env })
  const status = await Promise.race([running, sleep(15_000, 'it runs')])
  for (const listener of process.listeners('uncaughtException')) {
    if (!before.includes(listener)) process.off('uncaughtException', listener) // a command expects a process of its own
  }
  return { status, stderr }
}

type Section = Record<string, unknown>

async function reconfigure(change: (config: Record<string, Section>) => void): Promise<void> {
  const config: Record<string, Section> = parse(await readFile(at('gateway.yaml'), 'utf8'))
  change(config)
  await writeFile(at('gateway.yaml'), stringify(config))
}

async function flip(name: string, offset: (length: number) => number): Promise<void> {
  const bytes = await readFile(at(name))
  const place = offset(bytes.length)
  bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place)
  await writeFile(at(name), bytes)
}

/** The shipped pack with one text of one file changed, configured in its place. */
async function ownPack(file: string, from: RegExp, to: string): Promise<void> {
  await cp('compliance-mappings', at('controls'), { recursive: true })
  await writeFile(at(`controls/${file}`), (await readFile(at(`controls/${file}`), 'utf8')).replace(from, to))
  await reconfigure((config) => (config['controls'] = { directory: './controls' }))
}

const IO = 74
const CONFIG = 78

describe('evidence', () => {
  test('is no directory', async () => {
    await rm(at('var/evidence'), { recursive: true })
    await writeFile(at('var/evidence'), '')
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([IO, expect.stringContaining('(ERR_EVIDENCE_DIRECTORY)')])
    expect(stderr).toContain('must be a directory that this user can read and write')
  })

  // Not even root makes a directory there, so this holds for whoever runs the test.
  test("can't be written", async () => {
    await reconfigure((config) => (config['evidence'] = { directory: '/sys/countersign' }))
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([IO, expect.stringContaining('(ERR_EVIDENCE_DIRECTORY)')])
    expect(stderr).toContain('/sys/countersign')
  })

  test('was changed', async () => {
    const [name = ''] = await readdir(at('var/evidence/records'))
    await flip(`var/evidence/records/${name}`, (length) => length >> 1)
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([IO, expect.stringContaining('(ERR_EVIDENCE_TAMPERED)')])
    expect(stderr).toMatch(/records\/\S+\.ndjson:\d+: .*run "countersign evidence verify"/)
  })

  test('is written by another gateway of the same name', async () => {
    await stack.gateway.restart()
    await reconfigure((config) => (config['evidence'] = { directory: stack.evidence }))
    const { status, stderr } = await refusal()
    await stack.gateway.kill9()
    expect([status, stderr]).toEqual([IO, expect.stringContaining('(ERR_EVIDENCE_LOCKED)')])
    expect(stderr).toContain('stop it, or give this gateway another instance name')
  })
})

describe('policy', () => {
  test('is missing', async () => {
    await rm(at('bundle.tar.gz'))
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([CONFIG, expect.stringContaining('(ERR_POLICY_BUNDLE)')])
    expect(stderr).toContain('bundle.tar.gz')
  })

  test.each([
    ['in its last bytes', (length: number) => length - 6],
    ['in its middle', (length: number) => length >> 1],
    ['at its beginning', () => 1],
  ])('has a byte turned over, %s', async (_, offset) => {
    await flip('bundle.tar.gz', offset)
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([CONFIG, expect.stringMatching(/\(ERR_POLICY_(BUNDLE|SIGNATURE)\)/)])
  })

  test('is not signed', async () => {
    await cp('policies/dist/starter.tar.gz', at('bundle.tar.gz'))
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([CONFIG, expect.stringContaining('(ERR_POLICY_SIGNATURE)')])
  })

  test('is signed with another key', async () => {
    const { publicKey } = generateKeyPairSync('ed25519')
    await writeFile(at('key.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([CONFIG, expect.stringContaining('(ERR_POLICY_SIGNATURE)')])
  })

  test('is not to be trusted in any way that the configuration tells', async () => {
    await reconfigure((config) => delete config['policy']?.['verify'])
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([CONFIG, expect.stringContaining('(ERR_CONFIG_SHAPE)')])
    expect(stderr).toMatch(/gateway\.yaml:\d+.*policy/)
  })
})

describe('the control pack', () => {
  test('is not one', async () => {
    await ownPack('glba.yaml', /strength: direct/, 'strength: total')
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([CONFIG, expect.stringContaining('(ERR_CONFIG_CONTROLS)')])
    expect(stderr).toMatch(/glba\.yaml.*"total"/)
  })

  test('has not what a rule of the policy names', async () => {
    await cp('policies/dist/starter.tar.gz', at('bundle.tar.gz'))
    await ownPack('ffiec-it-handbook.yaml', /id: DAM\.IV\.I\.2/, 'id: DAM.IV.I.9')
    await reconfigure((config) => (config['policy'] = { ...config['policy'], verify: 'none' }))
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([CONFIG, expect.stringContaining('(ERR_CONFIG_CONTROLS)')])
    expect(stderr).toMatch(/rule \S+: .*found DAM\.IV\.I\.2/)
  })
})

describe('state', () => {
  test('is no database', async () => {
    await writeFile(at('var/state.db'), Buffer.alloc(8192, 'x'))
    await Promise.all(['-wal', '-shm'].map((suffix) => rm(at(`var/state.db${suffix}`), { force: true })))
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([IO, expect.stringMatching(/\(ERR_STATE_(OPEN|MIGRATION)\)/)])
    expect(stderr).toContain(at('var/state.db'))
  })

  test('is of a newer version', async () => {
    const database = new DatabaseSync(at('var/state.db'))
    database.exec('INSERT INTO schema_migrations VALUES (9999)')
    database.close()
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([IO, expect.stringContaining('(ERR_STATE_MIGRATION)')])
    expect(stderr).toContain('run the version that wrote it, or a later one')
  })
})

describe('configuration', () => {
  test('names a setting that does not exist', async () => {
    await reconfigure((config) => (config['evidence'] = { ...config['evidence'], optional: true }))
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([CONFIG, expect.stringContaining('(ERR_CONFIG_SHAPE)')])
    expect(stderr).toMatch(/gateway\.yaml:\d+.*optional/)
  })

  test('names a secret that is not there', async () => {
    await rm(at('upstream.password'))
    const { status, stderr } = await refusal()
    expect([status, stderr]).toEqual([CONFIG, expect.stringContaining('(ERR_CONFIG_SECRET)')])
    expect(stderr).toContain('upstream.password')
  })
})

test('the process itself ends with that code and that sentence, and with nothing on its standard output', async () => {
  await rm(at('bundle.tar.gz'))
  const { status, stdout, stderr } = await countersign(['serve', '--config', at('gateway.yaml')])
  expect([status, stdout, stderr]).toEqual([
    CONFIG,
    '',
    expect.stringMatching(/^countersign serve: .*\n\(ERR_POLICY_BUNDLE\)\n$/),
  ])
})

function connection(): Client {
  const { user, token } = stack.line.principals.agent
  return new Client({ ...stack.line.gateway, user, password: token }).on('error', () => undefined)
}

async function readiness(): Promise<number> {
  return (await fetch(new URL('/readyz', stack.line.api))).status
}

describe('what is no reason not to start, because it may come back', () => {
  test('the server: who comes is told so, who is there is sent away', async () => {
    await stack.gateway.restart()
    const early = connection()
    await early.connect()
    expect(await readiness()).toBe(200)
    const [sentAway] = await Promise.all([once(early, 'error'), stack.postgres.kill()])
    expect(sentAway).toMatchObject([{ code: '57P01', hint: 'ERR_UPSTREAM_CLOSED' }])
    await expect(connection().connect()).rejects.toMatchObject({ code: '08006', hint: 'ERR_UPSTREAM_CONNECT' })
    await stack.gateway.kill9() // what is copied for the next test stands still
  })

  test('the identity provider: nobody gets in, and the probe says so', async () => {
    await stack.identity.close()
    await stack.gateway.restart()
    expect(await readiness()).toBe(503)
    await expect(connection().connect()).rejects.toMatchObject({ code: '28P01', hint: 'ERR_IDENTITY_PROVIDER' })
  })
})

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, type TestContext } from 'vitest'
import { main } from '../../../cli/main.ts'
import { readRecords, type StoredRecord } from '../../../engine/evidence/index.ts'
import { rebuiltInput } from '../../../engine/rehearsal/index.ts'
import { differences } from '../../../engine/rehearsal/comparison.ts'
import { randomRequest } from '../../support/random-requests.ts'
import { openRooms, request, transfer, type TestRooms } from '../../support/rooms.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const STARTER = 'policies/dist/starter.tar.gz'
const ALLOW_ALL = 'policies/dist/allow-all.tar.gz'

async function roomsWithDecisions(context: TestContext, count: number): Promise<TestRooms> {
  const rooms = await openRooms()
  context.onTestFinished(() => rooms[Symbol.asyncDispose]())
  const random = seededRandom(11)
  const { signal } = new AbortController()
  const alive = setInterval(() => {}, 1000) // waiting for an answer to a hold keeps no process alive
  for (let at = 0; at < count; at += 1) {
    const asked = randomRequest(random, rooms.policy.current().reference.digest, rooms.clock)
    await rooms.session(asked.principal).decide(asked, { signal, patienceMs: 1 })
  }
  clearInterval(alive)
  return rooms
}

const mask = (field: string, method: 'null' | 'last4') => ({ field, method })

async function decisionsIn({ directory }: TestRooms): Promise<StoredRecord[]> {
  const found: StoredRecord[] = []
  for await (const stored of readRecords(directory)) if (stored.record.event.startsWith('decision.')) found.push(stored)
  return found
}

async function run(...argv: readonly string[]) {
  let [stdout, stderr] = ['', '']
  const write = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
  }
  const code = await main(argv, { ...write, env: {} })
  return { code, stdout, stderr }
}

test('the policy that decided answers every recorded decision as it did; a laxer one is told apart by verdict and controls', async (context) => {
  const rooms = await roomsWithDecisions(context, 60)
  const same = await run('policy', 'replay', STARTER, '--evidence', rooms.directory, '--json')
  expect(JSON.parse(same.stdout)).toMatchObject({ total: 60, compared: 60, same: 60, skipped: {}, groups: [] })
  expect(same.code).toBe(0)

  const laxer = await run('policy', 'diff', STARTER, ALLOW_ALL, '--evidence', rooms.directory)
  expect(laxer.code).toBe(1)
  expect(laxer.stdout).toMatch(/NOW FORWARDED, looser than before: \d+ decisions\n {2}verdict: reject → forward/)
  expect(laxer.stdout).toMatch(/unmasked: public\.\w+\.\w+: was \w+/)
  expect(laxer.stdout).toMatch(/Controls that decisions no longer evidence:\n(?: {2}.+: \d+ decisions?\n)+/)

  const later = await run(
    'policy',
    'replay',
    ALLOW_ALL,
    '--evidence',
    rooms.directory,
    '--since',
    '2099-01-01',
    '--json',
  )
  expect(JSON.parse(later.stdout)).toMatchObject({ total: 0 })
})

test('what a record holds gives policy the very input again, values that are written among it', async (context) => {
  const rooms = await openRooms()
  context.onTestFinished(() => rooms[Symbol.asyncDispose]())
  const asked = transfer(rooms, '7')
  await rooms.session().decide(asked, { signal: new AbortController().signal, patienceMs: 1 })
  const stored = await decisionsIn(rooms)
  const [rebuilt] = stored.map(rebuiltInput)
  if (rebuilt?.kind !== 'request') throw new Error('expected a request')
  const { principal, action, resources, context: about, block } = asked
  expect(JSON.parse(rebuilt.input)).toEqual({ principal, action, resources, context: about, postgres: block })
})

test('a decision is left out, and said why, when its record is not whole', async (context) => {
  const rooms = await openRooms()
  context.onTestFinished(() => rooms[Symbol.asyncDispose]())
  await rooms.session().decide(transfer(rooms, '7'), { signal: new AbortController().signal, patienceMs: 1 })
  const [whole] = await decisionsIn(rooms)
  if (whole === undefined) throw new Error('expected a decision')
  expect(rebuiltInput(whole)).toMatchObject({ kind: 'request', masked: [] })
  expect(rebuiltInput({ ...whole, payload: null })).toEqual({ kind: 'unreplayable', why: 'its payload was erased' })
  const { masked: _masked, ...older } = Object(whole.payload)
  expect(rebuiltInput({ ...whole, payload: older })).toMatchObject({ why: expect.stringContaining('earlier version') })
  const elsewhere = { ...whole, fields: { ...whole.fields, resources: [] } }
  expect(rebuiltInput(elsewhere)).toMatchObject({ kind: 'unreplayable', why: 'it is not whole' })
})

test('values masked in the record keep a decision from being taken again by a policy that reads them, and by no other', async (context) => {
  const rooms = await openRooms()
  context.onTestFinished(() => rooms[Symbol.asyncDispose]())
  const { signal } = new AbortController()
  const plain = request(rooms, { parameters: ['123-45-6789', '7'] })
  const { resources, block } = plain.recorded
  const copied = { resources: structuredClone(resources), block: structuredClone(block) }
  const hidden = { resources, block: { ...block, parameters: ['[masked]', '7'] } }
  const moved = { resources: [{ type: 'table', name: 'public.t', labels: [], parts: [] }], block }
  for (const recorded of [copied, hidden, moved]) {
    await rooms.session().decide({ ...plain, recorded }, { signal, patienceMs: 1 })
  }
  const masked = (await decisionsIn(rooms)).map(rebuiltInput).map((rebuilt) => 'masked' in rebuilt && rebuilt.masked)
  expect(masked).toEqual([[], [['postgres', 'parameters']], [['resources']]])
  // The starter pack reads resources, and no parameters.
  const replayed = await run('policy', 'replay', STARTER, '--evidence', rooms.directory, '--json')
  expect(JSON.parse(replayed.stdout)).toMatchObject({
    same: 2,
    skipped: { 'the policy reads values in it that were masked before they were recorded': 1 },
  })
})

test('a bundle that does not open, or no bundle at all, is no replay', async (context) => {
  const rooms = await openRooms()
  context.onTestFinished(() => rooms[Symbol.asyncDispose]())
  const broken = join(rooms.directory, 'broken.tar.gz')
  await writeFile(broken, (await readFile(STARTER)).subarray(0, 1000))
  expect((await run('policy', 'replay', broken, '--evidence', rooms.directory)).code).not.toBe(0)
  expect(await run('policy', 'replay', '--evidence', rooms.directory)).toMatchObject({ code: 64 })
  expect(await run('policy', 'diff', STARTER, '--cases', 'policies/bank/self-test')).toMatchObject({ code: 64 })
})

test('obligations are held against each other, not only verdicts', () => {
  const answer = { kind: 'mask' as const, terms: null, limits: null, rules: ['r'], controls: ['c1', 'c2'] }
  const before = { ...answer, masks: [mask('t.a', 'last4'), mask('t.b', 'null')] }
  const after = { ...answer, controls: ['c1'], masks: [mask('t.a', 'null'), mask('t.c', 'null')] }
  expect(differences(before, after)).toEqual([
    { kind: 'method', what: 't.a: last4 → null', looser: false },
    { kind: 'unmasked', what: 't.b: was null', looser: true },
    { kind: 'masked', what: 't.c: null', looser: false },
    { kind: 'controls lost', what: 'c2', looser: true },
  ])
  expect(differences(before, before)).toEqual([])
  const [terms] = differences({ ...before, kind: 'hold', terms: '1' }, { ...before, kind: 'hold', terms: '2' })
  expect(terms).toMatchObject({ kind: 'terms' })
})

import { Webhook as Receiver } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import { allowedLookup, isAllowed } from '../../../console/webhooks/address.ts'
import { messageOf, WebhookSender } from '../../../console/webhooks/index.ts'
import {
  openLedger,
  Outbox,
  rebuild,
  type ApprovalEvent,
  type ApprovalLedger,
} from '../../../engine/approvals/index.ts'
import type { Webhook } from '../../../engine/config/index.ts'
import type { JsonObject } from '../../../engine/index.ts'
import type { Database } from '../../../engine/state/index.ts'
import { ann, draft, openStore, overEachStore } from '../approvals/setting.ts'
import { receive as openReceiver, type Received } from '../../support/webhook-receiver.ts'
import { transfer } from './setting.ts'

const KEY = new Uint8Array(32).fill(3)
const OLD_KEY = new Uint8Array(24).fill(4)
const secretOf = (key: Uint8Array): string => `whsec_${Buffer.from(key).toString('base64')}`

async function receive(answers: readonly number[] = []): ReturnType<typeof openReceiver> {
  const receiver = await openReceiver(answers)
  onTestFinished(() => receiver.close())
  return receiver
}

interface Telling {
  readonly database: Database
  readonly ledger: ApprovalLedger
  readonly outbox: Outbox
  readonly journal: ApprovalEvent[]
  readonly clock: { now: number }
  readonly logged: { readonly event: string; readonly fields: JsonObject }[]
  readonly sender: (webhook: Partial<Webhook>) => WebhookSender
}

async function telling(names: readonly string[] = ['chat']): Promise<Telling> {
  const database = await openStore(':memory:')
  const clock = { now: Date.now() }
  const journal: ApprovalEvent[] = []
  const logged: Telling['logged'] = []
  let count = 0
  const ledger = await openLedger(database, {
    now: () => clock.now,
    newId: () => `approval-${(count += 1)}`,
    writer: 'gw-1.1',
    announce: (event) => names.map((endpoint) => ({ endpoint, body: messageOf(event, clock.now) })),
    journal: async (event) => void journal.push(event),
  })
  const outbox = new Outbox(database)
  onTestFinished(async () => {
    await ledger.close()
    await database.destroy()
  })
  return {
    database,
    ledger,
    outbox,
    journal,
    clock,
    logged,
    sender: (webhook) => {
      const complete = {
        name: 'chat',
        url: new URL('http://127.0.0.1:1/'),
        keys: [KEY],
        privateNetwork: true,
        ...webhook,
      }
      const sender = new WebhookSender({
        outbox,
        webhooks: [complete],
        publicUrl: () => Promise.resolve('https://gateway.bank.example'),
        now: () => clock.now,
        random: () => 0.5,
        log: (event, fields) => logged.push({ event, fields }),
      })
      onTestFinished(() => sender.close())
      sender.start()
      return sender
    },
  }
}

const announce = (event: ApprovalEvent): readonly { endpoint: string; body: string }[] => [
  { endpoint: 'chat', body: messageOf(event, 0) },
]

const typesOf = (got: readonly Received[]): string[] =>
  got.map(({ body }) => String(Reflect.get(Object(JSON.parse(body)), 'type')))

test('a hold and its answer are told, signed as the standard has it, with names and no value', async () => {
  const { ledger, sender } = await telling()
  const { url, got } = await receive()
  sender({ url, keys: [KEY, OLD_KEY] })
  const { id } = await ledger.request(draft({ summary: transfer, message: 'SSN 900-11-1111 moves' }))
  await ledger.answer(id, { by: ann, answer: 'approve', reason: 'called 900-11-1111' })
  await expect.poll(() => got.length).toBe(2)
  for (const { body, headers } of got) {
    for (const key of [KEY, OLD_KEY])
      expect(new Receiver(secretOf(key)).verify(body, headers)).toMatchObject({ data: { id } })
    expect(() => new Receiver(secretOf(KEY)).verify(`${body} `, headers)).toThrow('No matching signature found')
    expect(body).not.toMatch(/900-11|250000|SELECT|INSERT|account_number/)
    expect(JSON.parse(body)).toMatchObject({
      data: {
        kind: 'hold',
        requester: { id: 'reconciler', owner: 'olivia' },
        action: 'postgres.insert',
        resources: ['public.transfers', 'public.accounts'],
        link: expect.stringMatching(/^https:\/\/gateway\.bank\.example\/console\/l\/[\w-]{43}$/),
      },
    })
  }
  expect(typesOf(got).toSorted()).toEqual(['approval.granted', 'approval.requested'])
})

test('a receiver that fails is tried again, later each time, with the same message', async () => {
  const { ledger, sender, clock, logged } = await telling()
  const { url, got } = await receive([500, 302, 204])
  await ledger.request(draft())
  sender({ url })
  await expect.poll(() => logged.length).toBe(1)
  expect(logged[0]).toMatchObject({ event: 'webhook.failed', fields: { webhook: 'chat', again_in_s: 5 } })
  clock.now += 5_000
  await expect.poll(() => logged.length).toBe(2)
  expect(logged[1]).toMatchObject({ fields: { message: 'it answered 302', again_in_s: 30 } })
  clock.now += 30_000
  await expect.poll(() => got.length).toBe(3)
  expect(new Set(got.map(({ body }) => body)).size).toBe(1)
  expect(new Set(got.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  expect(new Set(got.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(3)
})

test('one that is gone for good, or never comes back, is given up, and so is one that is no more configured', async () => {
  const { ledger, sender, clock, logged, database } = await telling(['chat', 'other'])
  const { url, got } = await receive([410])
  await ledger.request(draft())
  sender({ url })
  await expect.poll(() => logged.filter(({ event }) => event === 'webhook.given_up').length).toBe(2)
  expect(got).toHaveLength(1)
  await ledger.request(draft({ digest: 'f'.repeat(64) }))
  await database.deleteFrom('approval_notices').where('endpoint', '=', 'other').execute()
  await database.updateTable('approval_notices').set({ attempts: 11 }).execute()
  sender({ url: new URL('http://127.0.0.1:1/') })
  clock.now += 1
  await expect.poll(() => logged.filter(({ event }) => event === 'webhook.given_up').length).toBe(3)
  expect(await database.selectFrom('approval_notices').selectAll().execute()).toEqual([])
})

overEachStore(() => {
  test('what was told to nobody before the process died is told by the next; by one of two', async () => {
    const { ledger, sender } = await telling()
    const { url, got } = await receive()
    for (let at = 0; at < 20; at += 1) await ledger.request(draft({ digest: String(at).padStart(64, '0') }))
    expect(got).toEqual([])
    sender({ url })
    sender({ url })
    await expect.poll(() => got.length, { timeout: 30_000 }).toBe(20)
    expect(new Set(got.map(({ headers }) => headers['webhook-id'])).size).toBe(20)
  })

  test('what evidence has and the table lacked is told once it is rebuilt, where it still waits', async () => {
    const { journal, ledger } = await telling()
    const first = await ledger.request(draft())
    const second = await ledger.request(draft({ digest: 'f'.repeat(64) }))
    await ledger.answer(second.id, { by: ann, answer: 'deny', reason: null })
    const other = await telling()
    const told = journal.map(({ approval }) => approval)
    expect(await rebuild(other.database, told, () => true, { announce, now: () => 0 })).toBe(3)
    const due = await other.outbox.due(0, 10)
    expect(due.map(({ body }) => Reflect.get(Object(JSON.parse(body)), 'data'))).toMatchObject([{ id: first.id }])
  })

  test('a link leads to its approval once, and nowhere once its time is over', async () => {
    const { ledger, outbox, clock } = await telling(['chat', 'mail'])
    const { id } = await ledger.request(draft())
    const [one = '', other = ''] = (await outbox.due(clock.now, 10)).map(({ path }) => path.split('/').at(-1))
    const followed = await Promise.all(Array.from({ length: 20 }, () => outbox.followLink(one, 'ann', clock.now)))
    expect(followed.filter((found) => found === id)).toHaveLength(1)
    expect(followed.filter((found) => found === null)).toHaveLength(19)
    expect(await outbox.followLink('x'.repeat(43), 'ann', clock.now)).toBe(null)
    clock.now += 31 * 86_400_000
    expect(await outbox.followLink(other, 'ann', clock.now)).toBe(null)
  })
})

test('no message goes to where a cloud keeps its secrets, nor unasked to a private network', async () => {
  const never = [
    '169.254.169.254',
    '0.0.0.0',
    '::',
    'fe80::1',
    'fd00:ec2::254',
    '::ffff:169.254.169.254',
    '224.0.0.1',
    '255.255.255.255',
    '64:ff9b::a9fe:a9fe',
    'localhost',
    '',
  ]
  for (const address of never) expect([address, isAllowed(address, true)]).toEqual([address, false])
  const inside = [
    '127.0.0.1',
    '::1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '100.100.100.200',
    'fc00::1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
  ]
  for (const address of inside) {
    expect([address, isAllowed(address, false)]).toEqual([address, false])
    expect([address, isAllowed(address, true)]).toEqual([address, true])
  }
  for (const address of ['93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c'])
    expect(isAllowed(address, false)).toBe(true)
  const found = await new Promise<unknown>((resolve) => allowedLookup(false)('localhost', { all: true }, resolve))
  expect(String(found)).toMatch(/localhost is at .*where no webhook may go/)
})

test('nothing is sent to an address that is not allowed, whatever name leads there', async () => {
  const { ledger, sender, logged } = await telling()
  const { url, got } = await receive()
  await ledger.request(draft())
  const named = new URL(url)
  named.hostname = 'localhost'
  const first = sender({ url, privateNetwork: false })
  await expect.poll(() => logged.length).toBe(1)
  await first.close()
  await ledger.request(draft({ digest: 'f'.repeat(64) }))
  sender({ url: named, privateNetwork: false })
  await expect.poll(() => logged.length).toBe(2)
  expect(logged.map(({ fields }) => fields['message'])).toEqual([
    'no webhook may go to 127.0.0.1',
    expect.stringMatching(/^localhost is at/),
  ])
  expect(got).toEqual([])
})

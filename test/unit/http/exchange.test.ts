import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  EvidenceError,
  hostFor,
  IdentityError,
  MaskingKey,
  ObligationError,
  UpstreamError,
} from '../../../engine/index.ts'
import { type FileSystem, localFiles } from '../../../engine/evidence/file-store.ts'
import type { Api } from '../../../planes/http/api.ts'
import { Exchange, type Forwarded } from '../../../planes/http/exchange.ts'
import type { HeaderLine, RequestBody, RequestHead } from '../../../planes/http/message.ts'
import { Callers } from '../../../planes/http/session/callers.ts'
import { writeChangedBundle } from '../../support/changed-bundle.ts'
import { AGENT, APPROVER, BINDING_KEY, openRooms, type TestRooms } from '../../support/rooms.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** A disk that takes nothing more as soon as it is told so. */
const disk = { full: false }
function whenWell<T>(work: () => Promise<T>): Promise<T> {
  return disk.full ? Promise.reject(new Error('disk full')) : work()
}
const files: FileSystem = {
  ...localFiles,
  create: async (path) => {
    const file = await localFiles.create(path)
    return {
      ...file,
      write: (bytes) => whenWell(() => file.write(bytes)),
      datasync: () => whenWell(() => file.datasync()),
    }
  },
}

const KEY = new MaskingKey('k1', Buffer.alloc(32, 1))

let rooms: TestRooms
let exchange: Exchange
/** Of another gateway, which shares state with the first. */
let other: Exchange
let callers: Callers
const bundles = temporaryDirectory()
const secrets = {
  names: new Set(['authorization']),
  headers: () => Promise.resolve([['authorization', 'Bearer ours'] as const]),
  refused: () => undefined,
}

beforeEach(async () => {
  disk.full = false
  const bundle = join(bundles.path, 'bundle.tar.gz')
  const asked = {
    mask: { 'body/**/ssn': 'last4', 'body/**/name': 'pseudonym', 'header.x-owner': 'null' },
    unmasked: ['/free'],
    deny: ['/admin'],
    hold: ['/held'],
  }
  await writeChangedBundle('allow-all', bundle, (data) => ({ ...data, http_test: asked }))
  rooms = await openRooms({ bundle, files })
  const host = hostFor(
    { id: 'http', enforces: { maskMethods: ['last4', 'pseudonym', 'null'], hold: true, limits: false } },
    {
      ...rooms,
      policy: rooms.policy,
      evidence: rooms.evidence,
      ledger: rooms.ledger,
      verifier: { verify: () => Promise.resolve(AGENT), ready: () => Promise.resolve() },
      maskingKey: KEY,
      bindingKey: BINDING_KEY,
      now: () => rooms.clock,
      monotonic: () => process.hrtime.bigint(),
      newId: () => crypto.randomUUID(),
      log: () => undefined,
    },
  )
  const api: Api = {
    name: 'bank',
    hosts: ['bank.example'],
    origin: new URL('https://inside.example:8443'),
    http2: false,
    ca: null,
    certificate: null,
    stripped: [],
    credentials: secrets,
    cookies: false,
  }
  callers = new Callers(host, 60_000, () => rooms.clock)
  const parts = { host, callers, apis: [api], patienceMs: 1, maskedBytes: 1000, now: () => rooms.clock }
  exchange = new Exchange(parts)
  other = new Exchange(parts)
})
afterEach(async () => {
  await callers.close('test over')
  await rooms[Symbol.asyncDispose]()
})

const JSON_TYPE: HeaderLine = ['content-type', 'application/json']

async function asked(
  target: string,
  body: RequestBody = { kind: 'none' },
  more: readonly HeaderLine[] = [],
  at = exchange,
): Promise<Awaited<ReturnType<Exchange['judgeRequest']>>> {
  const headers: readonly HeaderLine[] = [['Host', 'bank.example'], ['Authorization', 'Bearer theirs'], ...more]
  const head: RequestHead = {
    version: '1.1',
    method: 'GET',
    scheme: 'https',
    authority: 'bank.example',
    target,
    headers,
  }
  const admitted = await at.admit(head, null, new AbortController().signal)
  if (admitted.kind === 'answer') throw new Error('nobody is sent away here')
  try {
    return await at.judgeRequest({ head, body }, admitted.caller)
  } finally {
    admitted.caller.leave()
  }
}

async function forwarded(target: string, more: readonly HeaderLine[] = []): Promise<Forwarded> {
  const judged = await asked(target, { kind: 'none' }, more)
  if (judged.kind !== 'forward') throw new Error(judged.answer.body.toString('utf8'))
  return judged
}

const events = (): readonly unknown[] => rooms.records().map(({ event }) => event)
const lastOutcome = (): unknown => rooms.records().findLast(({ event }) => String(event).startsWith('outcome.'))

describe('what goes up', () => {
  test('is for the API, with the gateway’s credentials, and asks for what can be masked', async () => {
    const { head } = await forwarded('/customers/1', [
      ['Accept-Encoding', 'gzip'],
      ['Range', 'bytes=0-1'],
      ['Cookie', 'a=1'],
      ['Connection', 'x-hop'],
      ['X-Hop', '1'],
      ['X-A', 'b'],
    ])
    expect(head).toMatchObject({ scheme: 'https', authority: 'inside.example:8443', target: '/customers/1' })
    expect(head.headers).toEqual([
      ['X-A', 'b'],
      ['accept-encoding', 'identity'],
      ['authorization', 'Bearer ours'],
    ])
  })

  test('is what the client sent, where nothing is owed', async () => {
    const { head } = await forwarded('/free', [
      ['Accept-Encoding', 'gzip'],
      ['Range', 'bytes=0-1'],
    ])
    expect(head.headers).toEqual([
      ['Accept-Encoding', 'gzip'],
      ['Range', 'bytes=0-1'],
      ['authorization', 'Bearer ours'],
    ])
  })
})

describe('what comes back', () => {
  test('is recorded as the client gets it before it does', async () => {
    const { gate } = await forwarded('/customers/1')
    expect(events().at(-1)).toBe('decision.mask')
    expect(gate.begin({ status: 200, headers: [JSON_TYPE, ['X-Owner', 'o'], ['ETag', '"e"']] })).toEqual({
      kind: 'whole',
      most: 1000,
    })
    const answer = await gate.whole(Buffer.from('{"ssn":"900-11-1111","name":"Alice Archer"}'))
    expect(answer.body.toString('utf8')).toBe(`{"ssn":"*******1111","name":"${KEY.pseudonym('Alice Archer')}"}`)
    expect(answer.headers.map(([name]) => name)).toEqual(['content-type', 'x-decision-id'])
    expect(lastOutcome()).toMatchObject({
      outcome: { status: 'ok', bytes: 43, masks: [{ key: 'k1', count: 1 }, { count: 1 }, { count: 1 }] },
    })
  })

  test('larger than what is masked is withheld, and an alarm', async () => {
    const { gate } = await forwarded('/customers/1')
    gate.begin({ status: 200, headers: [JSON_TYPE] })
    expect(await gate.tooLarge()).toMatchObject({ status: 502 })
    expect(events()).toContain('masking.failed_closed')
  })

  test('a stream that can’t be masked any further ends there', async () => {
    const { gate } = await forwarded('/customers/1')
    expect(gate.begin({ status: 200, headers: [['content-type', 'application/x-ndjson']] })).toMatchObject({
      kind: 'streamed',
      length: null,
    })
    expect((await gate.push(Buffer.from('{"ssn":"900-11-1111"}\n{"ss'))).toString('utf8')).toBe(
      '{"ssn":"*******1111"}\n',
    )
    await expect(gate.push(Buffer.from('n" 900-11-1111\n'))).rejects.toThrow(ObligationError)
    expect(events()).toContain('masking.failed_closed')
  })

  test('events end with the caller’s token, whatever else may go on; the outcome says so', async () => {
    const [events, other] = [await forwarded('/free/events'), await forwarded('/free/other')]
    const type: HeaderLine = ['content-type', 'text/event-stream; charset=utf-8']
    expect(events.gate.begin({ status: 200, headers: [type] }).kind).toBe('streamed')
    expect(other.gate.begin({ status: 200, headers: [['content-type', 'text/plain']] }).kind).toBe('streamed')
    rooms.clock = AGENT.expires_at * 1000
    await expect(events.gate.push(Buffer.from('data: 1\n\n'))).rejects.toThrow(IdentityError)
    await events.gate.broken('ERR_UPSTREAM_CLOSED')
    expect(lastOutcome()).toMatchObject({ outcome: { status: 'unknown', error: 'ERR_IDENTITY_EXPIRED', bytes: 0 } })
    expect((await other.gate.push(Buffer.from('1'))).toString()).toBe('1')
    await other.gate.end()
  })

  test('from an API that can’t be reached is 502, and the outcome says that nothing happened', async () => {
    const { gate } = await forwarded('/customers/1')
    expect(await gate.failed(new UpstreamError('ERR_UPSTREAM_CONNECT', 'gone'))).toMatchObject({ status: 502 })
    expect(lastOutcome()).toMatchObject({ event: 'outcome.failed' })
    const { gate: other } = await forwarded('/customers/1')
    await other.failed(new UpstreamError('ERR_UPSTREAM_CLOSED', 'gone'))
    expect(lastOutcome()).toMatchObject({ event: 'outcome.unknown' })
  })
})

describe('when evidence can’t be written', () => {
  test('no request goes up', async () => {
    await forwarded('/free') // the session is there
    disk.full = true
    await expect(asked('/free')).rejects.toThrow(EvidenceError)
  })

  test('no answer comes back, whole or in pieces', async () => {
    const [whole, pieces] = [await forwarded('/free/1'), await forwarded('/free/2')]
    whole.gate.begin({ status: 200, headers: [['content-length', '5']] })
    expect(pieces.gate.begin({ status: 200, headers: [] }).kind).toBe('streamed')
    disk.full = true
    await expect(whole.gate.whole(Buffer.from('hello'))).rejects.toThrow(EvidenceError)
    await expect(pieces.gate.push(Buffer.from('hello'))).rejects.toThrow(EvidenceError)
  })
})

test('an approval of a body that nobody has seen counts for no other', async () => {
  const type: HeaderLine = ['content-type', 'application/octet-stream']
  const held = async (): Promise<string | undefined> => {
    const judged = await asked('/held', { kind: 'streamed', declared: null }, [type])
    const headers = judged.kind === 'answer' ? judged.answer.headers : []
    return headers.find(([name]) => name === 'x-approval-id')?.[1]
  }
  const [one, other] = [await held(), await held()]
  expect(one).toBeDefined()
  expect(other).not.toBe(one)
})

/** A held request: the id of its approval, another answer's status, or let through. */
async function comes(at: Exchange): Promise<string | Forwarded> {
  const judged = await asked('/held', { kind: 'none' }, [], at)
  if (judged.kind === 'forward') return judged
  return judged.answer.headers.find(([name]) => name === 'x-approval-id')?.[1] ?? String(judged.answer.status)
}

test('an approval is used at whichever gateway its client comes back to, once; the next try at the others is asked anew', async () => {
  const approval = await comes(exchange)
  if (typeof approval !== 'string') throw new Error('it was not held')
  expect(await comes(other)).toBe(approval)
  await rooms.ledger.answer(approval, { by: APPROVER, answer: 'approve', reason: 'seen' })
  const released = await comes(other)
  if (typeof released === 'string') throw new Error(released)
  released.gate.begin({ status: 201, headers: [JSON_TYPE] })
  await released.gate.whole(Buffer.from('{}'))
  expect(await comes(other)).toBe('201') // as it was answered
  const anew = await comes(exchange)
  expect(anew).toMatch(/^[0-9a-f-]{36}$/)
  expect(anew).not.toBe(approval)
})

test('another host is none of ours', async () => {
  const head: RequestHead = {
    version: '2',
    method: 'GET',
    scheme: 'https',
    authority: 'evil.example',
    target: '/free',
    headers: [['authorization', 'Bearer t']],
  }
  const admitted = await exchange.admit(head, null, new AbortController().signal)
  expect(
    admitted.kind === 'caller' && (await exchange.judgeRequest({ head, body: { kind: 'none' } }, admitted.caller)),
  ).toMatchObject({ answer: { status: 421 } })
})

import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Agent, request as undiciRequest } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readRecords, verifyEvidence } from '../../../engine/evidence/index.ts'
import { raw, statusesIn } from '../../conformance/http/form.ts'
import { countersignHere } from '../../support/command.ts'
import { startEmbeddedForm } from '../../support/http-form.ts'

interface JsonRecord {
  readonly event?: unknown
  readonly session?: unknown
  readonly outcome?: { readonly error?: unknown }
}

async function recordsOf(evidence: string): Promise<readonly JsonRecord[]> {
  const records: JsonRecord[] = []
  for await (const { record } of readRecords(evidence, {})) records.push(record.fields)
  return records
}

type Form = Awaited<ReturnType<typeof startEmbeddedForm>>

let form: Form
beforeAll(async () => {
  form = await startEmbeddedForm({
    plane: { limits: { judged_body: '64KiB', body: '2MiB', head: '1s', upload: '2s', connections: 50 } },
  })
})
afterAll(() => form?.stop())

const auth = (): Readonly<Record<string, string>> => ({ authorization: `Bearer ${form.token}` })
const lastSeen = (path: string): Form['seen'][number] | undefined =>
  form.seen.findLast(({ target }) => target.startsWith(path))
const parsed = async (answer: Response): Promise<Readonly<Record<string, unknown>>> => Object(await answer.json())

function expecting(path: string, token: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/octet-stream\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n`
}

describe('bodies', () => {
  test('a large one that nobody looks into goes up as it comes, digest and all', async () => {
    const body = randomBytes(1_500_000)
    const answer = await fetch(`${form.url}/echo`, {
      method: 'POST',
      headers: { ...auth(), 'content-type': 'application/octet-stream' },
      body,
    })
    expect(await parsed(answer)).toMatchObject({
      bytes: body.length,
      sha256: createHash('sha256').update(body).digest('hex'),
    })
  })

  test.each([
    ['a streamed one over the limit', 'application/octet-stream', 3_000_000],
    ['a judged one over its limit', 'application/json', 100_000],
  ])('%s is refused, and the bank has none of it', async (_what, type, bytes) => {
    const before = form.seen.filter(({ aborted }) => !aborted).length
    const answer = await raw(
      form,
      `POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${form.token}\r\nContent-Type: ${type}\r\nContent-Length: ${bytes}\r\n\r\n`,
      10_000,
    )
    expect(statusesIn(answer)).toEqual([413])
    expect(answer).toContain('ERR_PROTOCOL_FRAME_LENGTH')
    expect(form.seen.filter(({ aborted }) => !aborted).length).toBe(before)
  })

  test('a streamed one that says nothing of its length is cut off at the limit', async () => {
    const chunk = `10000\r\n${'x'.repeat(0x1_00_00)}\r\n`.repeat(40)
    const answer = await raw(
      form,
      `POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${form.token}\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`,
      10_000,
    )
    expect(statusesIn(answer).every((status) => status >= 400)).toBe(true)
    await expect.poll(() => lastSeen('/echo')?.aborted).toBe(true)
  })

  test('one that stops coming is cut off', async () => {
    const answer = await raw(
      form,
      `POST /transfers HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${form.token}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"a"`,
      10_000,
    )
    expect(answer).toContain('ERR_PROTOCOL_IDLE')
  })

  test('100-continue comes only where the body is wanted', async () => {
    expect(statusesIn(await raw(form, expecting('/echo', 'x.y.z'), 500))).toEqual([401])
    expect(statusesIn(await raw(form, expecting('/admin', form.token), 500))).toEqual([403])
    expect(statusesIn(await raw(form, expecting('/a//b', form.token), 500))).toEqual([400])
    expect(statusesIn(await raw(form, expecting('/echo', form.token), 500))[0]).toBe(100)
  })
})

describe('clients that are not there for long', () => {
  test('a head that comes drop by drop is cut off', async () => {
    const { hostname, port } = new URL(form.url)
    const socket = connect(Number(port), hostname)
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    socket.on('error', () => undefined)
    socket.on('data', () => undefined)
    socket.write('GET /echo HTTP/1.1\r\nHost: a\r\n')
    const drops = setInterval(() => socket.write('X-A: b\r\n'), 200)
    await expect(closed).resolves.toBeUndefined()
    clearInterval(drops)
  })

  test('who leaves is not waited for: the bank sees it go', async () => {
    const gone = new AbortController()
    const asked = fetch(`${form.url}/slow`, { headers: auth(), signal: gone.signal })
    await expect.poll(() => lastSeen('/slow')).toBeDefined()
    gone.abort()
    await expect(asked).rejects.toThrow('abort')
    await expect
      .poll(() =>
        form
          .outcomes()
          .filter(([target]) => target === '/slow')
          .map(([, status]) => status),
      )
      .toEqual(['unknown'])
  })

  test('who takes an answer slowly gets all of it, no faster than it takes it', async () => {
    const bytes = 20_000_000
    const agent = new Agent()
    const { body } = await undiciRequest(`${form.url}/large?bytes=${bytes}`, {
      headers: auth(),
      dispatcher: agent,
      highWaterMark: 1024,
    })
    let seen = 0
    for await (const chunk of body) {
      seen += Buffer.from(chunk).length
      if (seen % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(seen).toBe(bytes)
    await agent.close()
  })
})

describe('HTTP/2', () => {
  test('many streams over one connection, decided like any other', async () => {
    const session = connectHttp2(form.url)
    const ask = (path: string, headers = {}): Promise<readonly [number, string]> =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': path, ...auth(), ...headers })
        let status = 0
        const chunks: Buffer[] = []
        stream.on('response', (head) => (status = Number(head[':status'])))
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', () => resolve([status, Buffer.concat(chunks).toString('utf8')]))
        stream.on('error', reject)
        stream.end()
      })
    const answers = await Promise.all([
      ask('/customers/1'),
      ask('/admin'),
      ask('/a/../b'),
      ask('/customers/2', { cookie: ['a=1', 'b=2'] }),
      ask('/echo', { ':authority': 'bank.example', host: 'elsewhere.example' }),
    ])
    session.close()
    expect(answers.map(([status]) => status)).toEqual([200, 403, 400, 200, 421])
    expect(answers[0]?.[1]).toContain('*******1111')
  })

  test('gRPC is refused in its own words', async () => {
    const session = connectHttp2(form.url)
    const head = await new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/admin.v1.Users/Delete',
        ...auth(),
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      stream.on('response', resolve)
      stream.on('error', reject)
      stream.resume()
      stream.end()
    })
    session.close()
    expect(head).toMatchObject({ ':status': 200, 'grpc-status': '7', 'content-type': 'application/grpc' })
    expect(String(head['grpc-message'])).toContain('refused-for-the-test')
  })
})

function upgrade(path: string): Promise<readonly [number, string]> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...auth(),
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
    }
    const asked = request(`${form.url}${path}`, { headers })
    asked.on('upgrade', (message, socket, early) => {
      let text = ''
      const said = (chunk: Buffer): void => {
        text += chunk.toString()
        if (text === 'hello ') socket.write('there')
        else if (text === 'hello there') socket.end()
      }
      socket.on('error', () => undefined)
      socket.on('data', said)
      if (early.length > 0) said(early)
      socket.on('close', () => resolve([message.statusCode ?? 0, text]))
    })
    asked.on('response', (message) => {
      message.resume()
      resolve([message.statusCode ?? 0, ''])
    })
    asked.on('error', reject)
    asked.end()
  })
}

describe('WebSocket', () => {
  test('goes through where nothing is owed, and is recorded', async () => {
    expect(await upgrade('/ws')).toEqual([101, 'hello there'])
    await expect
      .poll(() =>
        form
          .outcomes()
          .filter(([target]) => target === '/ws')
          .map(([, status]) => status),
      )
      .toEqual(['ok'])
    const evidence = ['records', 'recordings'].map((part) => join(form.stack.evidence, part))
    const texts = evidence.flatMap((part) => readdirSync(part).map((name) => readFileSync(join(part, name), 'utf8')))
    for (const part of ['[null,null,"hello ', '"end":"HTTP 101"']) expect(texts.join('')).toContain(part)
  })

  test('is refused where a mask would be owed, and by policy', async () => {
    expect(await upgrade('/customers')).toEqual([403, ''])
    expect(await upgrade('/admin')).toEqual([403, ''])
    expect(lastSeen('/admin')).toBeUndefined()
  })
})

/** How an answer ends that never ends by itself: what came, and whether it was told as whole. */
type Ended = Promise<{ readonly text: string; readonly isWhole: boolean }>

function listenHttp1(token: string): Ended {
  return new Promise((resolve, reject) => {
    const asked = request(`${form.url}/ticks`, { headers: { authorization: `Bearer ${token}` } }, (message) => {
      let text = ''
      message.on('data', (chunk: Buffer) => (text += chunk.toString()))
      message.on('error', () => undefined)
      message.on('close', () => resolve({ text, isWhole: message.complete }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

function listenHttp2(token: string): Ended {
  return new Promise((resolve) => {
    const session = connectHttp2(form.url)
    const stream = session.request({ ':path': '/ticks', authorization: `Bearer ${token}` })
    let text = ''
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
    stream.on('error', () => undefined)
    stream.on('close', () => {
      session.close()
      resolve({ text, isWhole: stream.rstCode === 0 })
    })
  })
}

function listenWebSocket(token: string): Ended {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, connection: 'Upgrade', upgrade: 'websocket' }
    const asked = request(`${form.url}/ws?long`, { headers })
    asked.on('upgrade', (_message, socket, early) => {
      let text = early.toString()
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve({ text, isWhole: false }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

async function outcomesOf(error: string): Promise<readonly JsonRecord[]> {
  return (await recordsOf(form.stack.evidence)).filter(({ outcome }) => outcome?.error === error)
}

describe('when the token ends in the middle of an answer', () => {
  test('what has no end of its own ends with it, and is told as cut short', async () => {
    const exp = Math.floor(Date.now() / 1000) + 2
    const token = await form.stack.identity.tokenWith({ subject: 'reconciler', claims: { exp } })
    const ended = await Promise.all([listenHttp1(token), listenHttp2(token), listenWebSocket(token)])
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000)
    const event = 'data: {"ssn":"*******1111"}\n\n'
    for (const { text } of ended.slice(0, 2)) expect(text).toBe(event.repeat(text.length / event.length))
    expect(ended.map(({ text, isWhole }) => [text.length > 0, isWhole])).toEqual(ended.map(() => [true, false]))
    await expect.poll(async () => (await outcomesOf('ERR_IDENTITY_EXPIRED')).length).toBe(3)
    const outcomes = await outcomesOf('ERR_IDENTITY_EXPIRED')
    expect(outcomes.map(({ event: name }) => name)).toEqual(['outcome.unknown', 'outcome.unknown', 'outcome.unknown'])
  })

  test('a revocation cuts off any answer, though its client takes nothing; the session closes behind the last record', async () => {
    const { line, identity } = form.stack
    const token = await identity.tokenWith({ subject: 'reconciler', claims: { jti: 'stolen' } })
    const socket = connect(Number(new URL(form.url).port), '127.0.0.1')
    const closed = new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve))
    socket.write(`GET /large?bytes=50000000&cut HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    await new Promise((resolve) => socket.once('readable', () => resolve(socket.read(1))))
    const env = { COUNTERSIGN_API: line.api, COUNTERSIGN_TOKEN: await identity.personToken('olga') }
    const told = await countersignHere(['revoke', '--token', 'stolen', '--reason', 'found on a pastebin'], { env })
    expect(told.stderr).toBe('')
    await expect.poll(async () => (await outcomesOf('ERR_IDENTITY_REVOKED')).length).toBe(1)
    socket.resume()
    await closed
    const [{ session } = {}] = await outcomesOf('ERR_IDENTITY_REVOKED')
    const own = async (): Promise<readonly unknown[]> =>
      (await recordsOf(form.stack.evidence)).flatMap((each) => (each.session === session ? [each.event] : []))
    await expect.poll(async () => (await own()).at(-1)).toBe('session.closed')
    expect((await own()).slice(-3)).toEqual(['identity.rejected', 'outcome.unknown', 'session.closed'])
  })
})

test('killed with a request under way, it tells of it on its next start; stopped, all of its evidence verifies', async () => {
  const { gateway, evidence } = form.stack
  const held = form.seen.length
  const broken = fetch(`${form.url}/slow?again`, { headers: auth() }).then(
    () => false,
    () => true,
  )
  await expect.poll(() => form.seen.length).toBeGreaterThan(held)
  await gateway.kill9()
  expect(await broken).toBe(true)
  await gateway.restart()
  expect(form.events()).toContain('outcome.unknown')
  expect(form.seen.filter(({ target }) => target === '/slow?again')).toHaveLength(1)
  await gateway.stop()
  expect((await verifyEvidence(evidence)).findings).toEqual([])
  expect(form.canaries()).toEqual([])
})

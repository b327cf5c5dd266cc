import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openApi } from '../../../console/index.ts'
import { EvidenceError } from '../../../engine/index.ts'
import { startIdentityProvider, type IdentityProvider } from '../../support/identity-provider.ts'
import { verifierFor } from '../identity/setting.ts'
import { hold, openGateway, withoutEvidence, type Gateway } from './setting.ts'

let provider: IdentityProvider
beforeAll(async () => {
  provider = await startIdentityProvider()
})
afterAll(() => provider.close())

interface Answer {
  readonly status: number
  readonly type: string | undefined
  readonly body: unknown
}

/** Without its parameters. */
function mediaType(response: Response): string | undefined {
  return response.headers.get('content-type')?.split(';')[0]
}

async function ask(url: string, token: string | null, path: string, init: RequestInit = {}): Promise<Answer> {
  const headers = {
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    'content-type': 'application/json',
  }
  const response = await fetch(url + path, { headers, ...init })
  return { status: response.status, type: mediaType(response), body: await response.json() }
}

async function say(gateway: Gateway, person: string, path: string, reason: string | null = null): Promise<Answer> {
  const body = JSON.stringify({ reason })
  return ask(gateway.url, await provider.personToken(person), path, { method: 'POST', body })
}

async function held(gateway: Gateway): Promise<string> {
  const requester = await verifierFor(provider.issuer).verifier.verify(await provider.agentToken())
  const { id } = await hold(gateway.ledger, requester)
  return id
}

function problem(status: number, code: string, detail: RegExp): object {
  return {
    status,
    type: 'application/problem+json',
    body: { type: 'about:blank', title: expect.any(String), status, code, detail: expect.stringMatching(detail) },
  }
}

describe('nobody gets in without a token', () => {
  it.each([undefined, 'Basic YW5uOmFubg==', 'Bearer', 'Bearer ', 'Bearer a b', 'Bearer nonsense'])(
    'with the header %j',
    async (authorization) => {
      const gateway = await openGateway(provider)
      const id = await held(gateway)
      const headers = authorization === undefined ? {} : { authorization }
      for (const path of ['/v1/approvals', `/v1/approvals/${id}`, `/v1/approvals/${id}/approve`]) {
        const method = path.endsWith('approve') ? 'POST' : 'GET'
        const response = await fetch(gateway.url + path, { method, headers })
        expect(response.status).toBe(401)
        expect(response.headers.get('www-authenticate')).toBe('Bearer realm="countersign", error="invalid_token"')
        expect(await response.json()).toMatchObject({ code: 'ERR_IDENTITY_MALFORMED' })
      }
      await expect(gateway.ledger.get(id)).resolves.toMatchObject({ state: 'requested' })
    },
  )

  it("with an expired one, another audience's, or one in the query", async () => {
    const gateway = await openGateway(provider)
    const expired = await provider.tokenWith({ claims: { exp: 5 } })
    expect(await ask(gateway.url, expired, '/v1/approvals')).toEqual(problem(401, 'ERR_IDENTITY_EXPIRED', /fresh/))
    const other = await provider.tokenWith({ claims: { aud: 'other' } })
    expect(await ask(gateway.url, other, '/v1/approvals')).toEqual(problem(401, 'ERR_IDENTITY_AUDIENCE', /not meant/))
    const query = `/v1/approvals?access_token=${await provider.personToken('ann')}`
    expect(await ask(gateway.url, null, query)).toEqual(problem(401, 'ERR_IDENTITY_MALFORMED', /Authorization: Bearer/))
  })

  it('is told by 503 when the provider is what is missing', async () => {
    const away = await startIdentityProvider()
    const token = await away.personToken('ann')
    const gateway = await openGateway(away)
    await away.close()
    expect(await ask(gateway.url, token, '/v1/approvals')).toEqual(
      problem(503, 'ERR_IDENTITY_PROVIDER', /can't be had/),
    )
  })
})

describe('who sees a hold', () => {
  it.each([
    ['ann, who may answer', () => provider.personToken('ann'), 1],
    ['the agent that asked', () => provider.agentToken(), 1],
    ['axel, an auditor', () => provider.personToken('axel'), 1],
    ['an examiner by role', () => provider.tokenWith({ subject: 'eve', claims: { roles: ['examiner'] } }), 1],
    ['olivia, who owns the agent', () => provider.personToken('olivia'), 0],
    ['a stranger', () => provider.tokenWith({ subject: 'eve' }), 0],
    [
      'another agent in the group',
      () => provider.tokenWith({ subject: 'robot', claims: { kind: 'agent', groups: ['payments'] } }),
      0,
    ],
  ])('%s', async (_name, token, count) => {
    const gateway = await openGateway(provider)
    const id = await held(gateway)
    const list = await ask(gateway.url, await token(), '/v1/approvals')
    expect(list).toMatchObject({ status: 200, body: { approvals: { length: count } } })
    const one = await ask(gateway.url, await token(), `/v1/approvals/${id}`)
    expect(one.status).toBe(count === 1 ? 200 : 404)
    const unknown = await ask(gateway.url, await token(), '/v1/approvals/unknown')
    expect(unknown).toEqual(problem(404, 'ERR_APPROVAL_UNKNOWN', /no approval unknown that you may see/))
  })

  it('tells it whole, in RFC 3339, without the inside of the ledger', async () => {
    const gateway = await openGateway(provider)
    const id = await held(gateway)
    const { body } = await ask(gateway.url, await provider.personToken('ann'), `/v1/approvals/${id}`)
    expect(body).toMatchObject({
      id,
      state: 'requested',
      requester: { id: 'reconciler', kind: 'agent', owner: 'olivia' },
      rule: 'bank.transfers.large',
      terms: { approvers: ['payments'], quorum: 1 },
      summary: { postgres: { database: 'bank' } },
      requested_at: new Date(gateway.clock.now).toISOString(),
      expires_at: new Date(gateway.clock.now + 600_000).toISOString(),
      answers: [],
    })
    expect(body).not.toHaveProperty('version')
  })

  it('filters by state and by nothing else', async () => {
    const gateway = await openGateway(provider)
    await held(gateway)
    const token = await provider.personToken('ann')
    expect(await ask(gateway.url, token, '/v1/approvals?state=requested')).toMatchObject({
      body: { approvals: { length: 1 } },
    })
    expect(await ask(gateway.url, token, '/v1/approvals?state=used')).toMatchObject({ body: { approvals: [] } })
    const refused = problem(400, 'FST_ERR_VALIDATION', /querystring/)
    expect(await ask(gateway.url, token, '/v1/approvals?state=open')).toEqual(refused)
    expect(await ask(gateway.url, token, '/v1/approvals?group=payments')).toEqual(refused)
    expect(await ask(gateway.url, token, '/v1/approvals?state=used&state=requested')).toEqual(refused)
  })
})

describe('answering', () => {
  it('grants with the reason given, once', async () => {
    const gateway = await openGateway(provider)
    const id = await held(gateway)
    expect(await say(gateway, 'ann', `/v1/approvals/${id}/approve`, 'ticket 12')).toMatchObject({
      status: 200,
      body: {
        state: 'granted',
        answers: [{ by: 'ann', issuer: provider.issuer, answer: 'approve', reason: 'ticket 12' }],
      },
    })
    expect(await say(gateway, 'ben', `/v1/approvals/${id}/deny`)).toEqual(
      problem(409, 'ERR_APPROVAL_STATE', /is granted/),
    )
    expect(gateway.journal.at(-1)).toMatchObject({ event: 'approval.granted', by: { id: 'ann', kind: 'person' } })
  })

  it('denies', async () => {
    const gateway = await openGateway(provider)
    const id = await held(gateway)
    expect(await say(gateway, 'ben', `/v1/approvals/${id}/deny`)).toMatchObject({
      status: 200,
      body: { state: 'denied' },
    })
  })

  it('is not for those who only see it', async () => {
    const gateway = await openGateway(provider)
    const id = await held(gateway)
    expect(await say(gateway, 'axel', `/v1/approvals/${id}/approve`)).toEqual(
      problem(403, 'ERR_APPROVAL_GROUP', /payments/),
    )
    expect(await say(gateway, 'olivia', `/v1/approvals/${id}/approve`)).toEqual(
      problem(404, 'ERR_APPROVAL_UNKNOWN', /may see/),
    )
    const own = await ask(gateway.url, await provider.agentToken(), `/v1/approvals/${id}/approve`, {
      method: 'POST',
      body: '{}',
    })
    expect(own).toEqual(problem(403, 'ERR_APPROVAL_PERSON', /only a person/))
    await expect(gateway.ledger.get(id)).resolves.toMatchObject({ state: 'requested', answers: [] })
  })

  it('says that it is too late', async () => {
    const gateway = await openGateway(provider)
    const id = await held(gateway)
    gateway.clock.now += 600_000
    expect(await say(gateway, 'ann', `/v1/approvals/${id}/approve`)).toEqual(
      problem(409, 'ERR_APPROVAL_EXPIRED', /expired/),
    )
  })

  it('is not taken when it can not be recorded; the cause is for the log alone', async () => {
    const gateway = await openGateway(provider)
    const id = await held(gateway)
    gateway.fault.journal = new EvidenceError('ERR_EVIDENCE_WRITE', 'ENOSPC on /var/evidence')
    const answer = await say(gateway, 'ann', `/v1/approvals/${id}/approve`)
    expect(answer).toEqual(
      problem(503, 'ERR_EVIDENCE_WRITE', /^the answer could not be made durable, so it was not taken/),
    )
    await expect(gateway.ledger.get(id)).resolves.toMatchObject({ state: 'requested' })
    expect(gateway.logged).toEqual([
      {
        event: 'api.failed',
        fields: expect.objectContaining({ code: 'ERR_EVIDENCE_WRITE', message: expect.stringContaining('ENOSPC') }),
      },
    ])
    gateway.fault.journal = new Error('c4nary')
    const unforeseen = await say(gateway, 'ann', `/v1/approvals/${id}/approve`)
    expect(unforeseen).toEqual(problem(500, 'ERR_INTERNAL', /the gateway failed/))
    expect(JSON.stringify(unforeseen)).not.toContain('c4nary')
  })

  it.each([
    ['no body', '', 'application/json', 400, /empty/],
    ['no JSON', '{"reason":', 'application/json', 400, /./],
    ['another type', 'reason=x', 'application/x-www-form-urlencoded', 415, /./],
    ['a list', '[]', 'application/json', 400, /body must be object/],
    ['a number for a reason', '{"reason":7}', 'application/json', 400, /reason must be string,null/],
    ['a field more', '{"reason":"x","by":"ben"}', 'application/json', 400, /must NOT have additional properties/],
    ['a reason too long', JSON.stringify({ reason: 'x'.repeat(2_001) }), 'application/json', 400, /more than 2000/],
    ['too much', JSON.stringify({ reason: 'x'.repeat(20_000) }), 'application/json', 413, /too large/],
    ['a prototype', '{"__proto__":{"reason":"x"}}', 'application/json', 400, /./],
  ])('refuses %s', async (_name, body, type, status, detail) => {
    const gateway = await openGateway(provider)
    const id = await held(gateway)
    const headers = { authorization: `Bearer ${await provider.personToken('ann')}`, 'content-type': type }
    const answer = await ask(gateway.url, null, `/v1/approvals/${id}/approve`, { method: 'POST', headers, body })
    expect(answer).toMatchObject({
      status,
      type: 'application/problem+json',
      body: { detail: expect.stringMatching(detail) },
    })
    await expect(gateway.ledger.get(id)).resolves.toMatchObject({ state: 'requested' })
  })

  it.each(['%2e%2e', '%00', 'a%20b', 'x'.repeat(65)])('refuses the id %s', async (id) => {
    const gateway = await openGateway(provider)
    const answer = await say(gateway, 'ann', `/v1/approvals/${id}/approve`)
    expect(answer.type).toBe('application/problem+json')
    expect([400, 404, 414]).toContain(answer.status)
  })
})

describe('probes', () => {
  it('tell life and readiness without a token', async () => {
    const gateway = await openGateway(provider)
    expect(await ask(gateway.url, null, '/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } })
    expect(await ask(gateway.url, null, '/readyz')).toMatchObject({ status: 200, body: { status: 'ready' } })
  })

  it('say by code, and no more, what is not ready', async () => {
    const closed = new EvidenceError('ERR_EVIDENCE_CLOSED', 'at /var/evidence')
    const gateway = await openGateway(provider, { ready: () => Promise.reject(closed) })
    const answer = await ask(gateway.url, null, '/readyz')
    expect(answer).toEqual(problem(503, 'ERR_EVIDENCE_CLOSED', /not ready/))
    expect(JSON.stringify(answer)).not.toContain('/var')
    expect(await ask(gateway.url, null, '/healthz')).toMatchObject({ status: 200 })
  })
})

describe('the server', () => {
  it('answers what is not there as a problem, and nothing may be cached or sniffed', async () => {
    const gateway = await openGateway(provider)
    const response = await fetch(`${gateway.url}/v2/approvals`)
    expect(response.status).toBe(404)
    expect(mediaType(response)).toBe('application/problem+json')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await response.json()).toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('will not speak in the clear beyond loopback', async () => {
    const gateway = await openGateway(provider)
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'localhost.bank.test']) {
      const opened = openApi({
        host,
        port: 0,
        verifier: verifierFor(provider.issuer).verifier,
        ledger: gateway.ledger,
        grants: gateway.grants,
        outbox: gateway.outbox,
        policies: gateway.policies.life,
        shadow: gateway.policies.shadow,
        ...withoutEvidence(gateway.policies),
        instance: 'gw-1',
        signIn: null,
        identify: () => Promise.reject(new Error('nobody comes')),
        secret: new Uint8Array(32),
        now: Date.now,
        ready: () => Promise.resolve(),
        log: () => undefined,
      })
      await expect(opened).rejects.toMatchObject({
        code: 'ERR_CONFIG_SHAPE',
        message: expect.stringContaining(`found ${host} without TLS`),
      })
    }
  })

  it('closes with connections open: one idle, one in the middle of a request', async () => {
    const gateway = await openGateway(provider)
    const sockets = ['GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n', 'POST /v1/approvals HTTP/1.1\r\nhost: a\r\n'].map(
      (text) => {
        const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
        socket.on('error', () => undefined).write(text)
        return socket
      },
    )
    await once(sockets[0] ?? new Socket(), 'data')
    const ended = Promise.all(sockets.map((socket) => new Promise((resolve) => socket.resume().once('close', resolve))))
    await gateway.close()
    await ended
    await expect(fetch(`${gateway.url}/healthz`)).rejects.toThrow('fetch failed')
  })
})

import { readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EvidenceError } from '../../../engine/index.ts'
import { issueCertificates } from '../../support/certificates.ts'
import { startIdentityProvider, type IdentityProvider } from '../../support/identity-provider.ts'
import { SESSION } from '../replay/recorded-session.ts'
import { openWithEvidence, type WithEvidence } from './evidence-setting.ts'
import { openGateway } from './setting.ts'

let provider: IdentityProvider
beforeAll(async () => {
  provider = await startIdentityProvider()
})
afterAll(() => provider.close())

type Json = Readonly<Record<string, unknown>>

interface Answer {
  readonly status: number
  readonly body: Json
}

async function ask(
  { gateway }: Pick<WithEvidence, 'gateway'>,
  path: string,
  token: string | null,
  body?: object,
): Promise<Answer> {
  const headers = {
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) }
  const response = await fetch(gateway.url + path, init)
  const told: Json = Object(await response.json())
  return { status: response.status, body: told }
}

/** Viewers, auditors, operators; olga is an operator of the gateway as well as of its policies. */
const LOOKERS = ['vera', 'axel', 'oscar', 'olga']

/** Who may read what: every way of asking for evidence, by every kind of asker. */
const READABLE: readonly (readonly [string, readonly string[]])[] = [
  ['/v1/decisions', LOOKERS],
  ['/v1/decisions/d-2', LOOKERS],
  ['/v1/decisions/d-2/request', ['axel']],
  ['/v1/choices', LOOKERS],
  ['/v1/sessions', LOOKERS],
  [`/v1/sessions/${SESSION}`, LOOKERS],
  [`/v1/sessions/${SESSION}/evidence`, ['axel']],
  ['/v1/controls', LOOKERS],
  ['/v1/controls/IS.II.C.18', LOOKERS],
  ['/v1/exports', ['axel']],
  ['/v1/system', LOOKERS],
  ['/v1/records/viewings', LOOKERS],
  ['/v1/policy', ['axel', 'olga', 'rita']],
  ['/v1/me', ['vera', 'axel', 'oscar', 'olga', 'rita', 'ann', 'olivia']],
]

test('each may read what the role lets them, and an agent nothing, whatever groups its token names', async () => {
  const setting = await openWithEvidence(provider)
  const agent = await provider.tokenWith({
    subject: 'robot',
    claims: { kind: 'agent', groups: ['auditors', 'viewers', 'operators', 'policy-operators'] },
  })
  const through = await provider.tokenWith({
    subject: 'axel',
    claims: { kind: 'person', groups: ['auditors'], act: { sub: 'robot' } },
  })
  for (const [path, readers] of READABLE) {
    expect([path, (await ask(setting, path, null)).status]).toEqual([path, 401])
    for (const person of ['vera', 'axel', 'oscar', 'olga', 'rita', 'ann', 'olivia']) {
      const { status } = await ask(setting, path, await provider.personToken(person))
      expect([path, person, status]).toEqual([path, person, readers.includes(person) ? 200 : 403])
    }
    if (path === '/v1/me') continue
    for (const token of [agent, through]) {
      expect([path, (await ask(setting, path, token)).status]).toEqual([path, 403])
    }
  }
})

describe('what is looked at is recorded before it is shown', () => {
  test('by whom, and of which session; and nothing is shown where it can’t be recorded', async () => {
    const setting = await openWithEvidence(provider)
    const token = await provider.personToken('axel')
    for (const path of ['/v1/decisions/d-2/request', `/v1/sessions/${SESSION}/evidence`]) {
      const { status, body } = await ask(setting, path, token)
      expect(status).toBe(200)
      expect(JSON.stringify(body)).toContain('SELECT name, ssn FROM customers')
    }
    const viewings = await viewingsOf(setting)
    expect(viewings.map(({ detail }) => detail)).toEqual([
      { session: SESSION, how: 'console' },
      { session: SESSION, decision: 'd-2', how: 'console' },
    ])
    setting.fault.append = new EvidenceError('ERR_EVIDENCE_WRITE', 'no space')
    for (const path of ['/v1/decisions/d-2/request', `/v1/sessions/${SESSION}/evidence`]) {
      const { status, body } = await ask(setting, path, token)
      expect(status).toBe(503)
      expect(JSON.stringify(body)).not.toContain('SELECT')
    }
  })

  test('an export is recorded, is its asker’s alone, and comes as an archive', async () => {
    const setting = await openWithEvidence(provider)
    const token = await provider.personToken('axel')
    const begun = await ask(setting, '/v1/exports', token, { reason: 'exam 12' })
    expect(begun).toMatchObject({ status: 202, body: { state: 'making' } })
    const made = await ready(setting, token)
    expect(made).toMatchObject({ state: 'ready', problem: null, records: expect.any(Number) })
    const path = `/v1/exports/${String(made['id'])}/bundle`
    const other = await provider.tokenWith({ subject: 'eve', claims: { groups: ['auditors'] } })
    expect((await ask(setting, path, other)).status).toBe(404)
    const response = await fetch(setting.gateway.url + path, { headers: { authorization: `Bearer ${token}` } })
    const archive = gunzipSync(Buffer.from(await response.arrayBuffer())).toString('latin1')
    for (const name of ['evidence-bundle/records.ndjson', 'evidence-bundle/VERIFY.md', 'evidence-bundle/report.pdf']) {
      expect(archive).toContain(name)
    }
    expect(await viewingsOf(setting)).toMatchObject([
      { event: 'evidence.exported', detail: { how: 'console', reason: 'exam 12' } },
    ])
  })

  test('an export that can’t be recorded is nobody’s to fetch', async () => {
    const setting = await openWithEvidence(provider)
    setting.fault.append = new EvidenceError('ERR_EVIDENCE_WRITE', 'no space')
    const token = await provider.personToken('axel')
    await ask(setting, '/v1/exports', token, {})
    const made = await ready(setting, token)
    expect(made).toMatchObject({ state: 'failed', problem: { code: 'ERR_EVIDENCE_WRITE' } })
    expect((await ask(setting, `/v1/exports/${String(made['id'])}/bundle`, token)).status).toBe(404)
  })
})

async function ready(setting: WithEvidence, token: string): Promise<Json> {
  for (;;) {
    const { body } = await ask(setting, '/v1/exports', token)
    const [first]: readonly Json[] = Array.isArray(body['exports']) ? body['exports'] : []
    if (first !== undefined && first['state'] !== 'making') return first
    await sleep(20)
  }
}

/** Newest first, once the index has all that is recorded. */
async function viewingsOf(setting: WithEvidence): Promise<readonly Json[]> {
  const { records } = setting.log.standing()
  const token = await provider.personToken('vera')
  for (;;) {
    const { body } = await ask(setting, '/v1/system', token)
    if (Number(Object(body['index'])['records']) >= records) break
    await sleep(10)
  }
  const { body } = await ask(setting, '/v1/records/viewings', token)
  const all: readonly { readonly record: Json }[] = Array.isArray(body['records']) ? body['records'] : []
  return all.map(({ record }) => record)
}

describe('the API’s description', () => {
  test('is docs/openapi.json (UPDATE_OPENAPI=1 writes it), with every route in it', async () => {
    const gateway = await openGateway(provider, { version: '0' })
    const { body } = await ask({ gateway }, '/v1/openapi.json', await provider.personToken('ann'))
    if (process.env['UPDATE_OPENAPI'] !== undefined) writeFileSync('docs/openapi.json', JSON.stringify(body))
    expect(JSON.parse(readFileSync('docs/openapi.json', 'utf8'))).toEqual(body)
    for (const [path, methods] of Object.entries(Object(body['paths']))) {
      for (const [method, operation] of Object.entries(Object(methods))) {
        expect(operation, `${method} ${path}: a summary and what it answers`).toMatchObject({
          summary: expect.any(String),
          tags: expect.any(Array),
          responses: expect.objectContaining({ default: expect.anything() }),
        })
        expect(Object.keys(Object(Reflect.get(Object(operation), 'responses'))).length).toBeGreaterThan(1)
      }
    }
  })

  test('is what is answered', async () => {
    const setting = await openWithEvidence(provider)
    const description: Json = JSON.parse(readFileSync('docs/openapi.json', 'utf8'))
    const ajv = new Ajv2020({ strict: false })
    for (const [path] of READABLE) {
      const token = await provider.personToken('axel')
      const { body } = await ask(setting, path, token)
      const route = templateOf(path, Object.keys(Object(description['paths'])))
      const schema: object = Object(description['paths'])[route].get.responses['200'].content['application/json'].schema
      const valid = ajv.compile(schema)
      expect(valid(body), `${path}: ${ajv.errorsText(valid.errors)}`).toBe(true)
    }
    const problems = new Ajv2020({ strict: false }).compile(
      Object(description['components']).responses.problem.content['application/problem+json'].schema,
    )
    expect(problems((await ask(setting, '/v1/decisions/none', await provider.personToken('axel'))).body)).toBe(true)
  })
})

/** The most literal of the templates that a path fits. */
function templateOf(path: string, templates: readonly string[]): string {
  const fits = templates.filter((each) => new RegExp(`^${each.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path))
  return fits.toSorted((one, other) => one.split('{').length - other.split('{').length)[0] ?? path
}

const BAD = [
  '/v1/decisions?limit=0',
  '/v1/decisions?limit=201',
  '/v1/decisions?limit=1e3',
  '/v1/decisions?verdict=allow',
  '/v1/decisions?from=yesterday',
  '/v1/decisions?cursor=%27',
  '/v1/decisions?statement=x',
  '/v1/sessions?state=open',
  '/v1/records/secrets',
  '/v1/controls?from=2026',
]

test('a bad question is refused; one that an index which is away can’t answer is a 503 in its own words', async () => {
  const gateway = await openGateway(provider)
  const token = await provider.personToken('axel')
  for (const path of BAD) {
    const { status, body } = await ask({ gateway }, path, token)
    expect([path, status, body['code']]).toEqual([path, 400, 'FST_ERR_VALIDATION'])
  }
  const { status, body } = await ask({ gateway }, '/v1/decisions', token)
  expect([status, body['code']]).toEqual([503, 'ERR_EVIDENCE_OVERVIEW'])
})

/** An address of this machine by which it is another host to itself. */
const elsewhere = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address

async function statusBy(host: string, gateway: { readonly url: string }, ca: string): Promise<number | undefined> {
  const headers = { 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1' }
  const asked = request({
    host,
    port: new URL(gateway.url).port,
    path: '/metrics',
    ca,
    headers,
    servername: 'localhost',
  })
  const [response]: readonly IncomingMessage[] = await once(asked.end(), 'response')
  response?.resume()
  return response?.statusCode
}

describe('metrics', () => {
  test.skipIf(elsewhere === undefined && process.env['CI'] !== 'true')(
    'are nothing to another host, whatever it says of whom it asks for, unless they are open',
    async () => {
      const { ca, certificate: cert, key } = issueCertificates(['localhost'])
      const reached = { host: '0.0.0.0', tls: { cert, key } }
      const closed = await openGateway(provider, reached)
      const open = await openGateway(provider, { ...reached, metrics: 'open' })
      const other = elsewhere ?? ''
      expect(await Promise.all([closed, open].map((each) => statusBy(other, each, ca)))).toEqual([404, 200])
      expect(await Promise.all([closed, open].map((each) => statusBy('127.0.0.1', each, ca)))).toEqual([200, 200])
    },
  )

  test('tell what evidence tells, and are for this host alone unless they are opened or off', async () => {
    const { gateway } = await openWithEvidence(provider)
    const text = await (await fetch(`${gateway.url}/metrics`)).text()
    expect(text).toContain('countersign_decisions_total{plane="postgres",verdict="hold"} 1')
    expect(text).toContain('countersign_evidence_up 1')
    expect(text).toMatch(/countersign_evidence_lag_seconds \d/)
    const off = await openGateway(provider, { metrics: 'off' })
    expect((await fetch(`${off.url}/metrics`)).status).toBe(404)
  })
})

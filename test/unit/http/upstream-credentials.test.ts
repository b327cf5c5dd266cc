import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import aws4 from 'aws4'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError, ObligationError, Secret, UpstreamError } from '../../../engine/index.ts'
import { AccessToken } from '../../../planes/http/credentials/access-token.ts'
import { FreshText } from '../../../planes/http/credentials/fresh-text.ts'
import { configure } from '../../../planes/http/config.ts'
import { Upstreams } from '../../../planes/http/embedded/upstream.ts'
import type { HeaderLine, RequestHead } from '../../../planes/http/message.ts'
import { type CredentialsText, upstreamCredentials } from '../../../planes/http/upstream-credentials.ts'
import { issueCertificates } from '../../support/certificates.ts'
import { type IdentityProvider, startIdentityProvider } from '../../support/identity-provider.ts'

const NOW = Date.parse('2026-11-26T12:00:00.000Z')
const HEAD: RequestHead = {
  version: '1.1',
  method: 'GET',
  scheme: 'https',
  authority: 'api.example',
  target: '/',
  headers: [],
}
const NO_BYTES = Buffer.alloc(0)
const secret = (text: string, again?: () => string): Secret => new Secret(text, 'a test', again)

async function caught(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (error: unknown) => error,
  )
}

describe('a secret that is rotated', () => {
  test('is read again once a second, and withdrawn with its file', () => {
    let now = NOW
    let text: string | null = 'one'
    let reads = 0
    const fresh = new FreshText(
      secret('one', () => {
        reads += 1
        if (text === null) throw new Error('gone')
        return text
      }),
      () => now,
    )
    text = 'two'
    expect(fresh.read()).toBe('one')
    now += 1000
    expect([fresh.read(), fresh.read(), reads]).toEqual(['two', 'two', 1])
    text = null
    now += 1000
    expect(() => fresh.read()).toThrow(UpstreamError)
    text = ' '
    expect(() => fresh.read()).toThrow('are empty')
    text = 'three'
    expect(fresh.read()).toBe('three')
  })

  test('goes up as it is now', async () => {
    let now = NOW
    const credentials = upstreamCredentials({ basic: { user: 'u', password: secret('old', () => 'new:€') } }, () => now)
    const sent = (): Promise<readonly HeaderLine[]> => credentials.headers({ head: HEAD, body: NO_BYTES })
    expect(await sent()).toEqual([['authorization', `Basic ${btoa('u:old')}`]])
    now += 5000
    expect(await sent()).toEqual([['authorization', `Basic ${Buffer.from('u:new:€').toString('base64')}`]])
  })

  test('that no header may hold goes nowhere', async () => {
    const credentials = upstreamCredentials({ header: { name: 'X-Key', value: secret('a\r\nHost: b') } })
    const error = await caught(credentials.headers({ head: HEAD, body: NO_BYTES }))
    expect(error).toMatchObject({ code: 'ERR_UPSTREAM_AUTH' })
  })
})

describe('an access token', () => {
  test('is asked for once by many, renewed ahead, forgotten when refused, and its failures are not repeated at once', async () => {
    let now = NOW
    let asked = 0
    let fails = false
    const held = new AccessToken(
      () => {
        asked += 1
        return fails ? Promise.reject(new Error('no')) : Promise.resolve({ token: `t${asked}`, seconds: 100 })
      },
      () => now,
    )
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => held.get())))).toEqual(new Set(['t1']))
    now += 79_999
    expect([await held.get(), asked]).toEqual(['t1', 1])
    now += 1
    expect([await held.get(), asked]).toEqual(['t1', 2]) // good until the new one is there
    expect(await held.get()).toBe('t2')
    held.refused()
    expect(await held.get()).toBe('t2') // too young to be blamed
    now += 5000
    held.refused()
    expect(await held.get()).toBe('t3')
    now += 100_000
    fails = true
    for (let each = 0; each < 10; each += 1) expect(await caught(held.get())).toBeInstanceOf(UpstreamError)
    expect(asked).toBe(4)
    fails = false
    now += 1000
    expect(await held.get()).toBe('t5')
  })

  describe('of a real authorization server', () => {
    let provider: IdentityProvider

    beforeEach(async () => {
      provider = await startIdentityProvider()
    })
    afterEach(() => provider.close())

    const of = (overrides: object): CredentialsText => ({
      oauth: {
        token_url: `${provider.issuer}/token`,
        client_id: 'reconciler',
        client_secret: secret('reconciler-secret'),
        authentication: 'basic',
        resource: provider.resource,
        ...overrides,
      },
    })

    test('goes up, the same for all requests', async () => {
      const credentials = upstreamCredentials(of({}))
      const all = await Promise.all([1, 2, 3].map(() => credentials.headers({ head: HEAD, body: NO_BYTES })))
      const [[name, value] = ['', '']] = all[0] ?? []
      expect(name).toBe('authorization')
      const claims: unknown = JSON.parse(Buffer.from(value.split('.')[1] ?? '', 'base64url').toString())
      expect(claims).toMatchObject({ iss: provider.issuer, aud: provider.audience })
      expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(1)
    })

    test.each([
      ['a wrong secret', { client_secret: secret('wrong') }],
      ['an unknown client', { client_id: 'nobody' }],
      ['a server that isn’t there', { token_url: 'http://127.0.0.1:1/token' }],
    ])('%s gives an error that tells nothing of it', async (_name, overrides) => {
      const error = await caught(upstreamCredentials(of(overrides)).headers({ head: HEAD, body: NO_BYTES }))
      expect(error).toMatchObject({
        code: 'ERR_UPSTREAM_AUTH',
        message: 'the authorization server gives the gateway no token for this API',
      })
    })
  })
})

describe('AWS’s signature', () => {
  const keys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
  const signer = (service: string, token?: string): ReturnType<typeof upstreamCredentials> =>
    upstreamCredentials(
      {
        aws: {
          service,
          region: 'us-east-1',
          access_key_id: keys.accessKeyId,
          secret_access_key: secret(keys.secretAccessKey),
          ...(token === undefined ? {} : { session_token: secret(token) }),
        },
      },
      () => NOW,
    )

  test('is what another signer makes of the same request', async () => {
    const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).map(encodeURIComponent)
    const plain = word.filter((text) => !/%(?:2f|5c|25)|^\.+$/i.test(text))
    const target = fc
      .tuple(fc.array(plain, { minLength: 1, maxLength: 4 }), fc.array(fc.tuple(word, word), { maxLength: 4 }))
      .map(
        ([path, query]) =>
          `/${path.join('/')}${query.length === 0 ? '' : `?${query.map((pair) => pair.join('=')).join('&')}`}`,
      )
    await fc.assert(
      fc.asyncProperty(
        target,
        fc.string({ unit: 'grapheme' }),
        fc.constantFrom('execute-api', 's3'),
        fc.option(fc.constant('to+ken/==')),
        async (path, body, service, token) => {
          const head = { ...HEAD, method: 'POST', target: path, headers: [['Content-Type', 'text/plain']] as const }
          const credentials = signer(service, token ?? undefined)
          let made: Record<string, string>
          try {
            made = Object.fromEntries(await credentials.headers({ head, body: Buffer.from(body) }))
          } catch (error) {
            fc.pre(!(error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_NORMALIZE')))
            throw error
          }
          const { authorization, ...headers } = made
          const more = { extraHeadersToIgnore: { 'content-length': true } } // not in its types
          const wanted = aws4.sign(
            {
              ...more,
              service,
              region: 'us-east-1',
              method: 'POST',
              host: 'api.example',
              path,
              body,
              headers: { host: 'api.example', 'content-type': 'text/plain', ...headers },
            },
            keys,
          )
          expect(authorization).toBe(wanted.headers?.['Authorization'])
        },
      ),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 60), seed: 11 },
    )
  })

  test('a body that nobody has seen whole goes to S3 over TLS, and nowhere else', async () => {
    const to = (service: string, scheme: 'http' | 'https'): Promise<unknown> =>
      caught(signer(service).headers({ head: { ...HEAD, method: 'PUT', scheme }, body: null }))
    const headers = await signer('s3').headers({ head: { ...HEAD, method: 'PUT' }, body: null })
    expect(headers).toContainEqual(['x-amz-content-sha256', 'UNSIGNED-PAYLOAD'])
    expect(await to('s3', 'http')).toBeInstanceOf(ObligationError)
    expect(await to('execute-api', 'https')).toBeInstanceOf(ObligationError)
  })

  test('is not put beside one that the client brings in its query', async () => {
    const head = { ...HEAD, target: '/a?X-Amz-Signature=00&x=1' }
    expect(await caught(signer('s3').headers({ head, body: NO_BYTES }))).toBeInstanceOf(ObligationError)
  })
})

describe('a certificate of the gateway’s', () => {
  let directory: string
  let server: Server | null = null

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'countersign-mtls-'))
  })
  afterEach(async () => {
    server?.closeAllConnections()
    server?.close()
    await rm(directory, { recursive: true, force: true })
  })

  test('is shown to an API that asks for it; the next one, once its files hold it', async () => {
    const [api, first, second] = [
      issueCertificates(['localhost']),
      issueCertificates(['one']),
      issueCertificates(['two']),
    ]
    const own = createServer(
      { cert: api.certificate, key: api.key, ca: [first.ca, second.ca], requestCert: true, rejectUnauthorized: false },
      ({ socket }, response) => {
        const { subject } = (socket as TLSSocket).getPeerCertificate() // oxlint-disable-line typescript/no-unsafe-type-assertion -- it is a TLS server
        response.setHeader('connection', 'close')
        response.end(subject === undefined ? 'nobody' : String(subject.CN))
      },
    )
    own.listen(0, '127.0.0.1')
    await once(own, 'listening')
    server = own
    const address = own.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    let shown = first
    const config = configure({
      listen: { host: '127.0.0.1', port: 0 },
      apis: [
        {
          name: 'bank',
          hosts: 'any',
          upstream: {
            url: `https://localhost:${port}`,
            ca: secret(api.ca),
            client_certificate: {
              cert: secret(first.certificate, () => shown.certificate),
              key: secret(first.key, () => shown.key),
            },
          },
        },
      ],
    })
    const [bank] = config.apis
    if (bank === undefined) throw new Error('no API')
    const upstreams = new Upstreams(5000)
    const asked = async (): Promise<string> => {
      const answer = await upstreams.send(
        bank,
        { ...HEAD, authority: `localhost:${port}` },
        null,
        null,
        new AbortController().signal,
      )
      return Buffer.concat(await answer.body.toArray()).toString()
    }
    try {
      expect(await asked()).toBe('one')
      shown = second
      await expect.poll(asked, { timeout: 10_000 }).toBe('two')
    } finally {
      await upstreams.close()
    }
  })

  test('is for TLS alone', () => {
    const upstream = { url: 'http://localhost:1', client_certificate: { cert: secret('a'), key: secret('b') } }
    const section = { listen: { host: '127.0.0.1', port: 0 }, apis: [{ name: 'bank', hosts: 'any', upstream }] }
    expect(() => configure(section)).toThrow(ConfigError)
  })
})

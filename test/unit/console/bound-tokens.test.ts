import { createHash, X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issueCertificates, selfSigned } from '../../support/certificates.ts'
import { startIdentityProvider, type IdentityProvider } from '../../support/identity-provider.ts'
import { openGateway } from './setting.ts'

let provider: IdentityProvider
beforeAll(async () => {
  provider = await startIdentityProvider()
})
afterAll(() => provider.close())

const client = selfSigned('agent.bank.example')
const thief = selfSigned('thief.example')
const server = issueCertificates(['127.0.0.1'])

const thumbprint = ({ certificate }: { readonly certificate: string }): string =>
  createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url')

/** The status, and the code of a problem. */
function ask(
  url: string,
  token: string,
  as: { readonly certificate: string; readonly key: string } | null,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const identity = as === null ? {} : { cert: as.certificate, key: as.key }
  const headers = { authorization: `Bearer ${token}` }
  request(`${url}/v1/me`, { ca: server.ca, headers, agent: false, ...identity }, (response) => {
    let text = ''
    response.on('data', (chunk: Buffer) => (text += chunk.toString()))
    response.on('end', () => resolve(`${response.statusCode} ${String(Object(JSON.parse(text)).code ?? 'let in')}`))
  })
    .on('error', reject)
    .end()
  return promise
}

test('a token that is bound to a client certificate (RFC 8705) serves over a connection that proves it, and no other', async () => {
  const tls = { cert: server.certificate, key: server.key, clientCertificates: true }
  const { url } = await openGateway(provider, { tls })
  const cnf = { 'x5t#S256': thumbprint(client) }
  const token = await provider.tokenWith({ claims: { cnf } })
  expect(await ask(url, token, client)).toBe('200 let in')
  expect(await ask(url, token, thief)).toBe('401 ERR_IDENTITY_BINDING')
  expect(await ask(url, token, null)).toBe('401 ERR_IDENTITY_BINDING')
  const twice = await provider.tokenWith({ claims: { cnf: { ...cnf, jkt: 'x' } } })
  expect(await ask(url, twice, client)).toBe('401 ERR_IDENTITY_BINDING')
  expect(await ask(url, await provider.personToken('ann'), client)).toBe('200 let in')
})

test('where nobody is asked for a certificate, it serves nowhere', async () => {
  const { url } = await openGateway(provider, { tls: { cert: server.certificate, key: server.key } })
  const token = await provider.tokenWith({ claims: { cnf: { 'x5t#S256': thumbprint(client) } } })
  expect(await ask(url, token, client)).toBe('401 ERR_IDENTITY_BINDING')
})

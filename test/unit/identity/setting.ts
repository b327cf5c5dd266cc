import { createServer, type RequestListener, type Server } from 'node:http'
import { once } from 'node:events'
import { createTokenVerifier, type IssuerConfig, type TokenVerifier } from '../../../engine/identity/index.ts'

/** What a bank would configure for the embedded provider. */
export function issuerConfig(issuer: string, overrides: Partial<IssuerConfig> = {}): IssuerConfig {
  return {
    issuer,
    audience: 'countersign',
    algorithms: ['RS256', 'ES256'],
    maxLifetimeSeconds: 12 * 3600,
    keysMaxAgeSeconds: 24 * 3600,
    claims: { groups: 'groups', roles: 'roles', kind: 'kind', owner: 'owner' },
    ...overrides,
  }
}

/** A verifier whose clock runs `clock.ahead` ms ahead of the real one. */
export function verifierFor(
  issuer: string,
  overrides: Partial<IssuerConfig> = {},
): { readonly verifier: TokenVerifier; readonly clock: { ahead: number } } {
  const clock = { ahead: 0 }
  const verifier = createTokenVerifier([issuerConfig(issuer, overrides)], { now: () => Date.now() + clock.ahead })
  return { verifier, clock }
}

/** A web server on loopback that answers as it is told: for providers that misbehave. */
export async function listen(answer: RequestListener): Promise<{ server: Server; origin: string }> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { server, origin: `http://127.0.0.1:${address.port}` }
}

/** A token's three parts, the first two decoded. */
export function parts(token: string): { header: object; claims: object; signature: string } {
  const [header = '', claims = '', signature = ''] = token.split('.')
  return { header: decoded(header), claims: decoded(claims), signature }
}

function decoded(part: string): object {
  const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
  if (typeof value !== 'object' || value === null) throw new Error('not a token part')
  return value
}

export function encoded(value: object | string): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

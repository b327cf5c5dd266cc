import { createHash } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import type { TokenVerifier } from '../engine/identity/index.ts'
import { IdentityError, type Principal } from '../engine/index.ts'
import type { App, Request } from './app.ts'
import type { BrowserSession, BrowserSessions } from './browser-session.ts'

/** Who asks: what the routes under /v1 may know of it. */
export interface Callers {
  principalOf(request: Request): Principal
  /** What a change must bring that a browser's session asks for; null for who brought a token. */
  csrfOf(request: Request): string | null
}

type Caller = Omit<BrowserSession, 'csrf'> & { readonly csrf: string | null }

/**
 * Demands a bearer token (RFC 6750, 2.1), or a browser's session, on everything under /v1, before a body is read. `check`
 * throws for whom is not believed any more: a browser's session outlives what it began with.
 */
export function callers(
  app: App,
  verifier: TokenVerifier,
  sessions: BrowserSessions,
  check: (principal: Principal) => void,
): Callers {
  const known = new WeakMap<object, Caller>()
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.url?.startsWith('/v1/') !== true) return
    const { authorization } = request.headers
    // A token that comes along counts alone: who brings both is asked by the stricter of the two.
    const asksByCookie = authorization === undefined && sessions.isBrought(request)
    const caller = asksByCookie
      ? await sessions.of(request)
      : { principal: await verifier.verify(bearerToken(authorization), clientCertificate(request)), csrf: null }
    check(caller.principal)
    known.set(request, caller)
  })
  const caller = (request: Request): Caller => {
    const found = known.get(request)
    if (found === undefined) throw new IdentityError('ERR_IDENTITY_MALFORMED', 'nobody is signed in')
    return found
  }
  return { principalOf: (request) => caller(request).principal, csrfOf: (request) => caller(request).csrf }
}

function bearerToken(authorization: string | undefined): string {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (token !== undefined) return token
  const message = 'expected the header Authorization: Bearer <token>, with a token from the identity provider'
  throw new IdentityError('ERR_IDENTITY_MALFORMED', message)
}

/** SHA-256 of the certificate that the connection has proven, as RFC 8705 writes it; null: it brought none. */
export function clientCertificate(request: Request): string | null {
  const { socket } = request.raw
  if (!(socket instanceof TLSSocket)) return null
  const { raw }: { raw?: Buffer } = socket.getPeerCertificate()
  return raw === undefined ? null : createHash('sha256').update(raw).digest('base64url')
}

import * as oidc from 'openid-client'
import type { TokenVerifier } from '../engine/identity/index.ts'
import { CountersignError, IdentityError, type JsonObject, type Secret } from '../engine/index.ts'
import type { App, Reply, Request } from './app.ts'
import type { BrowserSessions } from './browser-session.ts'
import { htmlPage } from './html-page.ts'
import type { SealedCookies } from './sealed-cookies.ts'

/** The console as a client of an identity provider that the gateway believes already. */
export interface SignInConfig {
  readonly kind: 'oidc'
  readonly issuer: string
  readonly clientId: string
  /** Null: a public client, which PKCE alone protects. */
  readonly clientSecret: Secret | null
  readonly scope: string
  /** RFC 8707, for providers that give tokens of the gateway's audience only when it is named. */
  readonly resource: string | null
  /** What browsers call the gateway, without a path: `https://gateway.bank.example`. */
  publicUrl(): Promise<string>
}

export interface SignInRooms {
  readonly cookies: SealedCookies
  readonly sessions: BrowserSessions
  readonly verifier: TokenVerifier
  /** Whether browsers come over TLS. */
  readonly secure: boolean
  now(): number
  log(event: string, fields: JsonObject): void
}

export const CALLBACK = '/console/signed-in'
export const COOKIE = 'countersign-sign-in'
/** Between the provider's page and its answer, in seconds. */
export const PATIENCE_SECONDS = 600
const HOME = '/console/approvals'

/**
 * Sign-in by OpenID Connect: authorization code with PKCE, state and nonce. Who came is not what the ID token says but what
 * the engine's one verifier makes of the access token, as everywhere; the ID token only has to be of the same person.
 */
export function signInRoutes(app: App, config: SignInConfig, rooms: SignInRooms): void {
  const provider = discoverer(config)
  const redirectUri = async (): Promise<string> => `${await config.publicUrl()}${CALLBACK}`

  app.get<{ Querystring: { readonly return?: string } }>('/console/sign-in', async (request, reply) => {
    const verifier = oidc.randomPKCECodeVerifier()
    const flow = { verifier, state: oidc.randomState(), nonce: oidc.randomNonce(), back: ownPath(request.query.return) }
    const address = oidc.buildAuthorizationUrl(await provider(), {
      redirect_uri: await redirectUri(),
      scope: config.scope,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state: flow.state,
      nonce: flow.nonce,
      ...(config.resource === null ? {} : { resource: config.resource }),
    })
    await keepFlow(reply, flow, rooms)
    return reply.redirect(address.href)
  })

  app.get(CALLBACK, async (request, reply) => {
    reply.clearCookie(COOKIE, { path: CALLBACK })
    try {
      const back = await signedIn(request, reply, { provider, config, redirectUri: await redirectUri(), rooms })
      return await reply.redirect(back)
    } catch (error) {
      rooms.log('console.sign_in_refused', { code: codeOf(error) })
      return refuseSignIn(reply, error)
    }
  })
}

interface Flow {
  readonly verifier: string
  readonly state: string
  readonly nonce: string
  /** Where the person wanted to go. */
  readonly back: string
}

interface Landing {
  provider(): Promise<oidc.Configuration>
  readonly config: SignInConfig
  readonly redirectUri: string
  readonly rooms: SignInRooms
}

async function signedIn(request: Request, reply: Reply, landing: Landing): Promise<string> {
  const { rooms, config, redirectUri } = landing
  const flow = await flowOf(request, rooms)
  const tokens = await oidc.authorizationCodeGrant(
    await landing.provider(),
    new URL(request.url, redirectUri),
    { pkceCodeVerifier: flow.verifier, expectedState: flow.state, expectedNonce: flow.nonce, idTokenExpected: true },
    config.resource === null ? {} : { resource: config.resource },
  )
  const principal = await rooms.verifier.verify(tokens.access_token)
  if (tokens.claims()?.sub !== principal.id || principal.issuer !== config.issuer) {
    throw new IdentityError('ERR_IDENTITY_CLAIM', 'the provider’s two tokens are not of the same person')
  }
  if (principal.kind !== 'person' || principal.act.length > 0) {
    throw new IdentityError('ERR_IDENTITY_CLAIM', 'the console is for people, signed in as themselves')
  }
  await rooms.sessions.start(reply, principal)
  return flow.back
}

/** Asked of the provider once it is needed, and again after a failure: a provider that is away keeps no gateway from starting. */
function discoverer(config: SignInConfig): () => Promise<oidc.Configuration> {
  let known: Promise<oidc.Configuration> | null = null
  const authentication =
    config.clientSecret === null ? oidc.None() : oidc.ClientSecretPost(config.clientSecret.reveal())
  const issuer = new URL(config.issuer)
  // engine/identity has let plain HTTP through for loopback alone.
  const execute = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : []
  return () => {
    known ??= oidc
      .discovery(issuer, config.clientId, undefined, authentication, { execute })
      .catch((cause: unknown) => {
        known = null
        const message = 'the identity provider can’t be asked just now: try again in a moment'
        throw new IdentityError('ERR_IDENTITY_PROVIDER', message, { cause, retryable: true })
      })
    return known
  }
}

async function keepFlow(reply: Reply, flow: Flow, rooms: SignInRooms): Promise<void> {
  const sealed = await rooms.cookies.seal('sign-in', { ...flow }, Math.floor(rooms.now() / 1000) + PATIENCE_SECONDS)
  reply.setCookie(COOKIE, sealed, {
    path: CALLBACK,
    httpOnly: true,
    secure: rooms.secure,
    sameSite: 'lax',
    maxAge: PATIENCE_SECONDS,
  })
}

async function flowOf(request: Request, rooms: SignInRooms): Promise<Flow> {
  const flow = await rooms.cookies.open('sign-in', request.cookies[COOKIE])
  const { verifier, state, nonce, back } = flow ?? {}
  if (isText(verifier) && isText(state) && isText(nonce) && isText(back)) {
    return { verifier, state, nonce, back: ownPath(back) }
  }
  throw new IdentityError('ERR_IDENTITY_MALFORMED', 'this sign-in was not begun in this browser, or took too long')
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

/** A page of ours, never another site's: what comes in the address is whoever's wrote the link. */
export function ownPath(asked: string | undefined): string {
  return asked !== undefined && /^\/console\/[\w/-]*$/.test(asked) ? asked : HOME
}

export function codeOf(error: unknown): string {
  if (error instanceof CountersignError) return error.code
  return error instanceof Error && 'code' in error ? String(error.code) : 'ERR_INTERNAL'
}

/** People, not programs, read it. What the provider said stays out: it is text that came in an address. */
export function refuseSignIn(reply: Reply, error: unknown): Reply {
  const isProvider = error instanceof IdentityError && error.code === 'ERR_IDENTITY_PROVIDER'
  const said = error instanceof IdentityError ? error.message : 'the identity provider did not let you in'
  return htmlPage(reply.code(isProvider ? 503 : 403), {
    title: 'You are not signed in',
    paragraphs: [`${said.slice(0, 1).toUpperCase()}${said.slice(1)}.`],
    link: { to: `/console/sign-in`, text: 'Sign in' },
  })
}

import { randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import type { AssertionCredentials } from '../engine/identity/index.ts'
import { IdentityError, type Principal } from '../engine/index.ts'
import type { App, Reply, Request } from './app.ts'
import { takeForms } from './form.ts'
import {
  CALLBACK,
  codeOf,
  COOKIE,
  isText,
  ownPath,
  PATIENCE_SECONDS,
  refuseSignIn,
  type SignInRooms,
} from './sign-in.ts'

/** The console as a service provider of a SAML identity provider that the gateway believes already. */
export interface SamlSignInConfig {
  readonly kind: 'saml'
  readonly issuer: string
  /** What the provider calls the gateway. */
  readonly audience: string
  /** Where the provider takes requests (HTTP redirect binding). */
  readonly ssoUrl: string
  /** What browsers call the gateway, without a path: `https://gateway.bank.example`. */
  publicUrl(): Promise<string>
}

export interface SamlSignInRooms extends SignInRooms {
  /** The engine's door for assertions: verified, not revoked, recorded. */
  identify(credentials: AssertionCredentials): Promise<Principal>
}

const MAX_FORM_BYTES = 512 * 1024

/**
 * Sign-in by SAML 2.0's web browser profile: a request by redirect, the answer by a form that the browser posts. An answer
 * counts only in the browser that has asked, for the very request it asked with, and once.
 */
export function samlSignInRoutes(app: App, config: SamlSignInConfig, rooms: SamlSignInRooms): void {
  const recipient = async (): Promise<string> => `${await config.publicUrl()}${CALLBACK}`

  app.get<{ Querystring: { readonly return?: string } }>('/console/sign-in', async (request, reply) => {
    const id = `_${randomBytes(20).toString('hex')}`
    const text = authnRequest({
      id,
      now: rooms.now(),
      to: config.ssoUrl,
      by: config.audience,
      answerTo: await recipient(),
    })
    const address = new URL(config.ssoUrl)
    address.searchParams.set('SAMLRequest', deflateRawSync(text).toString('base64'))
    await keepFlow(reply, { id, back: ownPath(request.query.return) }, rooms)
    return reply.redirect(address.href)
  })

  takeForms(app)
  app.post(CALLBACK, { bodyLimit: MAX_FORM_BYTES }, async (request, reply) => {
    reply.clearCookie(COOKIE, COOKIE_TERMS)
    try {
      const { id, back } = await flowOf(request, rooms)
      const asked = { request: id, recipient: await recipient() }
      const principal = await rooms.identify({
        kind: 'saml',
        assertion: responseIn(request),
        source: request.ip,
        asked,
      })
      if (principal.issuer !== config.issuer || principal.kind !== 'person') {
        throw new IdentityError('ERR_IDENTITY_CLAIM', 'the console is for people, signed in where it sends them')
      }
      await rooms.sessions.start(reply, principal)
      return await reply.redirect(back, 303)
    } catch (error) {
      rooms.log('console.sign_in_refused', { code: codeOf(error) })
      return refuseSignIn(reply, error)
    }
  })
}

interface Flow {
  readonly id: string
  /** Where the person wanted to go. */
  readonly back: string
}

/** The provider's page posts the form, another site's: a cookie that is kept to our own site would not come along. */
const COOKIE_TERMS = { path: CALLBACK, httpOnly: true, secure: true, sameSite: 'none' } as const

async function keepFlow(reply: Reply, flow: Flow, rooms: SamlSignInRooms): Promise<void> {
  const sealed = await rooms.cookies.seal('sign-in', { ...flow }, Math.floor(rooms.now() / 1000) + PATIENCE_SECONDS)
  reply.setCookie(COOKIE, sealed, { ...COOKIE_TERMS, maxAge: PATIENCE_SECONDS })
}

async function flowOf(request: Request, rooms: SamlSignInRooms): Promise<Flow> {
  const { id, back } = (await rooms.cookies.open('sign-in', request.cookies[COOKIE])) ?? {}
  if (isText(id) && isText(back)) return { id, back: ownPath(back) }
  throw new IdentityError('ERR_IDENTITY_MALFORMED', 'this sign-in was not begun in this browser, or took too long')
}

function responseIn({ body }: Request): string {
  const [response, ...more] = typeof body === 'string' ? new URLSearchParams(body).getAll('SAMLResponse') : []
  if (response !== undefined && more.length === 0) return response
  throw new IdentityError('ERR_IDENTITY_MALFORMED', 'expected a form with one SAMLResponse')
}

interface Asking {
  readonly id: string
  readonly now: number
  readonly to: string
  readonly by: string
  readonly answerTo: string
}

/** SAML core, 3.4.1; profiles, 4.1.4.1. */
function authnRequest({ id, now, to, by, answerTo }: Asking): string {
  return (
    `<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"` +
    ` ID="${id}" Version="2.0" IssueInstant="${new Date(now).toISOString()}" Destination="${escaped(to)}"` +
    ` AssertionConsumerServiceURL="${escaped(answerTo)}" ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST">` +
    `<saml:Issuer>${escaped(by)}</saml:Issuer></samlp:AuthnRequest>`
  )
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

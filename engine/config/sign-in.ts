import type { ConfigDocument } from './document.ts'
import { shapeAt, type OutsideTexts } from './outside-texts.ts'
import type { SignInText } from './validation.ts'
import type { IssuerConfig, SamlProvider } from '../identity/index.ts'
import type { Secret } from '../secret.ts'

/** How people sign in to the console, at one of the identity providers that the gateway believes. */
export type SignIn = OidcSignIn | SamlSignIn

export interface OidcSignIn {
  readonly kind: 'oidc'
  readonly issuer: string
  readonly clientId: string
  /** Null: a public client, which PKCE alone protects. */
  readonly clientSecret: Secret | null
  readonly scope: string
  /** RFC 8707: for providers that give a token of the gateway's audience only when its resource is named. */
  readonly resource: string | null
  /** What browsers call the gateway, without a path; null: as it listens, which only loopback may leave it at. */
  readonly publicUrl: string | null
}

export interface SamlSignIn {
  readonly kind: 'saml'
  readonly issuer: string
  readonly audience: string
  /** Where the provider takes requests. */
  readonly ssoUrl: string
  readonly publicUrl: string | null
}

interface Around {
  readonly document: ConfigDocument
  readonly outside: OutsideTexts
  readonly issuers: readonly IssuerConfig[]
  readonly saml: readonly SamlProvider[]
}

const PATH = ['api', 'sign_in'] as const

/** Throws ConfigError for an issuer that isn't one of `identity.issuers` or `identity.saml`, and for an address that browsers can't trust. */
export function signIn(text: SignInText | undefined, around: Around): SignIn | null {
  if (text === undefined) return null
  const { document, issuers, saml } = around
  const publicUrl = text.public_url === undefined ? null : origin(text.public_url, document)
  const provider = saml.find(({ issuer }) => issuer === text.issuer)
  if (provider !== undefined) return bySaml(text, provider, publicUrl, around)
  if (issuers.some(({ issuer }) => issuer === text.issuer)) return byOidc(text, publicUrl, around)
  const known = [...issuers, ...saml].map(({ issuer }) => issuer)
  throw shapeAt(
    document,
    [...PATH, 'issuer'],
    `one of identity.issuers or identity.saml: ${known.join(', ')}`,
    text.issuer,
  )
}

function byOidc(text: SignInText, publicUrl: string | null, { document, outside }: Around): OidcSignIn {
  const { issuer, client_id: clientId, client_secret: secret, scope, resource = null } = text
  if (clientId === undefined)
    throw shapeAt(document, [...PATH, 'client_id'], 'what the provider calls the console', 'nothing')
  if (text.sso_url !== undefined)
    throw shapeAt(document, [...PATH, 'sso_url'], 'nothing, at a provider of identity.issuers', text.sso_url)
  const clientSecret = secret === undefined ? null : outside.read(secret, [...PATH, 'client_secret'])
  return { kind: 'oidc', issuer, clientId, clientSecret, scope: scope ?? 'openid', resource, publicUrl }
}

function bySaml(text: SignInText, provider: SamlProvider, publicUrl: string | null, { document }: Around): SamlSignIn {
  for (const name of ['client_id', 'client_secret', 'scope', 'resource'] as const) {
    if (text[name] !== undefined)
      throw shapeAt(document, [...PATH, name], 'nothing, at a provider of identity.saml', 'something')
  }
  const { issuer, audience } = provider
  const url = URL.parse(text.sso_url ?? '')
  if (url !== null && isSafe(url)) return { kind: 'saml', issuer, audience, ssoUrl: url.href, publicUrl }
  const expected = 'where the provider takes sign-in requests: an https URL, or http on loopback'
  throw shapeAt(document, [...PATH, 'sso_url'], expected, text.sso_url ?? 'nothing')
}

function origin(address: string, document: ConfigDocument): string {
  const url = URL.parse(address)
  const isOrigin = url !== null && (address === url.origin || address === `${url.origin}/`)
  if (isOrigin && isSafe(url)) return url.origin
  throw shapeAt(document, [...PATH, 'public_url'], 'an https URL without a path, or http on loopback', address)
}

function isSafe({ protocol, hostname }: URL): boolean {
  const isLocal = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]'
  return protocol === 'https:' || (protocol === 'http:' && isLocal)
}

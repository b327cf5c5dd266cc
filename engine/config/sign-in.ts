import type { ConfigDocument } from './document.ts'
import { shapeAt, type OutsideTexts } from './outside-texts.ts'
import type { SignInText } from './validation.ts'
import type { IssuerConfig } from '../identity/index.ts'
import type { Secret } from '../secret.ts'

/** The console as a client of one of the identity providers that the gateway believes. */
export interface SignIn {
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

interface Around {
  readonly document: ConfigDocument
  readonly outside: OutsideTexts
  readonly issuers: readonly IssuerConfig[]
}

const PATH = ['api', 'sign_in'] as const

/** Throws ConfigError for an issuer that isn't one of `identity.issuers`, and for an address that browsers can't trust. */
export function signIn(text: SignInText | undefined, { document, outside, issuers }: Around): SignIn | null {
  if (text === undefined) return null
  if (!issuers.some(({ issuer }) => issuer === text.issuer)) {
    const expected = `one of identity.issuers: ${issuers.map(({ issuer }) => issuer).join(', ')}`
    throw shapeAt(document, [...PATH, 'issuer'], expected, text.issuer)
  }
  return {
    issuer: text.issuer,
    clientId: text.client_id,
    clientSecret:
      text.client_secret === undefined ? null : outside.read(text.client_secret, [...PATH, 'client_secret']),
    scope: text.scope,
    resource: text.resource ?? null,
    publicUrl: text.public_url === undefined ? null : origin(text.public_url, document),
  }
}

function origin(address: string, document: ConfigDocument): string {
  const url = URL.parse(address)
  const isOrigin = url !== null && (address === url.origin || address === `${url.origin}/`)
  const isLocal = url?.hostname === 'localhost' || url?.hostname === '127.0.0.1' || url?.hostname === '[::1]'
  if (isOrigin && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))) return url.origin
  throw shapeAt(document, [...PATH, 'public_url'], 'an https URL without a path, or http on loopback', address)
}

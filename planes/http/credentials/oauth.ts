import * as oidc from 'openid-client'
import { type Secret, UpstreamError } from '../../../engine/index.ts'
import type { UpstreamCredentials } from './credentials.ts'
import { AccessToken, type GrantedToken } from './access-token.ts'
import { FreshText } from './fresh-text.ts'

/** The gateway as a client of the API's authorization server (RFC 6749, 4.4). */
export interface OauthText {
  readonly token_url: string
  readonly client_id: string
  readonly client_secret: Secret
  /** How it proves itself: RFC 6749, 2.3.1, in the header or in the body. */
  readonly authentication: 'basic' | 'post'
  readonly scope?: string
  /** RFC 8707. */
  readonly resource?: string
  /** As some servers want it in place of a resource. */
  readonly audience?: string
}

const PATIENCE_SECONDS = 10
/** RFC 6750, 2.1. */
const TOKEN = /^[A-Za-z0-9._~+/-]{1,16384}=*$/

export function oauthCredentials(text: OauthText, now: () => number): UpstreamCredentials {
  const secret = new FreshText(text.client_secret, now)
  const held = new AccessToken(() => granted(text, secret.read()), now)
  return {
    names: new Set(['authorization']),
    headers: async () => [['authorization', `Bearer ${await held.get()}`]],
    refused: () => held.refused(),
  }
}

async function granted(text: OauthText, secret: string): Promise<GrantedToken> {
  const asked: Record<string, string> = {}
  for (const name of ['scope', 'resource', 'audience'] as const) {
    const value = text[name]
    if (value !== undefined) asked[name] = value
  }
  const answer = await oidc.clientCredentialsGrant(clientOf(text, secret), asked)
  if (!TOKEN.test(answer.access_token))
    throw new UpstreamError('ERR_UPSTREAM_AUTH', 'the authorization server gave a token that no header may hold')
  return { token: answer.access_token, seconds: answer.expiresIn() ?? null }
}

function clientOf({ token_url: url, client_id: id, authentication }: OauthText, secret: string): oidc.Configuration {
  const proof = authentication === 'basic' ? oidc.ClientSecretBasic(secret) : oidc.ClientSecretPost(secret)
  const client = new oidc.Configuration({ issuer: new URL(url).origin, token_endpoint: url }, id, undefined, proof)
  client.timeout = PATIENCE_SECONDS
  // The configuration has let plain HTTP through for loopback alone.
  if (url.startsWith('http:')) oidc.allowInsecureRequests(client)
  return client
}

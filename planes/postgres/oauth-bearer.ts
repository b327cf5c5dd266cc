import { ProtocolError } from '../../engine/index.ts'

/** The SASL mechanism of RFC 7628, as PostgreSQL 18 has it. */
export const OAUTHBEARER = 'OAUTHBEARER'

/** Where a client that has no token, or a bad one, is sent. */
export interface OAuthConfig {
  /** The identity provider, whose `/.well-known/openid-configuration` says how to get a token. */
  readonly issuer: string
  /** As OAuth writes it: names, separated by blanks. */
  readonly scope: string
  /** Who is asked for a token by OAUTHBEARER, by the user name of the startup message; others ask with `countersign.auth=oauth`. */
  readonly users: readonly string[]
}

/** RFC 5801: no channel binding, no other identity. Then key-value pairs, each behind 0x01, and two of these at the end. */
// oxlint-disable-next-line no-control-regex -- RFC 7628 separates by 0x01
const INITIAL = /^[ny],,\x01((?:[A-Za-z]+=[^\x01]*\x01)*)\x01$/
/** RFC 6750, b64token. */
const BEARER = /^bearer +([\w.~+/-]+=*)$/i

/**
 * The token in a client's first message; null where it has none and asks where to get one. Throws ProtocolError; what the
 * client sent is never part of it.
 */
export function readBearer(response: Buffer): string | null {
  const [, pairs] = INITIAL.exec(response.toString('latin1')) ?? []
  if (pairs === undefined) throw malformed('a GS2 header without channel binding or another identity, then its pairs')
  const values = pairs.split('\x01').flatMap((pair) => (pair.startsWith('auth=') ? [pair.slice('auth='.length)] : []))
  const [value] = values
  if (value === undefined || values.length > 1) throw malformed('one auth')
  if (value === '') return null
  const [, token] = BEARER.exec(value) ?? []
  if (token === undefined) throw malformed('a bearer token')
  return token
}

/** RFC 7628, 3.2.2: the same for a token that isn't good and for none at all. */
export function challenge({ issuer, scope }: OAuthConfig): Buffer {
  const configuration = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  return Buffer.from(JSON.stringify({ status: 'invalid_token', 'openid-configuration': configuration, scope }))
}

/** What the client must answer to a challenge, before it is told that it failed. */
export function isSurrender(response: Buffer): boolean {
  return response.length === 1 && response[0] === 0x01
}

function malformed(expected: string): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `${OAUTHBEARER}: ${expected} is expected`)
}

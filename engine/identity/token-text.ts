import { IdentityError } from '../errors.ts'
import type { JsonObject } from '../access-request.ts'

/** Characters of a compact JWS that are looked at at all; nothing is decoded of a longer one. */
export const MAX_TOKEN_LENGTH: number = 64 * 1024

/** A compact JWS (RFC 7515, 3.1) taken apart, believed in nothing yet. */
export interface TokenText {
  readonly header: JsonObject
  readonly claims: JsonObject
}

// Three base64url parts; the third may be empty, so that an unsigned token is refused for its algorithm and not its shape.
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/

/** Takes a token apart. Throws ERR_IDENTITY_MALFORMED; the text of the token is in no message. */
export function readToken(token: string): TokenText {
  if (token.length > MAX_TOKEN_LENGTH) throw malformed(`is longer than ${MAX_TOKEN_LENGTH} characters`)
  if (!COMPACT.test(token)) throw malformed('is not three base64url parts joined by dots')
  const [header = '', claims = ''] = token.split('.')
  return { header: readPart(header, 'header'), claims: readPart(claims, 'claims') }
}

function readPart(part: string, name: string): JsonObject {
  let value: unknown
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(part, 'base64url'))
    value = JSON.parse(text)
  } catch {
    throw malformed(`has a ${name} part that is not JSON in UTF-8`) // no cause: JSON.parse quotes what it read
  }
  if (!isObject(value)) throw malformed(`has a ${name} part that is not a JSON object`)
  if (repeatsMember(text)) throw malformed(`names a member twice in its ${name} part`)
  return value
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(what: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_MALFORMED', `the token ${what}`)
}

const TOKENS = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/g

/**
 * Whether valid JSON text names a member twice in one object, at any depth. Parsers differ in which of the two they
 * keep (RFC 8259, 4), so the identity provider and we could read different claims out of the same signature.
 */
function repeatsMember(text: string): boolean {
  const open: Set<unknown>[] = []
  for (const [token, colon] of text.matchAll(TOKENS)) {
    if (token === '{') open.push(new Set())
    else if (token === '}') open.pop()
    else if (colon !== undefined) {
      const name: unknown = JSON.parse(token.slice(0, -colon.length)) // unescaped: "\u0061" is "a"
      const names = open.at(-1)
      if (names === undefined || names.has(name)) return true
      names.add(name)
    }
  }
  return false
}

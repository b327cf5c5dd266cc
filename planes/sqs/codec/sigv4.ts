import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto'

/** AWS's Signature Version 4: what is signed of a request, and with what. The same for requests that come and that go. */
export const ALGORITHM = 'AWS4-HMAC-SHA256'

/** What a signature is good for. */
export interface SignatureScope {
  /** YYYYMMDD. */
  readonly day: string
  readonly region: string
  readonly service: string
}

/** The request as it is signed; `path` has one spelling and no query string, so it stands as it is. */
export interface SignedParts {
  readonly method: string
  readonly path: string
  readonly headers: ReadonlyMap<string, string>
  /** Names of the headers that are signed: lower case, sorted. */
  readonly signed: readonly string[]
  /** SHA-256 of the body, hex. */
  readonly payload: string
}

export function signatureOf(secret: string, scope: SignatureScope, time: string, request: SignedParts): Buffer {
  const toSign = `${ALGORITHM}\n${time}\n${scopeText(scope)}\n${hash('sha256', canonicalRequest(request))}`
  return hmac(signingKey(secret, scope), toSign)
}

export function scopeText({ day, region, service }: SignatureScope): string {
  return `${day}/${region}/${service}/aws4_request`
}

const KEYS = new Map<string, KeyObject>()
const MOST_KEYS = 1000

/** One a secret, day and scope, whether the secret is somebody's or nobody's: kept, oldest out first. */
function signingKey(secret: string, scope: SignatureScope): KeyObject {
  const of = `${scopeText(scope)}/${secret}`
  const known = KEYS.get(of)
  if (known !== undefined) return known
  const { day, region, service } = scope
  let key = createSecretKey(`AWS4${secret}`, 'utf8') // with bare bytes an HMAC takes five times as long
  for (const step of [day, region, service, 'aws4_request']) key = createSecretKey(hmac(key, step))
  const oldest = KEYS.keys().next()
  if (KEYS.size >= MOST_KEYS && oldest.done !== true) KEYS.delete(oldest.value)
  KEYS.set(of, key)
  return key
}

function hmac(key: KeyObject, value: string): Buffer {
  return createHmac('sha256', key).update(value).digest()
}

function canonicalRequest({ method, path, headers, signed, payload }: SignedParts): string {
  let lines = ''
  for (const name of signed) lines += `${name}:${trimmed(headers.get(name) ?? '')}\n`
  return `${method}\n${path}\n\n${lines}\n${signed.join(';')}\n${payload}`
}

function trimmed(value: string): string {
  const inner = value.trim()
  return inner.includes('  ') ? inner.replaceAll(/ +/g, ' ') : inner
}

/** A moment as signatures write it: YYYYMMDDTHHMMSSZ. */
export function signingTime(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, '')
}

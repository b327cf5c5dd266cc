import { hash, timingSafeEqual } from 'node:crypto'
import { IdentityError } from '../../../engine/index.ts'
import type { HttpMessage } from '../codec/http-message.ts'
import { type SignatureScope, signatureOf } from '../codec/sigv4.ts'

/** Whose clock may be how far from ours (AWS: five minutes). */
const SKEW_MS = 5 * 60_000

/** What the Authorization header says, in form and not yet proven. */
export interface ClaimedSignature extends SignatureScope {
  readonly accessKeyId: string
  readonly signedHeaders: readonly string[]
  /** 64 hexadecimal digits. */
  readonly signature: string
  /** YYYYMMDDTHHMMSSZ. */
  readonly time: string
}

export interface SigningScope {
  readonly service: string
  readonly regions: readonly string[]
}

/** One text for whatever is wrong: which part of a signature was right is nobody's business. */
export function signatureRefused(
  code: 'ERR_IDENTITY_SIGNATURE' | 'ERR_IDENTITY_MALFORMED' | 'ERR_IDENTITY_EXPIRED',
): IdentityError {
  return new IdentityError(code, 'the request is not signed with credentials that count here, or its clock is wrong')
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([A-Za-z0-9]{1,128})\/(\d{8})\/([a-z0-9-]{1,32})\/([a-z0-9-]{1,32})\/aws4_request,[ ]?SignedHeaders=([a-z0-9!#$%&'*+.^_`|~;-]{1,4096}),[ ]?Signature=([0-9a-f]{64})$/

/**
 * Reads the signature's claim and judges all that needs no key: form, clock, scope, and that every header which means
 * something is signed. Signatures in the query string, unsigned or streamed payloads have no form here.
 */
export function readClaim(message: HttpMessage, scope: SigningScope, nowMs: number): ClaimedSignature {
  const { headers } = message
  const found = AUTHORIZATION.exec(headers.get('authorization') ?? '')
  const time = headers.get('x-amz-date') ?? ''
  if (found === null) throw signatureRefused('ERR_IDENTITY_MALFORMED')
  const [, accessKeyId = '', day = '', region = '', service = '', names = '', signature = ''] = found
  const signedHeaders = names.split(';')
  if (!inOrder(signedHeaders) || !signedHeaders.every((name) => headers.has(name)))
    throw signatureRefused('ERR_IDENTITY_MALFORMED')
  if (!coversAll(headers, signedHeaders)) throw signatureRefused('ERR_IDENTITY_SIGNATURE')
  if (service !== scope.service || !scope.regions.includes(region)) throw signatureRefused('ERR_IDENTITY_SIGNATURE')
  const signedAt = timeOf(time)
  if (day !== time.slice(0, 8) || Number.isNaN(signedAt)) throw signatureRefused('ERR_IDENTITY_MALFORMED')
  if (Math.abs(nowMs - signedAt) > SKEW_MS) throw signatureRefused('ERR_IDENTITY_EXPIRED')
  return { accessKeyId, day, region, service, signedHeaders, signature, time }
}

/** Sorted, each once: an order of its own would be a second way to write the same. */
function inOrder(names: readonly string[]): boolean {
  return names.every((name, index) => name !== '' && (index === 0 || (names[index - 1] ?? '') < name))
}

/**
 * content-type is not among them: AWS SDK for JavaScript 2 never signs it. Which protocol a request is in hangs on
 * x-amz-target, which is signed where it stands: JSON without one, and a form with one, are both refused.
 */
const DECISIVE = ['host', 'x-amz-date']

function coversAll(headers: ReadonlyMap<string, string>, signed: readonly string[]): boolean {
  const covered = new Set(signed)
  if (!DECISIVE.every((name) => covered.has(name))) return false
  for (const name of headers.keys()) if (name.startsWith('x-amz-') && !covered.has(name)) return false
  return true
}

const TIME = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/

let lately: { readonly written: string; readonly ms: number } = { written: '', ms: Number.NaN }

/** Milliseconds since 1970; NaN for what is no time. Many requests are signed in one second. */
function timeOf(written: string): number {
  if (written !== lately.written) lately = { written, ms: readTime(written) }
  return lately.ms
}

function readTime(written: string): number {
  const iso = written.replace(TIME, '$1-$2-$3T$4:$5:$6.000Z')
  const ms = Date.parse(iso)
  return Number.isNaN(ms) || new Date(ms).toISOString() !== iso ? Number.NaN : ms
}

/**
 * Whether the request was signed with this secret. The body's own hash counts; what a header says of it must agree. The
 * listener takes only paths whose every character needs no escape, and no query string: there is one way to write them.
 */
export function isSignedWith(secret: string, claim: ClaimedSignature, message: HttpMessage): boolean {
  const { method, target: path, headers, body } = message
  const payload = hash('sha256', body)
  const expected = signatureOf(secret, claim, claim.time, {
    method,
    path,
    headers,
    signed: claim.signedHeaders,
    payload,
  })
  const same = timingSafeEqual(expected, Buffer.from(claim.signature, 'hex'))
  const said = headers.get('x-amz-content-sha256')
  return same && (said === undefined || said === payload)
}

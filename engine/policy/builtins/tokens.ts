import { createHmac, createPrivateKey, sign, timingSafeEqual } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { compareRego, isNumber, isRegoObject, regoNumber } from '../rego-value.ts'
import type { RegoObject, RegoValue } from '../rego-value.ts'
import { field, jsonFromRego, regoFromJson, regoObject } from '../rego-json.ts'
import { jwks, verificationKeys } from './key-texts.ts'
import type { VerificationKey } from './key-texts.ts'
import { beyondHost, objectOperand, stringOperand, wrongOperand } from './operands.ts'
import type { Calls, Circumstances } from './operands.ts'
import { isSigned } from './signatures.ts'
import { utf8 } from './texts.ts'

/** JSON Web Tokens (RFC 7519, 7515) as OPA judges them. */
export const TOKEN_CALLS: Calls = {
  'io.jwt.decode': ([token], name) => decode(stringOperand(token, name), name),
  'io.jwt.decode_verify': ([token, constraints], name, circumstances) =>
    decodeVerify(
      stringOperand(token, name),
      constraintsOf(objectOperand(constraints, name), name, circumstances),
      name,
    ),
  'io.jwt.encode_sign': ([header, payload, key], name) =>
    encodeSign(json(header, name), json(payload, name), json(key, name), name),
  'io.jwt.encode_sign_raw': ([header, payload, key], name) =>
    encodeSign(stringOperand(header, name), stringOperand(payload, name), stringOperand(key, name), name),
  ...Object.fromEntries(
    ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'].map((algorithm) => [
      `io.jwt.verify_${algorithm.toLowerCase()}`,
      ([token, keys]: readonly RegoValue[], name: string) =>
        isSignedByAny(
          split(stringOperand(token, name), name),
          verificationKeys(stringOperand(keys, name), name),
          algorithm,
          name,
        ),
    ]),
  ),
  ...Object.fromEntries(
    ['HS256', 'HS384', 'HS512'].map((algorithm) => [
      `io.jwt.verify_${algorithm.toLowerCase()}`,
      ([token, secret]: readonly RegoValue[], name: string) =>
        isMac(split(stringOperand(token, name), name), stringOperand(secret, name), algorithm, name),
    ]),
  ),
}

/** A token's three parts as they were sent. */
interface Token {
  readonly header: string
  readonly payload: string
  readonly signature: string
}

interface Header {
  readonly fields: RegoObject
  readonly alg: string
  readonly kid: string
  readonly cty: string
  /** Null where the token must not be believed: without an algorithm, or with a critical parameter nobody knows. */
  readonly valid: boolean
}

function json(value: RegoValue | undefined, name: string): string {
  if (value === undefined) throw wrongOperand(name, 'a value')
  return jsonFromRego(value)
}

function split(text: string, name: string): Token {
  const [header, payload, signature, ...more] = text.split('.')
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
    throw wrongOperand(name, 'a token of three parts')
  }
  return { header, payload, signature }
}

function bytes(part: string, name: string): Buffer {
  const bare = part.replaceAll(/[\r\n]/g, '')
  const padding = /=*$/.exec(bare)?.[0].length ?? 0
  const body = bare.slice(0, bare.length - padding)
  const right = padding === 0 ? body.length % 4 !== 1 : padding < 3 && (body.length + padding) % 4 === 0
  if (!right || !/^[\w-]*$/.test(body)) throw wrongOperand(name, 'base64url')
  return Buffer.from(body, 'base64url')
}

function object(part: Uint8Array, name: string): RegoObject {
  const value = parsed(utf8(part, name), name)
  if (!isRegoObject(value)) throw wrongOperand(name, 'a JSON object in the token')
  return value
}

function parsed(text: string, name: string): RegoValue {
  try {
    return regoFromJson(text)
  } catch {
    throw wrongOperand(name, 'JSON in the token')
  }
}

function headerObject({ header }: Token, name: string): RegoObject {
  const fields = object(bytes(header, name), name)
  if (field(fields, 'enc') !== undefined) throw wrongOperand(name, 'a signed token, not an encrypted one')
  return fields
}

/** A token within the token (`cty` JWT) is the one that is decoded. */
function decode(text: string, name: string): RegoValue {
  const token = split(text, name)
  const header = headerObject(token, name)
  const payload = bytes(token.payload, name)
  const kind = field(header, 'cty')
  if (kind !== undefined && stringOperand(kind, name) === 'JWT') {
    return decode(
      utf8(payload, name)
        .replace(/^["']+/, '')
        .replace(/["']+$/, ''),
      name,
    )
  }
  return [header, object(payload, name), bytes(token.signature, name).toString('hex')]
}

const STRING_PARAMETERS = ['alg', 'kid', 'typ', 'cty']

function headerOf(token: Token, name: string): Header {
  const fields = headerObject(token, name)
  const text = (key: string): string => {
    const value = field(fields, key)
    return value === undefined ? '' : stringOperand(value, name)
  }
  const [alg = '', kid = '', , cty = ''] = STRING_PARAMETERS.map(text)
  const critical = criticalOf(field(fields, 'crit'), name)
  const unknown = critical.some(
    (parameter) => field(fields, parameter) !== undefined && ![...STRING_PARAMETERS, 'crit'].includes(parameter),
  )
  return { fields, alg, kid, cty, valid: alg !== '' && !unknown }
}

function criticalOf(value: RegoValue | undefined, name: string): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw wrongOperand(name, 'crit to be a list')
  const names = value.filter((item) => typeof item === 'string')
  if (names.length === 0) throw wrongOperand(name, 'crit to name something')
  return names
}

function signingInput({ header, payload }: Token): Buffer {
  return Buffer.from(`${header}.${payload}`)
}

/** The key that the header names, if there is one; else any whose own algorithm is the header's or not told. */
function isSignedByAny(token: Token, keys: readonly VerificationKey[], algorithm: string, name: string): boolean {
  const signature = bytes(token.signature, name)
  const { kid, alg } = headerOf(token, name)
  const named = kid === '' ? undefined : keys.find(({ id }) => id === kid)
  const candidates = named === undefined ? keys.filter((key) => key.algorithm === '' || key.algorithm === alg) : [named]
  return candidates.some(({ key }) => key !== null && isSigned(signingInput(token), signature, key, algorithm))
}

function isMac(token: Token, secret: string, algorithm: string, name: string): boolean {
  const signature = bytes(token.signature, name)
  const wanted = createHmac(`sha${algorithm.slice(2)}`, secret)
    .update(signingInput(token))
    .digest()
  return wanted.length === signature.length && timingSafeEqual(wanted, signature)
}

/** What decode_verify is told to insist on. */
interface Constraints {
  readonly trust:
    | { readonly kind: 'secret'; readonly secret: string }
    | { readonly kind: 'keys'; readonly keys: readonly VerificationKey[] }
  readonly alg: string
  readonly iss: string
  readonly aud: string
  /** Nanoseconds since 1970. */
  readonly time: number
}

function constraintsOf(given: RegoObject, name: string, circumstances: Circumstances): Constraints {
  const known = ['cert', 'secret', 'alg', 'iss', 'aud', 'time']
  if (!given.entries.every(([key]) => typeof key === 'string' && known.includes(key))) {
    throw wrongOperand(name, `constraints of ${known.join(', ')}`)
  }
  const text = (key: string): string => {
    const value = field(given, key)
    return value === undefined ? '' : stringOperand(value, name)
  }
  const [cert, secret] = [field(given, 'cert'), text('secret')]
  if ((cert === undefined) === (secret === '')) throw wrongOperand(name, 'one of cert and secret')
  const trust =
    cert === undefined
      ? { kind: 'secret' as const, secret }
      : { kind: 'keys' as const, keys: verificationKeys(stringOperand(cert, name), name) }
  return {
    trust,
    alg: text('alg'),
    iss: text('iss'),
    aud: text('aud'),
    time: timeIn(field(given, 'time'), circumstances, name),
  }
}

function timeIn(value: RegoValue | undefined, circumstances: Circumstances, name: string): number {
  if (value === undefined) return Number(circumstances.nowNs)
  const time = isNumber(value) ? Number(value.text) : Number.NaN
  if (!(time >= 0)) throw wrongOperand(name, 'a time that is not negative')
  return time
}

function decodeVerify(text: string, constraints: Constraints, name: string): RegoValue {
  const unverified: RegoValue = [false, regoObject([]), regoObject([])]
  for (let at = text; ;) {
    const token = split(at, name)
    const header = headerOf(token, name)
    if (!header.valid || (constraints.alg !== '' && constraints.alg !== header.alg)) return unverified
    if (!isTrusted(token, header, constraints, name)) return unverified
    const payload = bytes(token.payload, name)
    if (header.cty.toLowerCase() === 'jwt') {
      at = utf8(payload, name)
      continue
    }
    const claims = object(payload, name)
    return claimsHold(claims, constraints, name) ? [true, header.fields, claims] : unverified
  }
}

function isTrusted(token: Token, { alg, kid }: Header, { trust }: Constraints, name: string): boolean {
  switch (trust.kind) {
    case 'secret':
      bytes(token.signature, name)
      return ['HS256', 'HS384', 'HS512'].includes(alg) && isMac(token, trust.secret, alg, name)
    case 'keys': {
      const signature = bytes(token.signature, name)
      const named = kid === '' ? undefined : trust.keys.find(({ id }) => id === kid)
      const candidates = named === undefined ? trust.keys.filter((key) => ['', alg].includes(key.algorithm)) : [named]
      return candidates.some(({ key }) => key !== null && isSigned(signingInput(token), signature, key, alg))
    }
    default:
      return trust satisfies never
  }
}

function claimsHold(claims: RegoObject, { iss, aud, time }: Constraints, name: string): boolean {
  const issuer = field(claims, 'iss')
  if (iss !== '' && (issuer === undefined || stringOperand(issuer, name) !== iss)) return false
  const audience = field(claims, 'aud')
  if (audience === undefined ? aud !== '' : !isFor(audience, aud)) return false
  const now = secondsOf(time)
  const [expiry, notBefore] = [seconds(claims, 'exp', name), seconds(claims, 'nbf', name)]
  if (expiry !== undefined && compareRego(now, expiry) >= 0) return false
  return notBefore === undefined || compareRego(now, notBefore) >= 0
}

function isFor(audience: RegoValue, wanted: string): boolean {
  if (typeof audience === 'string') return audience === wanted
  return Array.isArray(audience) && audience.includes(wanted)
}

function seconds(claims: RegoObject, key: string, name: string): RegoValue | undefined {
  const value = field(claims, key)
  if (value !== undefined && !isNumber(value)) throw wrongOperand(name, `${key} to be a number`)
  return value
}

function secondsOf(time: number): RegoValue {
  const whole = time / 1e9
  return Number.isSafeInteger(whole) ? regoNumber(whole) : { kind: 'number', text: String(whole) }
}

/**
 * Only signatures that are the same each time: a random one would have to be recorded for replays, and what is signed here
 * lets its bearer in somewhere.
 */
function encodeSign(header: string, payload: string, keyText: string, name: string): string {
  const [jwk] = jwks(keyText, name)
  if (jwk === undefined) throw wrongOperand(name, 'a key')
  const fields = parsed(header, name)
  const [alg, typ] = isRegoObject(fields) ? [field(fields, 'alg'), field(fields, 'typ')] : []
  if (typ === undefined || typ === 'JWT') parsed(payload, name)
  const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`
  return `${input}.${signatureOf(input, jwk, stringOperand(alg, name), name).toString('base64url')}`
}

function signatureOf(input: string, jwk: JsonWebKey, algorithm: string, name: string): Buffer {
  const digest = `sha${algorithm.slice(2)}`
  switch (algorithm) {
    case 'HS256':
    case 'HS384':
    case 'HS512':
      if (jwk.kty !== 'oct' || typeof jwk.k !== 'string') throw wrongOperand(name, 'a symmetric key')
      return createHmac(digest, bytes(jwk.k, name)).update(input).digest()
    case 'RS256':
    case 'RS384':
    case 'RS512':
      return sign(digest, Buffer.from(input), privateKey(jwk, 'RSA', name))
    case 'EdDSA':
      return sign(null, Buffer.from(input), privateKey(jwk, 'OKP', name))
    case 'PS256':
    case 'PS384':
    case 'PS512':
    case 'ES256':
    case 'ES384':
    case 'ES512':
      throw beyondHost(name, `a signature that is random (${algorithm})`)
    default:
      throw wrongOperand(name, 'a known algorithm')
  }
}

function privateKey(jwk: JsonWebKey, kind: string, name: string): KeyObject {
  if (jwk.kty !== kind || jwk.d === undefined) throw wrongOperand(name, `a private key of kind ${kind}`)
  try {
    return createPrivateKey({ format: 'jwk', key: jwk })
  } catch {
    throw beyondHost(name, 'a private key that is not given in full')
  }
}

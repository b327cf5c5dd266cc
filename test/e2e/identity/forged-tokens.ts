import { createHmac, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { JWK } from 'jose'
import type { TokenOverrides } from '../../support/identity-provider.ts'

/** What a forger has: tokens that others were given, whatever their provider signs for him, and its public keys. */
export interface Forge {
  /** A good token of ann's. */
  readonly good: string
  /** Another good token, of ben's. */
  readonly other: string
  readonly issuer: string
  /** What the gateway calls itself. */
  readonly gateway: string
  readonly rsa: JWK & { readonly kid: string }
  readonly ec: JWK & { readonly kid: string }
  /** A token that the provider signs, otherwise than it would. */
  signed(overrides: TokenOverrides): Promise<string>
}

export interface ForgedToken {
  readonly name: string
  readonly code: string
  readonly make: (forge: Forge) => string | Promise<string>
}

type Part = Readonly<Record<string, unknown>>

const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ownEc = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const now = (): number => Math.floor(Date.now() / 1000)

const encoded = (part: Part | string): string =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')

function partsOf(token: string): { header: Part; claims: Part; signature: string } {
  const [header = '', claims = '', signature = ''] = token.split('.')
  return { header: decoded(header), claims: decoded(claims), signature }
}

function decoded(part: string): Part {
  return Object(JSON.parse(Buffer.from(part, 'base64url').toString()))
}

/** The good token with another header, or other claims, under the forger's own key. */
function ownSigned({ good }: Forge, header: Part, claims: Part = {}): string {
  const parts = partsOf(good)
  return signedBy(own.privateKey, { ...parts.header, ...header }, { ...parts.claims, ...claims })
}

function signedBy(key: KeyObject, header: Part, claims: Part | string): string {
  const text = `${encoded(header)}.${encoded(claims)}`
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

/** HS256 with a secret that everybody knows. */
function macked({ good }: Forge, secret: string | Buffer): string {
  const { header, claims } = partsOf(good)
  const text = `${encoded({ ...header, alg: 'HS256' })}.${encoded(claims)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

/** The good token with another header or other claims, and the signature that it had. */
function patched({ good }: Forge, header: Part, claims: Part = {}): string {
  const parts = partsOf(good)
  return `${encoded({ ...parts.header, ...header })}.${encoded({ ...parts.claims, ...claims })}.${parts.signature}`
}

/** The good token, a part of it rewritten as text. */
function rewritten({ good }: Forge, at: 0 | 1, rewrite: (text: string) => string): string {
  const parts = good.split('.')
  parts[at] = encoded(rewrite(Buffer.from(parts[at] ?? '', 'base64url').toString()))
  return parts.join('.')
}

const spki = (jwk: JWK, format: 'pem' | 'der'): string | Buffer => {
  const key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
  return format === 'pem' ? key.export({ type: 'spki', format }) : key.export({ type: 'spki', format })
}

const chain = (depth: number): Part => (depth === 0 ? { sub: 'root' } : { sub: `a${depth}`, act: chain(depth - 1) })

const ALGORITHM = 'ERR_IDENTITY_ALGORITHM'
const MALFORMED = 'ERR_IDENTITY_MALFORMED'
const SIGNATURE = 'ERR_IDENTITY_SIGNATURE'
const KEY = 'ERR_IDENTITY_KEY'
const CLAIM = 'ERR_IDENTITY_CLAIM'
const BINDING = 'ERR_IDENTITY_BINDING'

/** Each is refused at every door, and recorded. */
export const FORGED_TOKENS: readonly ForgedToken[] = [
  {
    name: 'alg none without a signature',
    code: ALGORITHM,
    make: (f) => patched(f, { alg: 'none' }).replace(/[^.]*$/, ''),
  },
  { name: 'alg nOnE with the old signature', code: ALGORITHM, make: (f) => patched(f, { alg: 'nOnE' }) },
  { name: 'HS256 over the RSA key in PEM', code: ALGORITHM, make: (f) => macked(f, spki(f.rsa, 'pem')) },
  { name: 'HS256 over the RSA key in DER', code: ALGORITHM, make: (f) => macked(f, spki(f.rsa, 'der')) },
  { name: 'HS256 over the JWK as text', code: ALGORITHM, make: (f) => macked(f, JSON.stringify(f.rsa)) },
  { name: 'HS256 over an empty secret', code: ALGORITHM, make: (f) => macked(f, '') },
  { name: 'PS256 named over an RS256 signature', code: ALGORITHM, make: (f) => patched(f, { alg: 'PS256' }) },
  { name: "a forger's own RSA key under the provider's kid", code: SIGNATURE, make: (f) => ownSigned(f, {}) },
  {
    name: "a forger's own EC key under the provider's EC kid",
    code: SIGNATURE,
    make: (f) => signedBy(ownEc.privateKey, { alg: 'ES256', kid: f.ec.kid, typ: 'at+jwt' }, partsOf(f.good).claims),
  },
  {
    name: 'an EC signature under the kid of the RSA key',
    code: KEY,
    make: (f) => signedBy(ownEc.privateKey, { alg: 'ES256', kid: f.rsa.kid, typ: 'at+jwt' }, partsOf(f.good).claims),
  },
  { name: 'RS256 named over the EC key', code: KEY, make: (f) => ownSigned(f, { kid: f.ec.kid }) },
  { name: 'a kid that nobody publishes', code: KEY, make: (f) => ownSigned(f, { kid: 'mine' }) },
  { name: 'a kid that is a path', code: KEY, make: (f) => ownSigned(f, { kid: '../../../../dev/null' }) },
  { name: 'a kid that is a URL', code: KEY, make: (f) => ownSigned(f, { kid: 'https://evil.example/key' }) },
  { name: 'a kid that is SQL', code: KEY, make: (f) => ownSigned(f, { kid: "x' UNION SELECT 'key' --" }) },
  { name: 'a kid that is a list', code: MALFORMED, make: (f) => ownSigned(f, { kid: [f.rsa.kid] }) },
  {
    name: 'a key that the token brings along (jwk)',
    code: MALFORMED,
    make: (f) => ownSigned(f, { jwk: own.publicKey.export({ format: 'jwk' }) }),
  },
  {
    name: 'a key set to fetch (jku)',
    code: MALFORMED,
    make: (f) => ownSigned(f, { jku: 'https://evil.example/jwks' }),
  },
  {
    name: 'a certificate to fetch (x5u)',
    code: MALFORMED,
    make: (f) => ownSigned(f, { x5u: 'https://evil.example/c' }),
  },
  { name: 'a certificate brought along (x5c)', code: MALFORMED, make: (f) => ownSigned(f, { x5c: ['MIIB'] }) },
  {
    name: 'a critical header that nobody knows',
    code: MALFORMED,
    make: (f) => patched(f, { crit: ['exp2'], exp2: 1 }),
  },
  { name: 'b64=false (RFC 7797)', code: MALFORMED, make: (f) => patched(f, { b64: false, crit: ['b64'] }) },
  { name: 'compressed claims (zip)', code: MALFORMED, make: (f) => patched(f, { zip: 'DEF' }) },
  { name: 'half a signature', code: SIGNATURE, make: ({ good }) => good.slice(0, -80) },
  { name: 'no signature', code: SIGNATURE, make: ({ good }) => good.replace(/[^.]*$/, '') },
  {
    name: "another token's signature",
    code: SIGNATURE,
    make: (f) => f.good.replace(/[^.]*$/, partsOf(f.other).signature),
  },
  { name: 'another subject under the old signature', code: SIGNATURE, make: (f) => patched(f, {}, { sub: 'olga' }) },
  {
    name: 'more groups under the old signature',
    code: SIGNATURE,
    make: (f) => patched(f, {}, { groups: ['operators'] }),
  },
  {
    name: 'a claim that is there twice',
    code: MALFORMED,
    make: (f) => rewritten(f, 1, (text) => `${text.slice(0, -1)},"sub":"olga"}`),
  },
  {
    name: 'a claim that is there twice, once in escapes',
    code: MALFORMED,
    make: (f) => rewritten(f, 1, (text) => `${text.slice(0, -1)},"\\u0073ub":"olga"}`),
  },
  {
    name: 'a header that is there twice',
    code: MALFORMED,
    make: (f) => rewritten(f, 0, (text) => `{"alg":"none",${text.slice(1)}`),
  },
  {
    name: 'a token within a token',
    code: MALFORMED,
    make: (f) => signedBy(own.privateKey, { ...partsOf(f.good).header, cty: 'JWT' }, JSON.stringify(f.good)),
  },
  { name: 'an encrypted token: five parts', code: MALFORMED, make: ({ good }) => `${good}.AAAA.AAAA` },
  { name: 'two parts', code: MALFORMED, make: ({ good }) => good.split('.').slice(0, 2).join('.') },
  { name: 'claims that are a list', code: MALFORMED, make: (f) => rewritten(f, 1, () => '[]') },
  { name: 'claims in broken UTF-8', code: MALFORMED, make: ({ good }) => good.replace(/\.[^.]*\./, '._w.') },
  { name: 'an ID token by its type', code: MALFORMED, make: (f) => f.signed({ header: { typ: 'id+jwt' } }) },
  { name: 'a logout token', code: MALFORMED, make: (f) => f.signed({ header: { typ: 'logout+jwt' } }) },
  { name: 'a proof of possession', code: MALFORMED, make: (f) => f.signed({ header: { typ: 'dpop+jwt' } }) },
  {
    name: 'for another audience',
    code: 'ERR_IDENTITY_AUDIENCE',
    make: (f) => f.signed({ claims: { aud: 'payroll' } }),
  },
  {
    name: 'for two others',
    code: 'ERR_IDENTITY_AUDIENCE',
    make: (f) => f.signed({ claims: { aud: ['payroll', 'billing'] } }),
  },
  {
    name: 'an audience that is an object',
    code: 'ERR_IDENTITY_AUDIENCE',
    make: (f) => f.signed({ claims: { aud: { countersign: true } } }),
  },
  {
    name: 'of another issuer',
    code: 'ERR_IDENTITY_ISSUER',
    make: (f) => f.signed({ claims: { iss: 'https://evil.example' } }),
  },
  {
    name: 'of the same issuer with a slash',
    code: 'ERR_IDENTITY_ISSUER',
    make: (f) => f.signed({ claims: { iss: `${f.issuer}/` } }),
  },
  {
    name: "of the gateway's own, by the provider's key",
    code: ALGORITHM,
    make: (f) => f.signed({ claims: { iss: f.gateway } }),
  },
  {
    name: "of the gateway's own, by the provider's EC key",
    code: KEY,
    make: (f) => f.signed({ claims: { iss: f.gateway }, algorithm: 'ES256' }),
  },
  {
    name: 'that has expired',
    code: 'ERR_IDENTITY_EXPIRED',
    make: (f) => f.signed({ claims: { iat: now() - 600, exp: now() - 120 } }),
  },
  {
    name: 'that begins tomorrow (nbf)',
    code: 'ERR_IDENTITY_NOT_YET_VALID',
    make: (f) => f.signed({ claims: { nbf: now() + 86_400 } }),
  },
  {
    name: 'that is issued tomorrow (iat)',
    code: 'ERR_IDENTITY_NOT_YET_VALID',
    make: (f) => f.signed({ claims: { iat: now() + 3_600 } }),
  },
  {
    name: 'that lives for a year',
    code: 'ERR_IDENTITY_LIFETIME',
    make: (f) => f.signed({ claims: { exp: now() + 365 * 86_400 } }),
  },
  { name: 'that never expires', code: CLAIM, make: (f) => f.signed({ claims: { exp: undefined } }) },
  { name: 'whose end is text', code: CLAIM, make: (f) => f.signed({ claims: { exp: String(now() + 600) } }) },
  { name: 'whose beginning is text', code: CLAIM, make: (f) => f.signed({ claims: { iat: 'yesterday' } }) },
  { name: 'of a subject that is a number', code: CLAIM, make: (f) => f.signed({ claims: { sub: 7 } }) },
  { name: 'of a subject that is empty', code: CLAIM, make: (f) => f.signed({ claims: { sub: '' } }) },
  { name: 'of a subject with a line break', code: CLAIM, make: (f) => f.signed({ claims: { sub: 'ann\nolga' } }) },
  { name: 'of a subject with a NUL', code: CLAIM, make: (f) => f.signed({ claims: { sub: 'ann\0' } }) },
  { name: 'of a subject of 300 characters', code: CLAIM, make: (f) => f.signed({ claims: { sub: 'a'.repeat(300) } }) },
  { name: 'whose groups are one text', code: CLAIM, make: (f) => f.signed({ claims: { groups: 'operators' } }) },
  {
    name: 'whose groups stand elsewhere',
    code: CLAIM,
    make: (f) => f.signed({ claims: { _claim_names: { groups: 's' } } }),
  },
  { name: 'of a kind that there is not', code: CLAIM, make: (f) => f.signed({ claims: { kind: 'root' } }) },
  { name: 'delegated by a text', code: CLAIM, make: (f) => f.signed({ claims: { act: 'reconciler' } }) },
  { name: 'delegated without a subject', code: CLAIM, make: (f) => f.signed({ claims: { act: { client_id: 'x' } } }) },
  { name: 'delegated twenty times over', code: CLAIM, make: (f) => f.signed({ claims: { act: chain(20) } }) },
  { name: 'bound to a key (jkt)', code: BINDING, make: (f) => f.signed({ claims: { cnf: { jkt: 'x'.repeat(43) } } }) },
  {
    name: 'bound to a certificate that nobody brought',
    code: BINDING,
    make: (f) => f.signed({ claims: { cnf: { 'x5t#S256': 'x'.repeat(43) } } }),
  },
  { name: 'bound to a text', code: BINDING, make: (f) => f.signed({ claims: { cnf: 'none' } }) },
  { name: 'bound to nothing', code: BINDING, make: (f) => f.signed({ claims: { cnf: {} } }) },
]

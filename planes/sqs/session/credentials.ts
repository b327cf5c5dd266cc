import { hkdfSync, randomBytes } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import type { Principal } from '../../../engine/index.ts'
import { signatureRefused } from './signature.ts'

/** Keys that credentials are made of. The first makes new ones; all verify, so that keys can be rotated. */
export interface MasterKey {
  readonly id: string
  readonly secret: Uint8Array
}

/** What AWS calls temporary credentials: worth something at this gateway and nowhere else. */
export interface MintedCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  /** Seconds since 1970. */
  readonly expiresAt: number
}

/** Who is behind an access key id. */
export interface Caller {
  readonly accessKeyId: string
  readonly secret: string
  readonly principal: Principal
  /** As the client named its role and session: recorded, never decided on. */
  readonly role: Role
}

export interface Role {
  readonly arn: string
  readonly session: string
}

const AUDIENCE = 'countersign-sqs'
const TYPE = 'countersign-sqs+jwt'
const KNOWN_TOKENS = 10_000

/**
 * Mints credentials and reads them back. Nothing is stored: the token tells who it is and the secret follows from the
 * master key, so that every gateway with the same keys takes them.
 */
export class Credentials {
  readonly #keys: ReadonlyMap<string, { readonly secret: Uint8Array; readonly signing: Uint8Array }>
  readonly #current: string
  readonly #now: () => number
  /** By token, in order of use: a verification costs more than all the rest of a request. */
  readonly #known = new Map<string, Caller>()

  constructor(keys: readonly [MasterKey, ...MasterKey[]], now: () => number) {
    this.#keys = new Map(
      keys.map(({ id, secret }) => [id, { secret, signing: derive(secret, '', 'session-token/v1') }]),
    )
    this.#current = keys[0].id
    this.#now = now
  }

  async mint(principal: Principal, role: Role, seconds: number): Promise<MintedCredentials> {
    const key = this.#keys.get(this.#current)
    if (key === undefined) throw new Error('the current key is one of the keys')
    const issuedAt = Math.floor(this.#now() / 1000)
    const expiresAt = Math.min(issuedAt + seconds, Math.floor(principal.expires_at))
    const accessKeyId = `ASIA${base32(randomBytes(10))}`
    const sessionToken = await new SignJWT({ principal, role })
      .setProtectedHeader({ alg: 'HS256', typ: TYPE, kid: this.#current })
      .setJti(accessKeyId)
      .setAudience(AUDIENCE)
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .sign(key.signing)
    return { accessKeyId, secretAccessKey: secretOf(key.secret, accessKeyId, expiresAt), sessionToken, expiresAt }
  }

  /** Throws IdentityError when the token isn't ours, is over, or belongs to another access key id. */
  async read(sessionToken: string, accessKeyId: string): Promise<Caller> {
    const caller = this.#known.get(sessionToken) ?? (await this.#verify(sessionToken))
    if (caller.accessKeyId !== accessKeyId) throw signatureRefused('ERR_IDENTITY_SIGNATURE')
    if (caller.principal.expires_at * 1000 <= this.#now()) throw signatureRefused('ERR_IDENTITY_EXPIRED')
    this.#remember(sessionToken, caller)
    return caller
  }

  async #verify(sessionToken: string): Promise<Caller> {
    try {
      const { payload, protectedHeader } = await jwtVerify(
        sessionToken,
        ({ kid }) => {
          const key = this.#keys.get(kid ?? '')
          if (key === undefined) throw signatureRefused('ERR_IDENTITY_SIGNATURE')
          return key.signing
        },
        {
          algorithms: ['HS256'],
          typ: TYPE,
          audience: AUDIENCE,
          currentDate: new Date(this.#now()),
          requiredClaims: ['jti', 'exp', 'principal', 'role'],
        },
      )
      const { jti, exp, principal, role } = payload
      const key = this.#keys.get(protectedHeader.kid ?? '')
      if (key === undefined || jti === undefined || exp === undefined) throw signatureRefused('ERR_IDENTITY_SIGNATURE')
      return {
        accessKeyId: jti,
        secret: secretOf(key.secret, jti, exp),
        principal: { ...readPrincipal(principal), expires_at: exp },
        role: readRole(role),
      }
    } catch {
      throw signatureRefused('ERR_IDENTITY_SIGNATURE')
    }
  }

  #remember(sessionToken: string, caller: Caller): void {
    this.#known.delete(sessionToken)
    this.#known.set(sessionToken, caller)
    const oldest = this.#known.keys().next()
    if (this.#known.size > KNOWN_TOKENS && oldest.done !== true) this.#known.delete(oldest.value)
  }
}

/** A key for one use, from the master key: what one is good for, no other is. */
export function derive(secret: Uint8Array, salt: string, info: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, info, 32))
}

function secretOf(master: Uint8Array, accessKeyId: string, expiresAt: number): string {
  return Buffer.from(derive(master, accessKeyId, `sigv4-secret/v1|${expiresAt}`)).toString('base64')
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{5}/g) ?? []).map((five) => ALPHABET[Number.parseInt(five, 2)] ?? '').join('')
}

/** The token is our own, but what it holds is read as strictly as anybody's: another version may have made it. */
function readPrincipal(value: unknown): Principal {
  const claims = objectOf(value)
  const { kind } = claims
  if (kind !== 'agent' && kind !== 'person' && kind !== 'workload') throw unreadable()
  return {
    id: textOf(claims['id']),
    kind,
    groups: textsOf(claims['groups']),
    roles: textsOf(claims['roles']),
    issuer: textOf(claims['issuer']),
    act: textsOf(claims['act']),
    owner: claims['owner'] === null ? null : textOf(claims['owner']),
    token_id: claims['token_id'] === null ? null : textOf(claims['token_id']),
    token_digest: textOf(claims['token_digest']),
    expires_at: Number(claims['expires_at']),
    // What revocations go by: a credential made of a token falls with it.
    ...(claims['issued_at'] === undefined ? {} : { issued_at: Number(claims['issued_at']) }),
    ...(claims['client'] === undefined ? {} : { client: textOf(claims['client']) }),
    ...(claims['exchanged_from'] === undefined ? {} : { exchanged_from: textsOf(claims['exchanged_from']) }),
  }
}

function readRole(value: unknown): Role {
  const { arn, session } = objectOf(value)
  return { arn: textOf(arn), session: textOf(session) }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw unreadable()
  return Object.fromEntries(Object.entries(value))
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw unreadable()
  return value
}

function textsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw unreadable()
  return value.map(textOf)
}

function unreadable(): Error {
  return new TypeError('a claim is not of its kind')
}

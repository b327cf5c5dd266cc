import type { JsonObject, JsonValue, Principal } from '../access-request.ts'
import { IdentityError } from '../errors.ts'
import type { IssuerConfig } from './issuer.ts'

const MAX_NAME_LENGTH = 255 // OpenID Connect Core 1.0, 2: `sub`
const MAX_ISSUER_LENGTH = 1_024 // SAML core, 8.3.6
const MAX_NAMES = 1_000
const MAX_DELEGATIONS = 16
const KINDS = ['agent', 'person', 'workload'] as const

/**
 * A principal from claims whose signature and times have been checked. Throws ERR_IDENTITY_CLAIM for a claim that is
 * there but not of its type: a group that is misread is a rule that doesn't fire.
 */
export function principalFrom(claims: JsonObject, config: IssuerConfig, digest: string, expiresAt: number): Principal {
  const id = nameIn(claims['sub'], 'sub')
  const act = delegations(claims['act'])
  const client = clientOf(claims)
  return {
    id,
    kind: kindOf(claims, id, act, config),
    groups: namesAt(claims, config.claims.groups),
    roles: namesAt(claims, config.claims.roles),
    issuer: config.issuer,
    act,
    owner: optionalName(at(claims, config.claims.owner), config.claims.owner),
    token_id: optionalName(claims['jti'], 'jti'),
    token_digest: digest,
    expires_at: expiresAt,
    issued_at: Math.floor(Number(claims['iat'])),
    ...(client === null ? {} : { client }),
  }
}

/** The same of a token that the gateway has signed itself: it speaks for whoever vouched for what it was exchanged for. */
export function ownPrincipal(claims: JsonObject, config: IssuerConfig, digest: string, expiresAt: number): Principal {
  const from = namesAt(claims, 'exchanged_from')
  const issuer = nameIn(claims['origin'], 'origin', MAX_ISSUER_LENGTH)
  return { ...principalFrom(claims, config, digest, expiresAt), issuer, exchanged_from: from }
}

/**
 * Without a claim that says it: a token that a client got for itself (RFC 9068, 2.2: `sub` is the client) or that somebody
 * acts through is an agent's; any other is a person's.
 */
function kindOf(claims: JsonObject, id: string, act: readonly string[], config: IssuerConfig): Principal['kind'] {
  const claimed = at(claims, config.claims.kind)
  if (claimed !== undefined) return kindNamed(claimed, config.claims.kind)
  return id === clientOf(claims) || act.length > 0 ? 'agent' : 'person'
}

export function kindNamed(claimed: JsonValue, path: string): Principal['kind'] {
  const kind = KINDS.find((each) => each === claimed)
  if (kind === undefined) throw wrong(path, `one of ${KINDS.join(', ')}`)
  return kind
}

function clientOf(claims: JsonObject): string | null {
  return optionalName(claims['client_id'], 'client_id') ?? optionalName(claims['azp'], 'azp')
}

/** RFC 8693, 4.1: each actor nests the one that acted before it. */
function delegations(claim: JsonValue | undefined): readonly string[] {
  const chain: string[] = []
  for (let actor = claim; actor !== undefined;) {
    if (!isObject(actor)) throw wrong('act', 'an object with sub')
    if (chain.length === MAX_DELEGATIONS) throw wrong('act', `at most ${MAX_DELEGATIONS} delegations`)
    chain.push(nameIn(actor['sub'], 'act.sub'))
    actor = actor['act']
  }
  return chain
}

function namesAt(claims: JsonObject, path: string): readonly string[] {
  const value = at(claims, path)
  // OpenID Connect Core 1.0, 5.6.2: a claim too large for the token stands elsewhere. Without it, rules that deny by it are mute.
  const elsewhere = claims['_claim_names']
  if (isObject(elsewhere) && Object.hasOwn(elsewhere, path))
    throw wrong(path, 'the list itself and not a reference to it')
  if (value === undefined) return []
  if (!isList(value)) throw wrong(path, 'a list of strings')
  if (value.length > MAX_NAMES) throw wrong(path, `at most ${MAX_NAMES} entries`)
  return [...new Set(value.map((each) => nameIn(each, path)))]
}

function optionalName(value: JsonValue | undefined, path: string): string | null {
  return value === undefined ? null : nameIn(value, path)
}

/** A name that people will read in logs and on terminals: no control characters, no lone surrogates, not endless. */
export function nameIn(value: JsonValue | undefined, path: string, longest: number = MAX_NAME_LENGTH): string {
  const fits = typeof value === 'string' && value.length > 0 && value.length <= longest
  if (!fits || !value.isWellFormed() || /\p{Cc}/u.test(value)) {
    throw wrong(path, `a string of 1 to ${longest} printable characters`)
  }
  return value
}

function at(claims: JsonObject, path: string): JsonValue | undefined {
  if (!path.startsWith('/')) return own(claims, path)
  const steps = path.slice(1).split('/') // RFC 6901
  let value: JsonValue | undefined = claims
  for (const step of steps) {
    value = isObject(value) ? own(value, step.replaceAll('~1', '/').replaceAll('~0', '~')) : undefined
  }
  return value
}

/** Own members only, and null as absent: `__proto__` and `constructor` are names like any other here. */
function own(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}

function wrong(path: string, expected: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_CLAIM', `the token's claim ${path} must be ${expected}`)
}

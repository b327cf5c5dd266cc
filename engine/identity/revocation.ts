import { isConstant, type Principal } from '../access-request.ts'
import { IdentityError } from '../errors.ts'

/** What is no longer believed. Times are seconds since 1970, as in tokens. */
export type Target =
  /** A token by its id (`jti`, a SAML assertion's ID) or its SHA-256 in hex, and what was exchanged for it. */
  | { readonly kind: 'token'; readonly token: string }
  /** All that an agent, or whoever else bears the name, was issued until then. What is issued afterwards counts again. */
  | { readonly kind: 'subject'; readonly subject: string; readonly issued_before: number }
  /** All that an identity provider issued until then. */
  | { readonly kind: 'issuer'; readonly issuer: string; readonly issued_before: number }
  /** An agent, whatever token it comes with, until it is released. */
  | { readonly kind: 'quarantine'; readonly agent: string }

/** Who did it, as records name people. */
export interface Actor {
  readonly id: string
  readonly issuer: string
}

export interface Revocation {
  readonly id: string
  readonly target: Target
  readonly by: Actor
  /** Milliseconds since 1970. */
  readonly at: number
  readonly reason: string
  /** A quarantine that is over. A revocation never is. */
  readonly released: { readonly by: Actor; readonly at: number; readonly reason: string } | null
}

/** Under which keys a revocation is looked for: a principal has few, and there may be many revocations. */
export function keyOf(target: Target): string {
  switch (target.kind) {
    case 'token':
      return `token ${target.token}`
    case 'subject':
      return `subject ${target.subject}`
    case 'issuer':
      return `issuer ${target.issuer}`
    case 'quarantine':
      return `quarantine ${target.agent}`
  }
}

/** Every name that a principal goes by: its own, those through whom it acts, and the client that got the token. */
export function keysOf(principal: Principal): readonly string[] {
  const known = KEYS.get(principal)
  if (known !== undefined) return known
  const keys = namesOf(principal)
  if (isConstant(principal)) KEYS.set(principal, keys)
  return keys
}

const KEYS = new WeakMap<Principal, readonly string[]>()

function namesOf(principal: Principal): readonly string[] {
  const { id, act, client, issuer, token_id, token_digest, exchanged_from = [] } = principal
  const names = new Set([id, ...act, ...(client === undefined ? [] : [client])])
  const tokens = new Set([token_digest, ...(token_id === null ? [] : [token_id]), ...exchanged_from])
  return [
    ...[...tokens].map((token) => keyOf({ kind: 'token', token })),
    ...[...names].flatMap((name) => [
      keyOf({ kind: 'subject', subject: name, issued_before: 0 }),
      keyOf({ kind: 'quarantine', agent: name }),
    ]),
    keyOf({ kind: 'issuer', issuer, issued_before: 0 }),
  ]
}

/** Whether a revocation, found under one of a principal's keys, is about it. */
export function strikes({ target, released }: Revocation, { issued_at: issuedAt }: Principal): boolean {
  switch (target.kind) {
    case 'token':
      return true
    case 'quarantine':
      return released === null
    case 'subject':
    case 'issuer':
      // Of the very second, too: nobody can say which was first. What doesn't say when it was issued was issued before.
      return issuedAt === undefined || issuedAt <= target.issued_before
  }
}

/** What its bearer is told; whose doing it was, and why, is in the record. */
export function refusalFor({ target, id }: Revocation): IdentityError {
  switch (target.kind) {
    case 'quarantine':
      return new IdentityError('ERR_IDENTITY_QUARANTINED', `${target.agent} is in quarantine (${id}): ask its owner`)
    case 'token':
      return new IdentityError('ERR_IDENTITY_REVOKED', `the token has been revoked (${id})`)
    case 'subject':
    case 'issuer':
      return new IdentityError('ERR_IDENTITY_REVOKED', `the token has been revoked (${id}): get a fresh one`)
  }
}

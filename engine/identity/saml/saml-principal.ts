import type { Principal } from '../../access-request.ts'
import { IdentityError } from '../../errors.ts'
import { kindNamed, nameIn } from '../principal.ts'
import type { SamlProvider } from './saml-provider.ts'
import type { Statement } from './statement.ts'

const MAX_VALUES = 1_000

/** A principal of a statement whose signature and conditions have been checked. Throws ERR_IDENTITY_CLAIM. */
export function samlPrincipal(
  statement: Statement,
  { issuer, attributes, maxLifetimeSeconds }: SamlProvider,
  { digest, now }: { readonly digest: string; readonly now: number },
): Principal {
  const { nameId, id, issuedAt, sessionUntil } = statement
  const kind = one(statement, attributes.kind)
  const subject = attributes.subject === null ? nameId : (one(statement, attributes.subject) ?? undefined)
  const lasts = Math.min(now + maxLifetimeSeconds * 1000, sessionUntil ?? Number.POSITIVE_INFINITY)
  return {
    id: nameIn(subject, attributes.subject ?? 'NameID'),
    kind: kind === null ? 'person' : kindNamed(kind, attributes.kind),
    groups: many(statement, attributes.groups),
    roles: many(statement, attributes.roles),
    issuer,
    act: [],
    owner: one(statement, attributes.owner),
    token_id: nameIn(id, 'ID'),
    token_digest: digest,
    expires_at: Math.floor(lasts / 1000),
    issued_at: Math.floor(issuedAt / 1000),
  }
}

function many({ attributes }: Statement, name: string): readonly string[] {
  const values = attributes.get(name) ?? []
  if (values.length > MAX_VALUES) throw wrong(name, `at most ${MAX_VALUES} values`)
  return [...new Set(values.map((value) => nameIn(value, name)))]
}

function one(statement: Statement, name: string): string | null {
  const values = many(statement, name)
  if (values.length > 1) throw wrong(name, 'one value')
  return values[0] ?? null
}

function wrong(name: string, expected: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_CLAIM', `the SAML assertion's attribute ${name} must have ${expected}`)
}

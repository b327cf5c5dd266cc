import type { JsonObject } from '../access-request.ts'
import { IdentityError } from '../errors.ts'

/**
 * A token that is bound to a key (RFC 7800, `cnf`) is worth nothing without that key. Checked is `x5t#S256` (RFC 8705): the
 * certificate that the client's TLS connection has proven. Any other binding, such as DPoP's `jkt`, can't be checked here,
 * so the token is refused: taking it as a bearer token would undo what its holder relies on when it is stolen.
 * `certificate`: SHA-256 of the certificate's DER, base64url; null where the connection brought none.
 */
export function checkBinding(claims: JsonObject, certificate: string | null): void {
  const { cnf } = claims
  if (cnf === undefined) return
  const bound = thumbprintOf(cnf)
  if (bound === null) throw refused('is bound to a key in a way that can not be checked here')
  if (certificate === null) throw refused('is bound to a client certificate, and this connection has brought none')
  if (bound !== certificate) throw refused('is bound to another client certificate than this connection’s')
}

/** Null where there is anything else beside it: all of a confirmation has to hold. */
function thumbprintOf(cnf: JsonObject[string]): string | null {
  if (typeof cnf !== 'object' || cnf === null || Array.isArray(cnf)) return null
  const members = Object.entries(cnf)
  const [name, value] = members[0] ?? []
  return members.length === 1 && name === 'x5t#S256' && typeof value === 'string' ? value : null
}

function refused(what: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_BINDING', `the token ${what}`)
}

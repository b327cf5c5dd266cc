import type { Members } from '../engine/lifecycle/index.ts'
import { IdentityError, type Principal } from '../engine/index.ts'
import type { Request } from './app.ts'

/**
 * `viewer`: decisions and sessions, without what was sent. `auditor`: that too, every approval, replay, exports; what is
 * looked at is recorded. `operator`: how the gateway does, agents out of service. `approver`: a person, who may be asked;
 * which holds are theirs to answer is the hold's to say.
 */
export type Role = 'viewer' | 'auditor' | 'operator' | 'approver'

/** Whose members have which role: `api.viewers`, `api.auditors`, `api.operators`. */
export interface Access {
  readonly viewers: Members
  readonly auditors: Members
  readonly operators: Members
}

/** What a principal may do here. An agent, or anybody through one, may do nothing: it is what all this is about. */
export function rolesOf(principal: Principal, { viewers, auditors, operators }: Access): readonly Role[] {
  if (principal.kind === 'agent' || principal.act.length > 0) return []
  const roles: Role[] = []
  if (isMember(viewers, principal)) roles.push('viewer')
  if (isMember(auditors, principal)) roles.push('auditor')
  if (isMember(operators, principal)) roles.push('operator')
  if (principal.kind === 'person') roles.push('approver')
  return roles
}

/** Throws IdentityError ERR_IDENTITY_ROLE for who has none of these roles. */
export function requireRole(principal: Principal, access: Access, ...any: readonly Role[]): void {
  if (rolesOf(principal, access).some((role) => any.includes(role))) return
  throw new IdentityError('ERR_IDENTITY_ROLE', `this is for the role ${any.join(' or ')}, which you don't have here`)
}

/** For routes that everybody with a role to look has: what runs before them. */
export function lookers(
  access: Access,
  principalOf: (request: Request) => Principal,
): (request: Request) => Promise<void> {
  return async (request) => requireRole(principalOf(request), access, 'viewer', 'auditor', 'operator')
}

export function isMember({ groups, roles }: Members, principal: Principal): boolean {
  return (
    principal.groups.some((group) => groups.includes(group)) || principal.roles.some((role) => roles.includes(role))
  )
}

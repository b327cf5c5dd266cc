import type { IdentityProvider } from './identity-provider.ts'

interface PrincipalLine {
  readonly user: string
  readonly token: string
}

export type Principals = Readonly<Record<'agent' | 'owner' | 'approver' | 'approver2' | 'auditor', PrincipalLine>>

/** Everybody that a stack tells of, with a token each. */
export async function principalsOf(identity: IdentityProvider): Promise<Principals> {
  const person = async (id: string): Promise<PrincipalLine> => ({ user: id, token: await identity.personToken(id) })
  return {
    agent: { user: 'reconciler', token: await identity.agentToken() },
    owner: await person('olivia'),
    approver: await person('ann'),
    approver2: await person('ben'),
    auditor: await person('axel'),
  }
}

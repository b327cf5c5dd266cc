import type { Revocation } from '../engine/identity/index.ts'
import type { JsonValue } from '../engine/index.ts'
import type { AgentRow } from '../engine/overview/index.ts'
import * as shape from './shape.ts'

/** An agent as an access review wants it. */
export interface AgentView {
  readonly agent: string
  /** What the register of the policy in force says; null: it isn't there, and is refused whatever its token says. */
  readonly registered: {
    readonly owner: string | null
    readonly purpose: string | null
    readonly risk: string | null
  } | null
  /** As the token that it last came with names it. */
  readonly owner_by_token: string | null
  readonly first_used: string | null
  readonly last_used: string | null
  readonly decisions: Readonly<Record<'forward' | 'mask' | 'hold' | 'reject', number>>
  /** Every quarantine that holds it; none: it may work. */
  readonly quarantine: readonly RevocationView[]
}

export interface RevocationView {
  readonly id: string
  readonly kind: 'token' | 'subject' | 'issuer' | 'quarantine'
  /** The token's id, the subject, the issuer, or the agent. */
  readonly of: string
  readonly issued_before: string | null
  readonly by: string
  readonly at: string
  readonly reason: string
  readonly released: { readonly by: string; readonly at: string; readonly reason: string } | null
}

export function agentView(
  agent: string,
  about: { readonly row: AgentRow | null; readonly entry: JsonValue | undefined; readonly held: readonly Revocation[] },
): AgentView {
  const { row, entry, held } = about
  const { forward = 0, mask = 0, hold = 0, reject = 0 } = row ?? {}
  return {
    agent,
    registered: entryOf(entry),
    owner_by_token: row?.owner ?? null,
    first_used: shape.rfc3339OrNull(row?.first ?? null),
    last_used: shape.rfc3339OrNull(row?.last ?? null),
    decisions: { forward, mask, hold, reject },
    quarantine: held.map(revocationView),
  }
}

function entryOf(entry: JsonValue | undefined): AgentView['registered'] {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return null
  const { owner, purpose, risk }: { readonly owner?: unknown; readonly purpose?: unknown; readonly risk?: unknown } =
    Object(entry)
  return { owner: textOf(owner), purpose: textOf(purpose), risk: textOf(risk) }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

export function revocationView({ id, target, by, at, reason, released }: Revocation): RevocationView {
  const before = 'issued_before' in target ? target.issued_before : null
  return {
    id,
    kind: target.kind,
    of: nameOf(target),
    issued_before: before === null ? null : shape.rfc3339(before * 1000),
    by: by.id,
    at: shape.rfc3339(at),
    reason,
    released:
      released === null ? null : { by: released.by.id, at: shape.rfc3339(released.at), reason: released.reason },
  }
}

function nameOf(target: Revocation['target']): string {
  switch (target.kind) {
    case 'token':
      return target.token
    case 'subject':
      return target.subject
    case 'issuer':
      return target.issuer
    case 'quarantine':
      return target.agent
  }
}

export const revocationShape: shape.Shape = shape.object({
  id: shape.text,
  kind: { enum: ['token', 'subject', 'issuer', 'quarantine'] },
  of: shape.text,
  issued_before: shape.optionalTime,
  by: shape.text,
  at: shape.time,
  reason: shape.text,
  released: shape.orNull(shape.object({ by: shape.text, at: shape.time, reason: shape.text })),
})

const agent = {
  agent: shape.text,
  registered: shape.orNull(
    shape.object({ owner: shape.optionalText, purpose: shape.optionalText, risk: shape.optionalText }),
  ),
  owner_by_token: shape.optionalText,
  first_used: shape.optionalTime,
  last_used: shape.optionalTime,
  decisions: shape.object({ forward: shape.count, mask: shape.count, hold: shape.count, reject: shape.count }),
  quarantine: shape.list(revocationShape),
}
const rule = shape.object({
  id: shape.text,
  verdict: shape.text,
  title: shape.text,
  controls: shape.texts,
  decisions: { ...shape.count, description: 'of this agent, among its last 100,000, that the rule spoke in' },
  last: shape.optionalTime,
})

export const agentShape: shape.Shape = shape.object(agent)
export const agentWholeShape: shape.Shape = shape.object({
  ...agent,
  policy: shape.object({ revision: shape.text, digest: shape.digest }),
  rules: shape.list(rule),
})

import type { ApprovalEvent, ApprovalLedger } from './approvals/index.ts'
import type { JsonObject, JsonValue, Principal } from './access-request.ts'
import { IdentityError, PolicyError } from './errors.ts'
import type { EvidenceLog } from './evidence/index.ts'
import {
  assertionDetail,
  type AssertionVerifier,
  type ProvenAssertion,
  type Revocations,
  type TokenVerifier,
} from './identity/index.ts'
import { type MaskingKey, methodsUnder } from './masking/masking-key.ts'
import type { Credentials, Enforceable, Labels, PlaneHost, Session, SessionInfo } from './plane.ts'
import type { PolicyStore } from './policy/index.ts'
import { GatewaySession } from './session.ts'
import type { Endings } from './session-end.ts'
import type { Observer } from './shadow/index.ts'

/** The rooms a gateway is made of; it owns none of them, whoever opened them closes them. */
export interface GatewayRooms {
  readonly policy: PolicyStore
  readonly verifier: TokenVerifier
  /** Where SAML providers are configured. */
  readonly assertions?: AssertionVerifier
  readonly revocations?: Revocations
  readonly endings?: Endings
  readonly ledger: ApprovalLedger
  readonly evidence: EvidenceLog
  readonly shadow?: Observer
  /** Null: no plane masks by a method that needs one. */
  readonly maskingKey: MaskingKey | null
  readonly bindingKey: Uint8Array
  /** Milliseconds since 1970. */
  now(): number
  /** Nanoseconds of a clock that never goes back. */
  monotonic(): bigint
  newId(): string
  log(event: string, fields: JsonObject): void
}

/** A plane that is configured: who it is, and what it can carry out. */
export interface ConfiguredPlane {
  readonly id: string
  readonly enforces: Enforceable
}

/** The engine as one plane sees it: who is it, open a session, which labels are in force. */
export function hostFor(plane: ConfiguredPlane, rooms: GatewayRooms): PlaneHost {
  const labels = labelsFrom(rooms.policy, plane.id)
  return {
    identify: (credentials) => identify(credentials, plane.id, rooms),
    refused: (code, source) =>
      rooms.evidence.append({ event: 'identity.rejected', detail: { plane: plane.id, source, code } }).durable,
    openSession: (principal, about) => openSession(principal, about, plane, rooms),
    maskingKey: rooms.maskingKey,
    labels,
    connected: (upstream) => rooms.evidence.append({ event: 'upstream.connected', detail: upstream }).durable,
    alert: (finding) =>
      rooms.evidence.append({ event: 'anomaly.alert', detail: { plane: plane.id, ...finding } }).durable,
    log: (event, fields) => rooms.log(event, fields),
  }
}

/** The ledger's journal: what people answered is in evidence before it is true. */
export function approvalJournal(evidence: EvidenceLog): (event: ApprovalEvent) => Promise<void> {
  return ({ event, approval: { summary, ...approval }, by }) =>
    evidence.append({
      event,
      session: approval.session,
      decision: approval.decision,
      ...(by === undefined ? {} : { principal: by }),
      policy: approval.policy,
      approval,
      payload: { summary },
    }).durable
}

/** A verifier for a door that is no plane: what it lets in or refuses is in evidence like a plane's. */
export function recordingVerifier(door: string, rooms: GatewayRooms): TokenVerifier {
  return {
    verify: (token, certificate = null) => identify({ kind: 'token', token, source: null, certificate }, door, rooms),
    ready: () => rooms.verifier.ready(),
  }
}

/** Whoever comes through any door: proven, not revoked, and recorded, or refused and recorded. */
export async function identify(credentials: Credentials, plane: string, rooms: GatewayRooms): Promise<Principal> {
  let detail: JsonObject = { plane, source: credentials.source }
  let principal: Principal | undefined
  try {
    const who = await proven(credentials, rooms)
    principal = who.principal
    if (who.spent !== undefined) detail = { assertion: assertionDetail(who.spent), ...detail }
    rooms.revocations?.check(principal)
    await rooms.evidence.append({ event: 'identity.verified', principal, detail }).durable
    return principal
  } catch (error) {
    if (error instanceof IdentityError) {
      // The code, never the message's claims: what an attacker puts into a forged token stays out of the log. Who was proven to
      // be somebody, and is refused all the same, is named.
      const named = principal === undefined ? {} : { principal }
      await rooms.evidence.append({ event: 'identity.rejected', ...named, detail: { ...detail, code: error.code } })
        .durable
    }
    throw error
  }
}

async function proven(
  credentials: Credentials,
  { verifier, assertions }: GatewayRooms,
): Promise<Pick<ProvenAssertion, 'principal'> & Partial<ProvenAssertion>> {
  switch (credentials.kind) {
    case 'token':
      return { principal: await verifier.verify(credentials.token, credentials.certificate ?? null) }
    case 'saml':
      if (assertions !== undefined) return assertions.verify(credentials.assertion, credentials.asked)
      throw new IdentityError('ERR_IDENTITY_ISSUER', 'no SAML identity provider is configured here (identity.saml)')
  }
}

async function openSession(
  principal: Principal,
  about: SessionInfo,
  plane: ConfiguredPlane,
  rooms: GatewayRooms,
): Promise<Session> {
  const session = rooms.newId()
  const detail = { plane: plane.id, source: about.source, client: about.client }
  await rooms.evidence.append({ event: 'session.opened', session, principal, detail }).durable
  const maskMethods = methodsUnder(rooms.maskingKey, plane.enforces.maskMethods)
  return new GatewaySession(session, principal, { ...plane.enforces, maskMethods }, rooms)
}

/** `data.labels.<plane>`, read once a bundle: two builds may bear one revision, and must not share their labels. */
function labelsFrom(store: PolicyStore, plane: string): () => Labels {
  let known: Labels | null = null
  return () => {
    const { reference, data } = store.current()
    if (known?.revision !== reference.digest) {
      known = { revision: reference.digest, resources: readLabels(data)[plane] ?? {} }
    }
    return known
  }
}

type LabelsByPlane = Readonly<Record<string, Labels['resources']>>

/**
 * plane → resource → part → labels. Strict: a label that is silently lost is a value that is silently shown. Throws
 * PolicyError ERR_POLICY_DATA.
 */
export function readLabels(data: JsonObject): LabelsByPlane {
  return entries(data['labels'] ?? {}, 'labels', (resources, plane) =>
    entries(resources, plane, (parts, resource) => entries(parts, resource, labelList)),
  )
}

function labelList(value: JsonValue, path: string): readonly string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value
  throw wrongLabels(path, 'a list of strings')
}

function entries<T>(
  value: JsonValue,
  path: string,
  read: (value: JsonValue, path: string) => T,
): Readonly<Record<string, T>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongLabels(path, 'an object')
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, read(inner, `${path}/${key}`)]))
}

function wrongLabels(path: string, expected: string): PolicyError {
  return new PolicyError('ERR_POLICY_DATA', `the bundle's data.labels is unusable at ${path}: expected ${expected}`)
}

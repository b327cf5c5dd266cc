import { isIP } from 'node:net'
import type { JsonObject, JsonValue } from '../../access-request.ts'
import {
  asObject,
  asText,
  awaitsOutcome,
  isDecision,
  isOutcome,
  settledAs,
  type EvidenceRecord,
} from '../decision-record.ts'
import { MAPPING } from './manifest.ts'

/** A record, its leaf and its place in the log; null where it has none yet. */
export interface Placed {
  readonly record: EvidenceRecord
  readonly leaf: string
  readonly index: number | null
}

/** What later records of a decision or a session leave out, and who reads them alone wants. */
interface Known {
  readonly principal: JsonObject | null
  readonly source: string | null
  readonly fields: JsonObject
}

/**
 * Records as events of the Open Cybersecurity Schema Framework, one each, in the log's order: docs/evidence-bundle.md has
 * the table. It remembers open decisions and open sessions, so that an outcome tells whose it is.
 */
export class OcsfMapper {
  readonly #decisions = new Map<string, Known>()
  readonly #sessions = new Map<string, Known>()

  event(placed: Placed): JsonObject {
    const { record } = placed
    const known = this.#known(record)
    const event = { ...common(placed, known), ...mapped(record, known) }
    this.#remember(record, known)
    return pruned({ ...event, type_uid: Number(event.class_uid) * 100 + Number(event.activity_id) })
  }

  #known({ decision, session, fields }: EvidenceRecord): Known {
    const ofDecision = decision === null ? undefined : this.#decisions.get(decision)
    const ofSession = session === null ? undefined : this.#sessions.get(session)
    return {
      principal: asObject(fields.principal) ?? ofDecision?.principal ?? ofSession?.principal ?? null,
      source: asText(asObject(fields.detail)?.source) ?? ofSession?.source ?? null,
      fields: ofDecision === undefined ? fields : { ...pick(ofDecision.fields), ...fields },
    }
  }

  #remember(record: EvidenceRecord, known: Known): void {
    const { event, decision, session, fields } = record
    if (decision !== null) {
      const more = awaitsOutcome(record) || event === 'decision.hold'
      if (more) this.#decisions.set(decision, { ...known, fields: pick(fields) })
      else if (isOutcome(event) || isDecision(event)) this.#decisions.delete(decision)
    }
    if (session !== null && event === 'session.opened') this.#sessions.set(session, { ...known, fields: {} })
    if (session !== null && event === 'session.closed') this.#sessions.delete(session)
  }
}

function pick({ action, resources, policy, reasons }: JsonObject): JsonObject {
  return pruned({ action, resources, policy, reasons })
}

const FAMILIES: readonly (readonly [string, (record: EvidenceRecord, known: Known) => JsonObject])[] = [
  ['identity.', authentication],
  ['session.closed', logoff],
  ['session.opened', sessionOpened],
  ['approval.', approval],
  ['access.', access],
  ['decision.', activity],
  ['outcome.', activity],
]

function mapped(record: EvidenceRecord, known: Known): JsonObject {
  const family = FAMILIES.find(([prefix]) => record.event.startsWith(prefix))
  return family === undefined ? ownActivity(record, known) : family[1](record, known)
}

function common({ record, leaf, index }: Placed, { fields }: Known): JsonObject {
  const { event, ts, writerId, decision, session } = record
  const policy = asObject(fields.policy)
  const reasons = listOf(fields.reasons).map((reason) => asObject(reason) ?? {})
  return {
    time: Date.parse(ts),
    severity_id: severity(event),
    metadata: pruned({
      version: MAPPING.ocsf,
      product: { name: 'Countersign', vendor_name: 'Countersign' },
      profiles: ['security_control'],
      uid: record.id,
      event_code: event,
      log_name: 'evidence',
      log_provider: writerId,
      original_time: ts,
      sequence: index ?? undefined,
      correlation_uid: decision ?? session ?? undefined,
    }),
    message: asText(reasons[0]?.message) ?? event,
    ...(policy === null ? {} : { policy: policyOf(policy, reasons) }),
    unmapped: pruned({ ...own(record), leaf }),
  }
}

/** What OCSF has no place for; never what was sent or shown. */
function own({ fields, payload }: EvidenceRecord): JsonObject {
  const { controls, control_pack, masks, outcome, detail, reasons, resources, recording, approval, prev, seq } = fields
  const about =
    approval === undefined ? undefined : pruned({ id: asObject(approval)?.id, state: asObject(approval)?.state })
  const state = payload.kind === 'none' ? undefined : payload.kind
  const kept = { controls, control_pack, masks, outcome, detail, reasons, resources, recording, prev, seq }
  return pruned({ ...kept, approval: about, payload: state })
}

function policyOf(policy: JsonObject, reasons: readonly JsonObject[]): JsonObject {
  const { digest, revision } = policy
  return pruned({ uid: digest, version: revision, name: reasons[0]?.rule ?? 'policy', is_applied: true })
}

const SEVERE = new Set([
  'masking.failed_closed',
  'breakglass.used',
  'key.compromised',
  'log.write_failed',
  'log.verify_failed',
])
const NOTABLE = new Set([
  'decision.reject',
  'identity.rejected',
  'outcome.unknown',
  'outcome.failed',
  'writer.recovered',
])

function severity(event: string): number {
  if (SEVERE.has(event)) return 4
  return NOTABLE.has(event) ? 2 : 1
}

// Authentication (3002): a token that was looked at.
function authentication({ event, fields }: EvidenceRecord, known: Known): JsonObject {
  const passed = event === 'identity.verified'
  const detail = asObject(fields.detail) ?? {}
  return {
    ...CLASS.authentication,
    activity_id: 1,
    user: userOf(known.principal),
    service: { name: asText(detail.plane) ?? 'Countersign' },
    logon_type_id: 3,
    auth_protocol_id: 99,
    auth_protocol: 'Bearer token',
    ...endpoint(known, null),
    ...result(passed ? 'allowed' : 'denied', passed, asText(detail.code)),
  }
}

function logoff({ session, fields }: EvidenceRecord, known: Known): JsonObject {
  return {
    ...CLASS.authentication,
    activity_id: 2,
    user: userOf(known.principal),
    service: { name: 'Countersign' },
    session: sessionOf(session, known.principal),
    ...endpoint(known, session),
    ...result('allowed', true, asText(asObject(fields.detail)?.reason)),
  }
}

// Authorize Session (3003): what a session may do, and what people answered.
function sessionOpened({ session }: EvidenceRecord, known: Known): JsonObject {
  const { groups, roles } = known.principal ?? {}
  return {
    ...CLASS.authorizeSession,
    activity_id: 1,
    user: userOf(known.principal),
    privileges: [...texts(roles), ...texts(groups)],
    session: sessionOf(session, known.principal),
    ...endpoint(known, session),
    ...result('allowed', true, null),
  }
}

const ANSWERS: Readonly<Record<string, Action>> = {
  'approval.granted': 'approved',
  'approval.used': 'approved',
  'approval.denied': 'rejected',
  'approval.expired': 'rejected',
  'approval.withdrawn': 'rejected',
}

function approval(record: EvidenceRecord, known: Known): JsonObject {
  const about = record.approval ?? {}
  const action = ANSWERS[record.event] ?? 'delayed'
  const answering = asObject(record.fields.principal)
  return {
    ...CLASS.authorizeSession,
    ...(record.event === 'approval.granted' ? { activity_id: 1 } : { activity_id: 99, activity_name: record.event }),
    user: userOf(asObject(about.requester) ?? known.principal),
    privileges: [asText(about.rule) ?? 'approval'],
    ...(answering === null ? {} : { actor: { user: userOf(answering) } }),
    session: sessionOf(record.session, asObject(about.requester)),
    ...result(action, action !== 'rejected', null),
  }
}

function access({ event, fields, session }: EvidenceRecord, known: Known): JsonObject {
  const granted = event === 'access.granted'
  return {
    ...CLASS.authorizeSession,
    ...(granted ? { activity_id: 1 } : { activity_id: 99, activity_name: event }),
    user: userOf(known.principal),
    privileges: texts(asObject(fields.detail)?.privileges),
    ...(session === null ? {} : { session: sessionOf(session, known.principal) }),
    ...result(granted ? 'allowed' : 'denied', true, null),
  }
}

// Datastore Activity (6005) where a table is named, API Activity (6003) for all else.
function activity(record: EvidenceRecord, known: Known): JsonObject {
  const resources = listOf(known.fields.resources).map((each) => asObject(each) ?? {})
  const table = resources.find(({ type }) => type === 'table' || type === 'view')
  const about = { ...actorOf(record, known), ...endpoint(known, record.session), ...outcomeOf(record) }
  if (table === undefined) return { ...apiActivity(record, known, resources), ...about }
  return {
    ...CLASS.datastore,
    ...datastoreVerb(asObject(known.fields.action)),
    type_id: 3,
    table: { name: asText(table.name) ?? 'unnamed' },
    ...queryOf(record),
    ...about,
  }
}

function apiActivity(record: EvidenceRecord, known: Known, resources: readonly JsonObject[]): JsonObject {
  const action = asObject(known.fields.action)
  return {
    ...CLASS.api,
    ...apiVerb(action),
    api: { operation: asText(action?.name) ?? record.event, request: { uid: record.decision ?? record.id } },
    resources: resources.map(({ name, type }) => ({
      name: asText(name) ?? 'unnamed',
      type: asText(type) ?? 'unnamed',
    })),
  }
}

/** The gateway's own doings: a writer, a key, a policy, an export. */
function ownActivity(record: EvidenceRecord, known: Known): JsonObject {
  return {
    ...CLASS.api,
    activity_id: 99,
    activity_name: record.event,
    api: { operation: record.event, request: { uid: record.id } },
    ...(known.principal === null ? { actor: { app_name: 'Countersign' } } : actorOf(record, known)),
    src_endpoint: { name: record.writerId },
    ...result('observed', !SEVERE.has(record.event), null),
  }
}

const VERBS: Readonly<Record<string, readonly [api: number, datastore: number]>> = {
  read: [2, 1],
  discover: [2, 8],
  write: [3, 5],
  destroy: [4, 7],
}

function apiVerb(action: JsonObject | null): JsonObject {
  const verb = VERBS[asText(action?.class) ?? '']?.[0]
  return verb === undefined ? otherVerb(action) : { activity_id: verb }
}

function datastoreVerb(action: JsonObject | null): JsonObject {
  const verb = VERBS[asText(action?.class) ?? '']?.[1]
  return verb === undefined ? otherVerb(action) : { activity_id: verb }
}

function otherVerb(action: JsonObject | null): JsonObject {
  return { activity_id: 99, activity_name: asText(action?.name) ?? 'unnamed' }
}

/** The statement as recorded (its literals taken out), where it has not been erased. */
function queryOf({ payload, decision }: EvidenceRecord): JsonObject {
  const block = payload.kind === 'kept' ? asObject(asObject(payload.body)?.block) : null
  const statement = asText(block?.statement)
  return statement === null ? {} : { query_info: { query_string: statement, uid: decision ?? 'unnamed' } }
}

const VERDICTS: Readonly<Record<string, Action>> = {
  'decision.forward': 'allowed',
  'decision.mask': 'modified',
  'decision.hold': 'delayed',
  'decision.reject': 'denied',
}

function outcomeOf(record: EvidenceRecord): JsonObject {
  const { event, fields } = record
  const settled = settledAs(record)
  if (isDecision(event) && settled === null)
    return result(VERDICTS[event] ?? 'observed', event !== 'decision.reject', null)
  const outcome = asObject(fields.outcome) ?? {}
  const masked = listOf(outcome.masks).length > 0
  if (event === 'outcome.unknown') return { ...result('allowed', true, null), status_id: 0, status: 'Unknown' }
  return result(masked ? 'modified' : 'allowed', event === 'outcome.ok' || settled === 'ok', asText(outcome.error))
}

type Action = 'allowed' | 'denied' | 'modified' | 'delayed' | 'approved' | 'rejected' | 'observed'

/** action_id and disposition_id of the security_control profile. */
const ACTIONS: Readonly<Record<Action, readonly [action: number, name: string, disposition: number]>> = {
  allowed: [1, 'Allowed', 1],
  denied: [2, 'Denied', 2],
  modified: [4, 'Modified', 11],
  delayed: [99, 'Held', 14],
  approved: [1, 'Allowed', 8],
  rejected: [2, 'Denied', 25],
  observed: [3, 'Observed', 17],
}

function result(action: Action, success: boolean, code: string | null): JsonObject {
  const [action_id, name, disposition_id] = ACTIONS[action]
  const status = success ? { status_id: 1, status: 'Success' } : { status_id: 2, status: 'Failure' }
  return { action_id, action: name, disposition_id, ...status, ...(code === null ? {} : { status_code: code }) }
}

const CLASS = {
  authentication: { category_uid: 3, class_uid: 3002 },
  authorizeSession: { category_uid: 3, class_uid: 3003 },
  api: { category_uid: 6, class_uid: 6003 },
  datastore: { category_uid: 6, class_uid: 6005 },
} as const

function actorOf({ session }: EvidenceRecord, { principal }: Known): JsonObject {
  if (principal === null) return { actor: { app_name: 'Countersign', session: sessionOf(session, null) } }
  const chain = texts(principal.act)
  return {
    actor: {
      user: userOf(principal),
      session: sessionOf(session, principal),
      ...(chain.length === 0 ? {} : { invoked_by: chain.join(', for ') }),
    },
  }
}

function sessionOf(session: string | null, principal: JsonObject | null): JsonObject {
  return pruned({ uid: session ?? undefined, issuer: asText(principal?.issuer) ?? undefined })
}

const KINDS: Readonly<Record<string, number>> = { person: 1, workload: 4 }

function userOf(principal: JsonObject | null): JsonObject {
  const id = asText(principal?.id)
  if (principal === null || id === null) return { name: 'unknown', type_id: 0 }
  const kind = asText(principal.kind) ?? 'unknown'
  return pruned({
    uid: id,
    name: id,
    type_id: KINDS[kind] ?? 99,
    type: kind,
    credential_uid: asText(principal.token_id) ?? undefined,
    groups: texts(principal.groups).map((name) => ({ name })),
  })
}

function endpoint({ source }: Known, session: string | null): JsonObject {
  const ip = source !== null && isIP(source) !== 0 ? source : undefined
  const uid = session ?? (ip === undefined ? (source ?? undefined) : undefined)
  return { src_endpoint: ip === undefined && uid === undefined ? { name: 'unknown' } : pruned({ ip, uid }) }
}

function texts(value: JsonValue | undefined): readonly string[] {
  return listOf(value).filter((each) => typeof each === 'string')
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return isList(value) ? value : []
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

function pruned(value: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  const kept: Record<string, JsonValue> = {}
  for (const [name, each] of Object.entries(value)) if (each !== undefined) kept[name] = each
  return kept
}

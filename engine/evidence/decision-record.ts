import type { Action, JsonObject, JsonValue, Principal, Resource } from '../access-request.ts'
import { canonicalJson } from './canonical-json.ts'
import type { Limits, PolicyReference, Reason } from '../verdict.ts'

/** Of the files, told by each writer's first record. */
export const FORMAT = 3

/** Those that can be read; of one that isn't here a verifier says that it can't verify. In 2, no intent tells its own outcome. */
export const READABLE_FORMATS: readonly unknown[] = [2, FORMAT]

/** Everything that is ever recorded, by name. A verifier refuses a name that is not here: it can't know what it means. */
export const EVENT_NAMES = [
  'identity.verified',
  'identity.rejected',
  'agent.registered',
  'agent.retired',
  'agent.quarantined',
  'agent.released',
  'credential.issued',
  'credential.expired',
  'credential.revoked',
  'decision.forward',
  'decision.mask',
  'decision.hold',
  'decision.reject',
  'outcome.ok',
  'outcome.failed',
  'outcome.unknown',
  'approval.requested',
  'approval.granted',
  'approval.denied',
  'approval.expired',
  'approval.answered',
  'approval.withdrawn',
  'approval.used',
  'access.granted',
  'access.expired',
  'access.revoked',
  'access_review.completed',
  'breakglass.used',
  'breakglass.reviewed',
  'breakglass.overdue',
  'command.blocked',
  'rate_limit.applied',
  'masking.applied',
  'masking.failed_closed',
  'session.opened',
  'session.closed',
  'upstream.connected',
  'session.recorded',
  'replay.viewed',
  'anomaly.alert',
  'incident.opened',
  'incident.closed',
  'policy.proposed',
  'policy.tested',
  'policy.reviewed',
  'policy.activated',
  'policy.rolled_back',
  'policy.emergency_activated',
  'config.changed',
  'gateway.released',
  'gateway.failover',
  'boundary.verified',
  'transport.verified',
  'resource.registered',
  'exception.granted',
  'writer.opened',
  'writer.recovered',
  'writer.closed',
  'key.rotated',
  'key.compromised',
  'log.checkpoint',
  'log.witnessed',
  'log.verified',
  'log.verify_failed',
  'log.write_failed',
  'log.replicated',
  'retention.applied',
  'legal_hold.set',
  'legal_hold.lifted',
  'evidence.exported',
  'report.generated',
] as const
export type EventName = (typeof EVENT_NAMES)[number]

/** How often a mask was put over one field. */
export interface MaskCount {
  readonly field: string
  readonly method: string
  /** Absent in an intent: nothing has been masked yet. */
  readonly count?: number
  readonly class?: string
  /** In an outcome: the id of the key that a keyed method used. */
  readonly key?: string
}

/**
 * What a caller tells of one event; the log adds id, writer, seq, prev and time. No raw sensitive value may be in it: the
 * caller masks, the log only refuses what it can't write down.
 */
export interface RecordDraft {
  readonly event: EventName
  readonly session?: string
  readonly principal?: Principal
  /** The decision's id: links an intent, its approval and its outcome. */
  readonly decision?: string
  readonly action?: Action
  /** Without the values that it writes: those are in the payload. */
  readonly resources?: readonly Resource[]
  readonly verdict?: string
  readonly reasons?: readonly Reason[]
  readonly controls?: readonly string[]
  /** Digest of the compliance mappings that `controls` were resolved under. */
  readonly control_pack?: string
  readonly policy?: PolicyReference
  /** `digest`: SealedRequest.digest, keyed, so that nobody guesses what it binds. */
  readonly request?: { readonly digest: string }
  readonly masks?: readonly MaskCount[]
  /** How much the answer may be. */
  readonly limits?: Limits
  /** `id`, and in an intent `state`: an intent with state `used` needs an earlier approval.granted with the same id. */
  readonly approval?: JsonObject
  /** In an outcome; in an intent that was answered at once, too. `answer`: the kind of what the payload holds of it. */
  readonly outcome?: JsonObject
  /** What the policy's clock, random and other impure built-ins answered. */
  readonly nondeterministic?: JsonObject
  readonly detail?: JsonObject
  /** What was sent or is asked for, beside the record: bound by a salted digest, and erasable. */
  readonly payload?: JsonObject
}

/** The controls that a record evidences, and the digest of the mappings that they were resolved under. */
export interface Citation {
  readonly controls: readonly string[]
  readonly control_pack: string
}

/** Resolves an event, and the controls that the rules behind it name, to what its record cites. Must not throw. */
export type Cite = (event: EventName, named: readonly string[]) => Citation

/** How far a session's recording reaches: the frame count and the leaf hash of the last frame. */
export interface RecordingHead {
  readonly frames: number
  readonly head: string
}

/** What the log itself puts into every record. */
export interface Stamp {
  /** `<writer_id>:<seq>`, so that an id tells the file and the line. */
  readonly id: string
  readonly writer_id: string
  /** From 1, without a gap, per writer. */
  readonly seq: number
  /** Leaf hash of the writer's record before this one; 64 zeros in the first. */
  readonly prev: string
  /** RFC 3339, UTC, milliseconds. */
  readonly ts: string
  /** The process's monotonic clock, nanoseconds, as decimal text. */
  readonly mono_ns: string
  /** In a record of a session with a recording: frames that were durable before this record was made. */
  readonly recording?: RecordingHead
}

/** What an entry says of its payload: the entry's leaf binds these, and through them the payload. */
export interface PayloadDigest {
  /** Of the body's canonical JSON. */
  readonly bytes: number
  /** SHA-256 over the salt's 16 bytes and the body's canonical JSON, hex. */
  readonly sha256: string
}

/** A record in canonical JSON: its members in their order, with nothing to sort, and what is undefined left out. */
export function recordText(
  draft: RecordDraft,
  citation: Citation | undefined,
  stamp: Stamp,
  payload: PayloadDigest | undefined,
): string {
  return (
    '{' +
    member('action', draft.action) +
    member('approval', draft.approval) +
    member('control_pack', citation?.control_pack ?? draft.control_pack) +
    member('controls', citation?.controls ?? draft.controls) +
    member('decision', draft.decision) +
    member('detail', draft.detail) +
    member('event', draft.event) +
    member('id', stamp.id) +
    member('limits', draft.limits) +
    member('masks', draft.masks) +
    member('mono_ns', stamp.mono_ns) +
    member('nondeterministic', draft.nondeterministic) +
    member('outcome', draft.outcome) +
    member('payload', payload) +
    member('policy', draft.policy) +
    member('prev', stamp.prev) +
    member('principal', draft.principal) +
    member('reasons', draft.reasons) +
    member('recording', stamp.recording) +
    member('request', draft.request) +
    member('resources', draft.resources) +
    member('seq', stamp.seq) +
    member('session', draft.session) +
    member('ts', stamp.ts) +
    member('verdict', draft.verdict) +
    `"writer_id":${canonicalJson(stamp.writer_id)}}`
  )
}

function member(name: string, value: unknown): string {
  return value === undefined ? '' : `"${name}":${canonicalJson(value)},`
}

/**
 * What was sent or shown, beside the entry that tells of it. It is no part of the entry's leaf: erasing it leaves the log as
 * it was. The salt, erased with it, keeps what is left from being guessed: an account number has too few values to hide
 * behind a bare digest.
 */
export type Payload =
  | { readonly kind: 'none' }
  | { readonly kind: 'kept'; readonly body: JsonValue }
  /** Overwritten; only a `retention.applied` record makes that right. */
  | { readonly kind: 'erased' }
  /** Neither: changed by somebody, or an overwriting that a crash interrupted. */
  | { readonly kind: 'damaged'; readonly found: string }

/** A record as it is read back. Only what verification and recovery judge has a type; the rest is in `fields`. */
export interface EvidenceRecord {
  readonly id: string
  readonly event: EventName
  readonly writerId: string
  readonly seq: number
  readonly prev: string
  readonly ts: string
  readonly session: string | null
  readonly decision: string | null
  readonly recording: RecordingHead | null
  readonly approval: JsonObject | null
  readonly detail: JsonObject | null
  /** What stands beside it in its line. */
  readonly payload: Payload
  readonly fields: JsonObject
}

/** An intent is a decision that lets something happen: one without an outcome is in doubt. */
export function isIntent(event: EventName): boolean {
  return event === 'decision.forward' || event === 'decision.mask'
}

/** Whether a record of this event tells of an approval, a grant of access or a break-glass: all have its whole state. */
export function tellsApproval(event: string): boolean {
  return /^(?:approval|access|breakglass)\./.test(event)
}

/** How an intent ended that was answered at once: it tells its outcome itself, and no other record does. Null for any other. */
export function settledAs({ event, fields }: Pick<EvidenceRecord, 'event' | 'fields'>): 'ok' | 'failed' | null {
  if (!isIntent(event)) return null
  const status = asObject(fields.outcome)?.status
  return status === 'ok' || status === 'failed' ? status : null
}

/** An intent whose outcome another record is to tell: in doubt until that comes. */
export function awaitsOutcome(record: Pick<EvidenceRecord, 'event' | 'fields'>): boolean {
  return isIntent(record.event) && settledAs(record) === null
}

export function isOutcome(event: EventName): boolean {
  return event === 'outcome.ok' || event === 'outcome.failed' || event === 'outcome.unknown'
}

export function isDecision(event: EventName): boolean {
  return event.startsWith('decision.')
}

const EVENTS: ReadonlySet<unknown> = new Set(EVENT_NAMES)
const LEAF = /^[0-9a-f]{64}$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** Judges the parsed JSON of a record; undefined when it has not the shape of one. */
export function parseRecord(value: JsonValue, payload: Payload): EvidenceRecord | undefined {
  const fields = asObject(value)
  if (fields === null) return undefined
  const { id, event, writer_id: writerId, seq, prev, ts } = fields
  if (typeof id !== 'string' || typeof writerId !== 'string' || !isTime(ts)) return undefined
  if (!isCount(seq) || !isLeaf(prev) || !isEventName(event)) return undefined
  const recording = parseRecording(fields.recording)
  if (recording === undefined) return undefined
  return {
    id,
    event,
    writerId,
    seq,
    prev,
    ts,
    session: asText(fields.session),
    decision: asText(fields.decision),
    recording,
    approval: asObject(fields.approval),
    detail: asObject(fields.detail),
    payload,
    fields,
  }
}

function parseRecording(value: JsonValue | undefined): RecordingHead | null | undefined {
  if (value === undefined) return null
  const { frames, head } = asObject(value) ?? {}
  return isCount(frames) && isLeaf(head) ? { frames, head } : undefined
}

function isEventName(value: unknown): value is EventName {
  return EVENTS.has(value)
}

export function isTime(value: unknown): value is string {
  return typeof value === 'string' && TIME.test(value)
}

export function isLeaf(value: unknown): value is string {
  return typeof value === 'string' && LEAF.test(value)
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

export function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

export function asObject(value: JsonValue | undefined): JsonObject | null {
  return typeof value === 'object' && value !== null && !isList(value) ? value : null
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}

import type { AccessRequest, JsonObject, JsonValue, Principal } from './access-request.ts'
import type { IdentityErrorCode, ObligationError } from './errors.ts'
import type { Credentials } from './identity/credentials.ts'
import type { MaskingKey } from './masking/masking-key.ts'
import type { Decision, MaskMethod, Outcome } from './verdict.ts'

export type { AssertionCredentials, Credentials, TokenCredentials } from './identity/credentials.ts'

/** The obligations that a plane can carry out. */
export interface Enforceable {
  /** Those that need a key count where the gateway has one. */
  readonly maskMethods: readonly MaskMethod[]
  readonly hold: boolean
  /** It can cut an answer short, and give up one that takes too long. */
  readonly limits: boolean
}

/** Speaks one protocol and carries out what the engine decides. Life: configure → open → drain → close. */
export interface Plane<Config = unknown> {
  /** `postgres`, `acme.kafka`: names the policy's entrypoint and the request's block. */
  readonly id: string
  /** Pure; throws ConfigError naming the path. */
  configure(raw: unknown): Config
  /** What it can carry out under this configuration; any obligation outside rejects. */
  enforces(config: Config): Enforceable
  open(config: Config, host: PlaneHost): Promise<RunningPlane>
}

export interface RunningPlane {
  /** Where it listens, for people and tests. */
  readonly address: { readonly host: string; readonly port: number }
  /** Takes no new connection; resolves when the open ones have ended or the deadline (ms from now) has passed. */
  drain(deadlineMs: number): Promise<void>
  /** Ends everything at once. Safe to call twice. */
  close(): Promise<void>
}

/** All that a plane may ask of the engine. */
export interface PlaneHost {
  /** Throws IdentityError; refused credentials are recorded before it does. */
  identify(credentials: Credentials): Promise<Principal>
  /** Records credentials of the plane's own making that proved nothing: a signature, not a token. Durable when it resolves. */
  refused(code: IdentityErrorCode, source: string | null): Promise<void>
  openSession(principal: Principal, about: SessionInfo): Promise<Session>
  /** Of the mask methods that need one; null where none is configured: then no verdict asks for them. */
  readonly maskingKey: MaskingKey | null
  /** The active policy's labels for this plane. Ask once a request; its revision goes into the request. */
  labels(): Labels
  /**
   * A connection upstream that is the gateway's own, no client's: recorded, so that whoever reads the upstream's log can
   * tell it from one that went around the gateway. Durable when it resolves; nothing is sent over it before.
   */
  connected(upstream: UpstreamInfo): Promise<void>
  /**
   * Something that should never be was seen beside the way of any one request, such as traffic around the gateway: an
   * alarm. No text of a client's in it. Durable when it resolves.
   */
  alert(finding: JsonObject): Promise<void>
  /** Structured log without secrets, for what is not evidence. */
  log(event: string, fields: JsonObject): void
}

export interface SessionInfo {
  readonly source: string | null
  /** What the client calls itself and which database or endpoint it asked for; recorded, never decided on alone. */
  readonly client: JsonObject
}

/** What identifies a connection in the upstream's own log, where nobody but the upstream and the gateway had a say in it. */
export type UpstreamInfo = JsonObject

/** `data.labels.<plane>` of the active bundle: resource name → part name → labels. */
export interface Labels {
  /** The bundle's digest. */
  readonly revision: string
  readonly resources: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>
}

/** What an approver's question looks like from the plane's side, once it is durable. */
export interface HoldNotice {
  readonly approval: string
  readonly rule: string
  readonly message: string
  readonly approvers: readonly string[]
  readonly quorum: number
  /** RFC 3339. */
  readonly expires: string
}

export interface DecideOptions {
  /** Aborted when the client cancels: a hold is then withdrawn. */
  readonly signal: AbortSignal
  /** Aborted when nobody waits any more (client gone, gateway stopping): a hold stays, for who comes back to it. */
  readonly gone?: AbortSignal
  /** How long the client's connection can wait on a hold; 0: don't wait, answer with verdict `hold`. */
  readonly patienceMs: number
  /** The normalizer proved that the request changes nothing: `decide` may resolve before its intent is durable. */
  readonly effectFree?: boolean
  /**
   * The request is a part of one that was decided and has happened, such as a message that came back: nobody can be asked any
   * more. A hold that the whole was released from counts as released; every other rejects.
   */
  readonly partOf?: Decision
  /** The hold is durable and asked: tell the client, in the protocol's own words. */
  onHold?(notice: HoldNotice): void
  /** Normalizes the same request again, after a hold was answered: catalogue and labels may have changed since. */
  again?(): Promise<AccessRequest>
}

/** One client connection (or one HTTP/SQS caller) as evidence sees it. */
export interface Session {
  readonly id: string
  /**
   * Aborted, with an IdentityError as its reason, when the principal may not go on: its token is over or was revoked, its agent
   * is in quarantine. That is in evidence by then. The plane ends the connection, in its protocol's words; what it decides
   * meanwhile is rejected.
   */
  readonly over: AbortSignal
  /** The session's own connection upstream is open. Durable when it resolves; nothing is sent over it before. */
  connected(upstream: UpstreamInfo): Promise<void>
  /** The intent is durable when it resolves (see Decision.recorded). Throws EvidenceError when it can't be recorded. */
  decide(request: AccessRequest, options: DecideOptions): Promise<Decision>
  /**
   * Whether policy would let this request through, unasked and unmasked: for leaving names out of a list. Nothing is decided
   * by it and nothing recorded; the outcome of the listing tells how many it was.
   */
  allows(request: AccessRequest): boolean
  /** Records a request that could not be named: verdict reject, durable when it resolves. */
  refuse(refusal: Refusal): Promise<Decision>
  /** The masked view; durable before the bytes go to the client. */
  record(frame: RecordingFrame): Promise<void>
  /** Durable when it resolves. `answer`: the masked view of what came back, or the last part of it, where nothing is recorded of it yet. */
  settle(decision: Decision, outcome: Outcome, answer?: RecordedAnswer): Promise<void>
  /** Records that an answer was withheld because it could not be masked with certainty; an alarm. Durable when it resolves. */
  failedClosed(error: ObligationError): Promise<void>
  close(reason: string): Promise<void>
}

/** Why a request was refused before policy could see it. Text here is recorded: no literal of the client's in it. */
export interface Refusal {
  readonly action: string
  readonly code: string
  readonly message: string
  readonly block: JsonObject
}

/** What came back, as it is replayed. Only the masked view ever gets here. */
export interface RecordedAnswer {
  /** `sql.rows`, `http.response`, `sqs.messages`, … */
  readonly kind: string
  readonly body: JsonValue
}

/** One step of a session as it is replayed. */
export interface RecordingFrame extends RecordedAnswer {
  readonly dir: 'client' | 'upstream'
  readonly decision: string | null
}

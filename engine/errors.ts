/**
 * Every error Countersign raises: one base, one class a family, one union of codes. docs/errors.md has a line for each
 * code and a test compares the two. A rejection or a hold is a value (verdict.ts), never one of these.
 */

export type ConfigErrorCode =
  | 'ERR_CONFIG_FILE'
  | 'ERR_CONFIG_SYNTAX'
  | 'ERR_CONFIG_SHAPE'
  | 'ERR_CONFIG_SECRET'
  | 'ERR_CONFIG_PLANE'
  | 'ERR_CONFIG_CONTROLS'

export type ProtocolErrorCode =
  | 'ERR_PROTOCOL_FRAME_LENGTH'
  | 'ERR_PROTOCOL_FRAME_TYPE'
  | 'ERR_PROTOCOL_IDLE'
  | 'ERR_PROTOCOL_MESSAGE'
  | 'ERR_PROTOCOL_STATE'
  | 'ERR_PROTOCOL_STARTUP'
  | 'ERR_PROTOCOL_TLS'

export type NormalizeErrorCode =
  | 'ERR_NORMALIZE_SYNTAX'
  | 'ERR_NORMALIZE_UNSUPPORTED'
  | 'ERR_NORMALIZE_UNRESOLVED'
  | 'ERR_NORMALIZE_OPAQUE'
  | 'ERR_NORMALIZE_TOO_COMPLEX'
  | 'ERR_NORMALIZE_REQUEST'
  | 'ERR_NORMALIZE_TARGET'
  | 'ERR_NORMALIZE_PATH'
  | 'ERR_NORMALIZE_AUTHORITY'
  | 'ERR_NORMALIZE_HEADER'
  | 'ERR_NORMALIZE_FRAMING'
  | 'ERR_NORMALIZE_BODY'

export type IdentityErrorCode =
  | 'ERR_IDENTITY_MALFORMED'
  | 'ERR_IDENTITY_ALGORITHM'
  | 'ERR_IDENTITY_KEY'
  | 'ERR_IDENTITY_SIGNATURE'
  | 'ERR_IDENTITY_ISSUER'
  | 'ERR_IDENTITY_AUDIENCE'
  | 'ERR_IDENTITY_EXPIRED'
  | 'ERR_IDENTITY_NOT_YET_VALID'
  | 'ERR_IDENTITY_LIFETIME'
  | 'ERR_IDENTITY_CLAIM'
  | 'ERR_IDENTITY_ROLE'
  | 'ERR_IDENTITY_PROVIDER'
  | 'ERR_IDENTITY_BINDING'
  | 'ERR_IDENTITY_ASSERTION'
  | 'ERR_IDENTITY_RECIPIENT'
  | 'ERR_IDENTITY_REPLAYED'
  | 'ERR_IDENTITY_DELEGATION'
  | 'ERR_IDENTITY_REVOKED'
  | 'ERR_IDENTITY_QUARANTINED'
  | 'ERR_IDENTITY_UNSURE'
  | 'ERR_IDENTITY_UNKNOWN'

export type PolicyErrorCode =
  | 'ERR_POLICY_BUNDLE'
  | 'ERR_POLICY_SIGNATURE'
  | 'ERR_POLICY_MODULE'
  | 'ERR_POLICY_BUILTIN'
  | 'ERR_POLICY_BUILTIN_LIMIT'
  | 'ERR_POLICY_UNRECORDED'
  | 'ERR_POLICY_DATA'
  | 'ERR_POLICY_ENTRYPOINT'
  | 'ERR_POLICY_SELF_TEST'
  | 'ERR_POLICY_INPUT'
  | 'ERR_POLICY_EVALUATION'
  | 'ERR_POLICY_MEMORY'
  | 'ERR_POLICY_REENTRANT'
  | 'ERR_POLICY_RESULT'
  | 'ERR_POLICY_NONE'
  | 'ERR_POLICY_SUSPENDED'
  | 'ERR_POLICY_UNKNOWN'
  | 'ERR_POLICY_PERSON'
  | 'ERR_POLICY_SELF'
  | 'ERR_POLICY_UNTESTED'
  | 'ERR_POLICY_UNREVIEWED'
  | 'ERR_POLICY_STEP'

export type ObligationErrorCode = 'ERR_OBLIGATION_UNENFORCEABLE' | 'ERR_OBLIGATION_STALE' | 'ERR_OBLIGATION_LIMIT'

export type ApprovalErrorCode =
  | 'ERR_APPROVAL_UNKNOWN'
  | 'ERR_APPROVAL_STATE'
  | 'ERR_APPROVAL_TERMS'
  | 'ERR_APPROVAL_PERSON'
  | 'ERR_APPROVAL_SELF'
  | 'ERR_APPROVAL_OWNER'
  | 'ERR_APPROVAL_TWICE'
  | 'ERR_APPROVAL_GROUP'
  | 'ERR_APPROVAL_REASON'
  | 'ERR_APPROVAL_DIGEST'
  | 'ERR_APPROVAL_EXPIRED'
  | 'ERR_APPROVAL_CLOSED'
  | 'ERR_APPROVAL_POLICY'
  | 'ERR_APPROVAL_REFUSED'
  | 'ERR_APPROVAL_LIMIT'

export type EvidenceErrorCode =
  | 'ERR_EVIDENCE_DIRECTORY'
  | 'ERR_EVIDENCE_STORE'
  | 'ERR_EVIDENCE_LOCKED'
  | 'ERR_EVIDENCE_WRITE'
  | 'ERR_EVIDENCE_CLOSED'
  | 'ERR_EVIDENCE_TAMPERED'
  | 'ERR_EVIDENCE_RECORD'
  | 'ERR_EVIDENCE_KEY'
  | 'ERR_EVIDENCE_TOO_LARGE'
  | 'ERR_EVIDENCE_EXPORT'
  | 'ERR_EVIDENCE_OVERVIEW'
  | 'ERR_EVIDENCE_CURSOR'

export type UpstreamErrorCode =
  | 'ERR_UPSTREAM_CONNECT'
  | 'ERR_UPSTREAM_TLS'
  | 'ERR_UPSTREAM_AUTH'
  | 'ERR_UPSTREAM_CLOSED'
  | 'ERR_UPSTREAM_PROTOCOL'
  | 'ERR_UPSTREAM_QUERY'
  | 'ERR_UPSTREAM_LOG'

export type StateErrorCode =
  | 'ERR_STATE_OPEN'
  | 'ERR_STATE_MIGRATION'
  | 'ERR_STATE_QUERY'
  | 'ERR_STATE_BUSY'
  | 'ERR_STATE_REBUILD'

export type ErrorCode =
  | ConfigErrorCode
  | ProtocolErrorCode
  | NormalizeErrorCode
  | IdentityErrorCode
  | PolicyErrorCode
  | ObligationErrorCode
  | ApprovalErrorCode
  | EvidenceErrorCode
  | UpstreamErrorCode
  | StateErrorCode

export interface ErrorOptions {
  readonly cause?: unknown
  /** Whether the same call may succeed later without anything being changed. Default false. */
  readonly retryable?: boolean
}

/** The base of all of them. `code` is stable and documented; `message` is for people and may change. */
export abstract class CountersignError<Code extends ErrorCode = ErrorCode> extends Error {
  readonly code: Code
  readonly retryable: boolean

  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = new.target.name
    this.code = code
    this.retryable = options.retryable ?? false
  }
}

/** Start-up only: names the path in the configuration, what was expected and what was found. */
export class ConfigError extends CountersignError<ConfigErrorCode> {}

/** A peer broke its protocol. The plane answers in that protocol's fatal words and closes. */
export class ProtocolError extends CountersignError<ProtocolErrorCode> {}

/** A request that can't be named in full. The plane rejects it: what we can't name, we don't forward. */
export class NormalizeError extends CountersignError<NormalizeErrorCode> {
  /** Where in the request, in the protocol's own count (PostgreSQL: characters from 1), where known. */
  readonly position: number | undefined
  /** The protocol's own code for it (PostgreSQL: a SQLSTATE), where the upstream itself would refuse it with that. */
  readonly native: string | undefined

  constructor(
    code: NormalizeErrorCode,
    message: string,
    options: ErrorOptions & { readonly position?: number; readonly native?: string } = {},
  ) {
    super(code, message, options)
    this.position = options.position
    this.native = options.native
  }
}

/** Credentials that prove nothing. Answered as the protocol's authentication failure, and recorded. */
export class IdentityError extends CountersignError<IdentityErrorCode> {}

/** A bundle that can't be trusted or an evaluation that gave no verdict of our shape. */
export class PolicyError extends CountersignError<PolicyErrorCode> {
  /** `file:line:column` in Rego, where the policy engine told it. */
  readonly location: string | undefined

  constructor(code: PolicyErrorCode, message: string, options: ErrorOptions & { readonly location?: string } = {}) {
    super(code, message, options)
    this.location = options.location
  }
}

/** A verdict that the plane can't carry out. Rejected. */
export class ObligationError extends CountersignError<ObligationErrorCode> {}

/** An answer to a hold, or a use of one, that isn't allowed. */
export class ApprovalError extends CountersignError<ApprovalErrorCode> {}

/** The log can't be written or can't be believed. `fatal`: the process must stop and recover on its next start. */
export class EvidenceError extends CountersignError<EvidenceErrorCode> {
  readonly fatal: boolean

  constructor(code: EvidenceErrorCode, message: string, options: ErrorOptions & { readonly fatal?: boolean } = {}) {
    super(code, message, options)
    this.fatal = options.fatal ?? false
  }
}

/** The server behind the gateway failed or can't be reached. Outcome `failed`. */
export class UpstreamError extends CountersignError<UpstreamErrorCode> {}

/** The store of approvals can't be opened or brought to this version's schema. */
export class StateError extends CountersignError<StateErrorCode> {}

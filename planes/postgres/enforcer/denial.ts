import type { Decision } from '../../../engine/index.ts'
import {
  CountersignError,
  EvidenceError,
  IdentityError,
  NormalizeError,
  ObligationError,
  ProtocolError,
  UpstreamError,
} from '../../../engine/index.ts'
import type { Overrun } from './answer-limit.ts'

/** An ErrorResponse or NoticeResponse of the gateway's own, in PostgreSQL's fields. */
export interface Denial {
  readonly severity: 'ERROR' | 'FATAL'
  /** SQLSTATE. */
  readonly code: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  /** What clients show on request only: where the server itself would say all the rest, what we add to it. */
  readonly routine?: string
  /** Characters from 1. */
  readonly position?: number
}

/** SQLSTATEs that the gateway itself answers with, by PostgreSQL's names for them (Appendix A). */
export const SQLSTATE = {
  insufficientPrivilege: '42501',
  queryCanceled: '57014',
  adminShutdown: '57P01',
  cannotConnectNow: '57P03',
  invalidPassword: '28P01',
  invalidAuthorization: '28000',
  invalidCatalogName: '3D000',
  featureNotSupported: '0A000',
  syntaxError: '42601',
  programLimitExceeded: '54000',
  statementTooComplex: '54001',
  undefinedPreparedStatement: '26000',
  undefinedCursor: '34000',
  duplicatePreparedStatement: '42P05',
  failedTransaction: '25P02',
  idleTransaction: '25P03',
  protocolViolation: '08P01',
  connectionFailure: '08006',
  ioError: '58030',
  internalError: 'XX000',
} as const

/** A verdict that keeps a statement from running: says why, what to do, and which decision to ask about. */
export function denialOfDecision(decision: Decision): Denial {
  const [first, ...others] = decision.reasons
  const withdrawn = first?.rule === 'approval_withdrawn'
  const waiting = decision.approval?.state === 'requested' && decision.verdict.kind === 'hold'
  const detail = others.map((reason) => `${reason.rule}: ${reason.message}`).join('\n')
  return {
    severity: 'ERROR',
    code: withdrawn ? SQLSTATE.queryCanceled : SQLSTATE.insufficientPrivilege,
    message: waiting
      ? `held for approval ${decision.approval.id}, which nobody has answered yet`
      : `refused by policy: ${first?.message ?? 'no rule allows this'}`,
    ...(detail === '' ? {} : { detail }),
    hint: `Decision ${decision.id}, rule ${first?.rule ?? 'no_rule'}.${waiting ? ' Send the same statement again once it is approved.' : ''}`,
  }
}

/** An answer that ran into a limit of its decision. */
export function denialOfOverrun({ kind, allowed }: Overrun, decision: Decision): Denial {
  const unit = { rows: 'rows', bytes: 'bytes of rows', time: 'milliseconds' }[kind]
  return {
    severity: 'ERROR',
    code: kind === 'time' ? SQLSTATE.queryCanceled : SQLSTATE.programLimitExceeded,
    message: `policy allows ${allowed} ${unit} of this statement, and the rest is not handed out`,
    hint: `Decision ${decision.id}. Ask for less: fewer rows, fewer columns, a narrower condition.`,
  }
}

/** What the server's grammar says beside its message; the parser gives the message alone. */
const ADDED: readonly (readonly [RegExp, Pick<Denial, 'detail' | 'hint'>])[] = [
  [/^missing argument$/, { hint: 'Use NONE to denote the missing argument of a unary operator.' }],
  [/^unrecognized row security option /, { hint: 'Only PERMISSIVE or RESTRICTIVE policies are supported currently.' }],
  [/^LIMIT #,# syntax is not supported$/, { hint: 'Use separate LIMIT and OFFSET clauses.' }],
  [
    /^UNENCRYPTED PASSWORD is no longer supported$/,
    { hint: 'Remove UNENCRYPTED to store the password in encrypted form instead.' },
  ],
  [
    /^invalid publication object list$/,
    { detail: 'One of TABLE or TABLES IN SCHEMA must be specified before a standalone table or schema name.' },
  ],
]

/** A statement that never reached policy, under the id of the record that says so. */
export function denialOfRefusal(error: CountersignError, decision: Decision): Denial {
  const position = error instanceof NormalizeError ? error.position : undefined
  const source = `Decision ${decision.id}, ${error.code}.`
  return {
    severity: 'ERROR',
    code: sqlstateOf(error),
    message: error.message,
    ...(position === undefined ? {} : { position }),
    ...(error.code === 'ERR_NORMALIZE_SYNTAX' ? { ...addedTo(error), routine: source } : { hint: source }),
  }
}

function addedTo({ message }: CountersignError): Pick<Denial, 'detail' | 'hint'> {
  return ADDED.find(([pattern]) => pattern.test(message))?.[1] ?? {}
}

/** An error that ends the connection. Tells the client its kind, never an inside of ours. */
export function fatalOf(error: unknown): Denial {
  const severity = 'FATAL'
  if (error instanceof EvidenceError) {
    return {
      severity,
      code: SQLSTATE.ioError,
      message: 'the audit log cannot be written, so nothing is answered',
      hint: error.code,
    }
  }
  if (error instanceof ObligationError && error.code === 'ERR_OBLIGATION_LIMIT') {
    return { severity, code: SQLSTATE.programLimitExceeded, message: error.message, hint: error.code }
  }
  if (error instanceof IdentityError)
    return { severity, code: sqlstateOf(error), message: error.message, hint: error.code }
  if (error instanceof ProtocolError || error instanceof UpstreamError) {
    return { severity, code: sqlstateOf(error), message: error.message, hint: error.code }
  }
  if (error instanceof CountersignError)
    return { severity, code: sqlstateOf(error), message: 'the gateway cannot go on', hint: error.code }
  return { severity, code: SQLSTATE.internalError, message: 'the gateway cannot go on' }
}

/** Of a session that began well: as the server says it when an administrator ends one (57P01). */
export function credentialOver({ message, code }: IdentityError): Denial {
  const text = `terminating connection: ${message}`
  return { severity: 'FATAL', code: SQLSTATE.adminShutdown, message: text, hint: code }
}

function sqlstateOf(error: CountersignError): string {
  if (error instanceof NormalizeError) {
    if (error.native !== undefined) return error.native
    switch (error.code) {
      case 'ERR_NORMALIZE_SYNTAX':
        return SQLSTATE.syntaxError
      case 'ERR_NORMALIZE_UNSUPPORTED':
        return SQLSTATE.featureNotSupported
      case 'ERR_NORMALIZE_TOO_COMPLEX':
      case 'ERR_NORMALIZE_REQUEST':
      case 'ERR_NORMALIZE_TARGET':
      case 'ERR_NORMALIZE_PATH':
      case 'ERR_NORMALIZE_AUTHORITY':
      case 'ERR_NORMALIZE_HEADER':
      case 'ERR_NORMALIZE_FRAMING':
      case 'ERR_NORMALIZE_BODY':
        return SQLSTATE.statementTooComplex
      case 'ERR_NORMALIZE_UNRESOLVED':
      case 'ERR_NORMALIZE_OPAQUE':
        return SQLSTATE.insufficientPrivilege
    }
  }
  if (error instanceof ObligationError) return SQLSTATE.insufficientPrivilege
  if (error instanceof IdentityError) return SQLSTATE.invalidPassword
  if (error instanceof EvidenceError) return SQLSTATE.ioError
  if (error instanceof ProtocolError) {
    if (error.code === 'ERR_PROTOCOL_IDLE') return SQLSTATE.idleTransaction
    return error.code === 'ERR_PROTOCOL_TLS' ? SQLSTATE.invalidAuthorization : SQLSTATE.protocolViolation
  }
  if (error instanceof UpstreamError)
    return error.code === 'ERR_UPSTREAM_CLOSED' ? SQLSTATE.adminShutdown : SQLSTATE.connectionFailure
  return SQLSTATE.internalError
}

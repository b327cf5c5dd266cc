import { STATUS_CODES } from 'node:http'
import type { FastifyError } from 'fastify'
import {
  ApprovalError,
  ConfigError,
  CountersignError,
  EvidenceError,
  IdentityError,
  PolicyError,
  StateError,
} from '../engine/index.ts'
import type { ApprovalErrorCode, EvidenceErrorCode, IdentityErrorCode, PolicyErrorCode } from '../engine/index.ts'
import type { Reply } from './app.ts'

/** The body of every answer that is no success (RFC 9457). `code` is of docs/errors.md, or of the request's own fault. */
export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
}

export function problem(status: number, code: string, detail: string): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, code, detail }
}

/** Something that isn't there, or isn't for who asks to know of. */
export class NotThere extends Error {}

/** Sends a problem; the caller returns the reply. */
export function refuse(reply: Reply, body: Problem): Reply {
  if (body.status === 401) reply.header('www-authenticate', 'Bearer realm="countersign", error="invalid_token"')
  return reply.code(body.status).type('application/problem+json').send(body)
}

/** What the asker is told of an error. Of what is not their doing, only that it happened: the rest is for the log. */
export function problemOf(error: FastifyError | CountersignError | Error): Problem {
  if (error instanceof ApprovalError) return problem(STATUS[error.code], error.code, error.message)
  if (error instanceof NotThere) return problem(404, 'ERR_NOT_FOUND', error.message)
  if (error instanceof IdentityError) return problem(IDENTITY_STATUS[error.code] ?? 401, error.code, error.message)
  // Of a bundle that was sent: what is wrong with it, or that this is not the time for it.
  if (error instanceof PolicyError) return problem(POLICY_STATUS[error.code] ?? 422, error.code, error.message)
  if (error instanceof ConfigError) return problem(422, error.code, error.message)
  const reading = error instanceof EvidenceError ? READING_STATUS[error.code] : undefined
  if (reading !== undefined && error instanceof EvidenceError) return problem(reading, error.code, error.message)
  if (error instanceof EvidenceError || error instanceof StateError) {
    return problem(503, error.code, 'the answer could not be made durable, so it was not taken: try again later')
  }
  if (isRequestFault(error)) return problem(error.statusCode, error.code, error.message)
  return problem(500, 'ERR_INTERNAL', "the gateway failed; its log has more, by this answer's time")
}

const STATUS: Readonly<Record<ApprovalErrorCode, number>> = {
  ERR_APPROVAL_UNKNOWN: 404,
  ERR_APPROVAL_STATE: 409,
  ERR_APPROVAL_TERMS: 500,
  ERR_APPROVAL_PERSON: 403,
  ERR_APPROVAL_SELF: 403,
  ERR_APPROVAL_OWNER: 403,
  ERR_APPROVAL_TWICE: 409,
  ERR_APPROVAL_GROUP: 403,
  ERR_APPROVAL_REASON: 422,
  ERR_APPROVAL_DIGEST: 409,
  ERR_APPROVAL_EXPIRED: 409,
  ERR_APPROVAL_CLOSED: 503,
  ERR_APPROVAL_POLICY: 409,
  ERR_APPROVAL_REFUSED: 403,
  ERR_APPROVAL_LIMIT: 429,
}

const IDENTITY_STATUS: Readonly<Partial<Record<IdentityErrorCode, number>>> = {
  ERR_IDENTITY_PROVIDER: 503,
  ERR_IDENTITY_UNSURE: 503,
  ERR_IDENTITY_ROLE: 403,
  ERR_IDENTITY_UNKNOWN: 404,
}

/** Of evidence that was to be read, not written. */
const READING_STATUS: Readonly<Partial<Record<EvidenceErrorCode, number>>> = {
  ERR_EVIDENCE_OVERVIEW: 503,
  ERR_EVIDENCE_TOO_LARGE: 413,
  ERR_EVIDENCE_EXPORT: 422,
}

/** A bundle that can't be opened: 422. */
const POLICY_STATUS: Readonly<Partial<Record<PolicyErrorCode, number>>> = {
  ERR_POLICY_UNKNOWN: 404,
  ERR_POLICY_PERSON: 403,
  ERR_POLICY_SELF: 403,
  ERR_POLICY_UNTESTED: 409,
  ERR_POLICY_UNREVIEWED: 409,
  ERR_POLICY_STEP: 409,
  ERR_POLICY_SUSPENDED: 503,
}

/** Fastify's own refusals: a body that is no JSON, too large, or not of its schema. */
function isRequestFault(error: Error): error is FastifyError & { readonly statusCode: number } {
  if (!('statusCode' in error) || !('code' in error)) return false
  const { statusCode, code } = error
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 && typeof code === 'string'
}

import { STATUS_CODES } from 'node:http'
import type { Decision, NormalizeErrorCode } from '../../../engine/index.ts'
import {
  CountersignError,
  EvidenceError,
  IdentityError,
  NormalizeError,
  ObligationError,
  ProtocolError,
  UpstreamError,
} from '../../../engine/index.ts'
import { type Answer, type HeaderLine, NO_BYTES, type RequestHead } from '../message.ts'
import { isGrpc } from '../normalizer/grpc.ts'
import { statusDetails } from './grpc-status.ts'

/** An answer of the gateway's own (RFC 9457). */
export interface Denial {
  readonly status: number
  /** The last part of the problem's type: what a program tells problems apart by. */
  readonly problem: string
  /** A rule's id, or one of docs/errors.md. */
  readonly code: string
  readonly detail: string
  readonly decision: string | null
  readonly approval: string | null
  /** Seconds, where trying the same again makes sense. */
  readonly retryAfter: number | null
}

const TYPES = 'https://countersign.dev/problems/'
/** A held request is asked for again after so long. */
const RETRY_SECONDS = 5

/** A verdict that keeps a request from happening: says why, what to do, and which decision to ask about. */
export function denialOfDecision(decision: Decision): Denial {
  const { approval, reasons } = decision
  const [first] = reasons
  const code = first?.rule ?? 'no_rule'
  if (approval?.state === 'requested' && decision.verdict.kind === 'hold') {
    const detail = `held for approval ${approval.id}, which nobody has answered yet: send the same request again, it runs once when it is approved`
    return {
      status: 409,
      problem: 'approval-pending',
      code,
      detail,
      decision: decision.id,
      approval: approval.id,
      retryAfter: RETRY_SECONDS,
    }
  }
  const detail = `refused by policy: ${reasons.map(({ message }) => message).join('; ') || 'no rule allows this'}`
  return { status: 403, problem: 'denied', code, detail, decision: decision.id, approval: null, retryAfter: null }
}

/** A request that never reached policy, under the id of the record that says so. */
export function denialOfRefusal(error: CountersignError, decision: Decision): Denial {
  return { ...denialOf(error), decision: decision.id }
}

/** Any other failure. Tells the client its kind, never an inside of ours. */
export function denialOf(error: unknown): Denial {
  if (error instanceof NormalizeError)
    return plain(NORMALIZE_STATUS[error.code] ?? 400, 'refused', error.code, error.message)
  if (error instanceof ProtocolError)
    return plain(error.code === 'ERR_PROTOCOL_FRAME_LENGTH' ? 413 : 400, 'refused', error.code, error.message)
  if (error instanceof ObligationError) return plain(403, 'denied', error.code, error.message)
  if (error instanceof IdentityError) return identityDenial(error)
  if (error instanceof EvidenceError)
    return plain(503, 'unavailable', error.code, 'the audit log cannot be written, so nothing is answered')
  if (error instanceof UpstreamError) return plain(502, 'upstream', error.code, error.message)
  if (error instanceof CountersignError) return plain(500, 'failed', error.code, 'the gateway cannot go on')
  return plain(500, 'failed', 'ERR_INTERNAL', 'the gateway cannot go on')
}

/** An answer that could not be masked with certainty: nothing of it is let through. */
export function withheld(error: ObligationError, decision: string): Denial {
  return { ...plain(502, 'withheld', error.code, error.message), decision }
}

/** For who sends an approved request again whose answer was not kept. */
export function carriedOut(status: number): Denial {
  const detail = `this request was approved and has been carried out (HTTP ${status}); its answer was handed out then and is not kept`
  return plain(409, 'carried-out', 'carried_out', detail)
}

function identityDenial({ code, message }: IdentityError): Denial {
  const status = code === 'ERR_IDENTITY_PROVIDER' ? 503 : 401
  return plain(status, 'unauthenticated', code, `${message}; send the bank's token as Authorization: Bearer`)
}

function plain(status: number, problem: string, code: string, detail: string): Denial {
  return { status, problem, code, detail, decision: null, approval: null, retryAfter: null }
}

const NORMALIZE_STATUS: Readonly<Partial<Record<NormalizeErrorCode, number>>> = {
  ERR_NORMALIZE_TOO_COMPLEX: 413,
  ERR_NORMALIZE_AUTHORITY: 421,
  ERR_NORMALIZE_UNSUPPORTED: 501,
}

/** The answer as this client's protocol has it. */
export function answerOf(denial: Denial, asked: Pick<RequestHead, 'headers' | 'method'>): Answer {
  const headers: HeaderLine[] = [['cache-control', 'no-store']]
  if (denial.decision !== null) headers.push(['x-decision-id', denial.decision])
  if (denial.approval !== null) headers.push(['x-approval-id', denial.approval])
  if (denial.retryAfter !== null) headers.push(['retry-after', String(denial.retryAfter)])
  if (isGrpc(asked)) return grpcAnswer(denial, headers)
  if (denial.status === 401) headers.push(['www-authenticate', 'Bearer realm="countersign", error="invalid_token"'])
  const { status, problem, code, detail, decision, approval } = denial
  const body = {
    type: `${TYPES}${problem}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    detail,
    ...(decision === null ? {} : { decision }),
    ...(approval === null ? {} : { approval, status_url: `/v1/approvals/${approval}` }),
  }
  headers.push(['content-type', 'application/problem+json'])
  return { status, headers, body: Buffer.from(`${JSON.stringify(body)}\n`), trailers: [] }
}

/** google.rpc.Code by HTTP status; all else is UNKNOWN. */
const GRPC_CODES: ReadonlyMap<number, number> = new Map([
  [400, 3], // INVALID_ARGUMENT
  [401, 16], // UNAUTHENTICATED
  [403, 7], // PERMISSION_DENIED
  [409, 9], // FAILED_PRECONDITION: held; not UNAVAILABLE, which clients retry by themselves
  [413, 8], // RESOURCE_EXHAUSTED
  [421, 5], // NOT_FOUND
  [500, 13], // INTERNAL
  [501, 12], // UNIMPLEMENTED
  [502, 13],
  [503, 14], // UNAVAILABLE
])

/** Trailers only (gRPC over HTTP/2): the whole answer is in its head. */
function grpcAnswer({ status, code, detail, decision, approval }: Denial, headers: readonly HeaderLine[]): Answer {
  const message = `${detail} (${code}${decision === null ? '' : `, decision ${decision}`})`
  const grpc = GRPC_CODES.get(status) ?? 2
  const metadata = { ...(decision === null ? {} : { decision }), ...(approval === null ? {} : { approval }) }
  return {
    status: 200,
    headers: [
      ...headers,
      ['content-type', 'application/grpc'],
      ['grpc-status', String(grpc)],
      ['grpc-message', percentEncoded(message)],
      ['grpc-status-details-bin', statusDetails(grpc, message, { reason: code, domain: 'countersign.dev', metadata })],
    ],
    body: NO_BYTES,
    trailers: [],
  }
}

/** Of gRPC's `grpc-message`: all but visible ASCII, and the percent sign itself. */
function percentEncoded(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')
}

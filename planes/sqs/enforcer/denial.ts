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
import type { Fault } from '../codec/call.ts'

/** Errors of SQS by their JSON name: status, and the name in the Query protocol where that is another. */
const KNOWN: Readonly<Record<string, readonly [status: number, query?: string]>> = {
  AccessDenied: [403],
  ApprovalPending: [403],
  BatchEntryIdsNotDistinct: [400, 'AWS.SimpleQueueService.BatchEntryIdsNotDistinct'],
  EmptyBatchRequest: [400, 'AWS.SimpleQueueService.EmptyBatchRequest'],
  InvalidAttributeValue: [400],
  InvalidBatchEntryId: [400, 'AWS.SimpleQueueService.InvalidBatchEntryId'],
  InvalidMessageContents: [400],
  InvalidParameterValue: [400],
  MissingParameter: [400],
  OutcomeUnknown: [403],
  QueueDoesNotExist: [400, 'AWS.SimpleQueueService.NonExistentQueue'],
  ReceiptHandleIsInvalid: [400],
  ServiceUnavailable: [503],
  InternalError: [500],
  InvalidAction: [400],
  MalformedInput: [400],
  // SDKs whose clock is wrong set it by our Date header when they read this.
  SignatureDoesNotMatch: [403],
  TooManyEntriesInBatchRequest: [400, 'AWS.SimpleQueueService.TooManyEntriesInBatchRequest'],
}

export function fault(code: string, message: string, headers: Readonly<Record<string, string>> = {}): Fault {
  const [status, query] = KNOWN[code] ?? [400]
  return { status, code, query: query ?? code, sender: status < 500, message, headers }
}

/** A verdict that keeps a call from happening: says why, what to do, and which decision to ask about. */
export function faultOfDecision(decision: Decision): Fault {
  const [first] = decision.reasons
  const tail = `Decision ${decision.id}, rule ${first?.rule ?? 'no_rule'}.`
  const { approval } = decision
  if (approval?.state === 'requested' && decision.verdict.kind === 'hold') {
    const message = `held for approval ${approval.id}, which nobody has answered yet: send the same request again once it is approved. ${tail}`
    return fault('ApprovalPending', message, { 'x-approval-id': approval.id, 'x-decision-id': decision.id })
  }
  const others = decision.reasons.slice(1).map(({ message }) => `; ${message}`)
  const message = `refused by policy: ${first?.message ?? 'no rule allows this'}${others.join('')}. ${tail}`
  return fault('AccessDenied', message, { 'x-decision-id': decision.id })
}

/** An approved call that came to nothing that is known: its approval is spent, so repeating it means asking again. */
export function faultOfReleased(status: 'failed' | 'unknown', decision: string): Fault {
  const headers = { 'x-decision-id': decision }
  if (status === 'failed') {
    const away = 'the queue service can’t be reached, and the approval is spent: the same request asks for another'
    return fault('ServiceUnavailable', `${away}. Decision ${decision}.`, headers)
  }
  const unknown =
    'approved and sent, but the queue service never answered: it may have taken effect. It is not sent again'
  return fault('OutcomeUnknown', `${unknown}. Decision ${decision}.`, headers)
}

/** A call that never reached policy, under the id of the record that says so. */
export function faultOfRefusal(error: CountersignError, decision: Decision): Fault {
  const refused = faultOf(error)
  return {
    ...refused,
    message: `${error.message}. Decision ${decision.id}, ${error.code}.`,
    headers: { 'x-decision-id': decision.id },
  }
}

/** Any other failure. Tells the client its kind, never an inside of ours. */
export function faultOf(error: unknown): Fault {
  if (error instanceof NormalizeError) return fault(error.native ?? nativeOf(error), error.message)
  if (error instanceof ProtocolError) return fault('MalformedInput', error.message)
  if (error instanceof ObligationError) return fault('AccessDenied', error.message)
  if (error instanceof IdentityError) return fault('SignatureDoesNotMatch', error.message)
  if (error instanceof EvidenceError)
    return fault('ServiceUnavailable', `the audit log cannot be written, so nothing is answered (${error.code})`)
  if (error instanceof UpstreamError) return fault('ServiceUnavailable', error.message)
  if (error instanceof CountersignError) return fault('InternalError', `the gateway cannot go on (${error.code})`)
  return fault('InternalError', 'the gateway cannot go on')
}

function nativeOf({ code }: NormalizeError): string {
  switch (code) {
    case 'ERR_NORMALIZE_UNSUPPORTED':
      return 'InvalidAction'
    case 'ERR_NORMALIZE_UNRESOLVED':
      return 'QueueDoesNotExist'
    case 'ERR_NORMALIZE_SYNTAX':
    case 'ERR_NORMALIZE_OPAQUE':
    case 'ERR_NORMALIZE_TOO_COMPLEX':
    case 'ERR_NORMALIZE_REQUEST':
    case 'ERR_NORMALIZE_TARGET':
    case 'ERR_NORMALIZE_PATH':
    case 'ERR_NORMALIZE_AUTHORITY':
    case 'ERR_NORMALIZE_HEADER':
    case 'ERR_NORMALIZE_FRAMING':
    case 'ERR_NORMALIZE_BODY':
      return 'InvalidParameterValue'
  }
}

import type { Decision, JsonObject, Outcome, PlaneHost, RecordedAnswer, UpstreamError } from '../../../engine/index.ts'
import type { Fault } from '../codec/call.ts'
import type { SqsUpstream } from '../upstream.ts'
import { fault } from './denial.ts'
import type { Asking, Judged } from './judge.ts'
import type { Rewriting } from './rewriting.ts'

/** What the client gets: a result by the JSON protocol's names, or an error of SQS. */
export type Answer =
  | { readonly kind: 'ok'; readonly result: JsonObject }
  | { readonly kind: 'fault'; readonly fault: Fault }

export interface EnforcerRooms {
  readonly host: PlaneHost
  readonly upstream: SqsUpstream
  readonly rewriting: Rewriting
  readonly patienceMs: number
  readonly now: () => number
}

type Running = Extract<Judged, { kind: 'run' }>

export function settle(
  { session }: Asking,
  decision: Decision,
  how: Partial<Outcome> & Pick<Outcome, 'status'>,
  answer?: RecordedAnswer,
): Promise<void> {
  const outcome = {
    rows: how.status === 'unknown' ? null : 0,
    bytes: 0,
    masks: [],
    error: null,
    ...how,
  }
  return session.settle(decision, outcome, answer)
}

/** An error of the service's: of a labelled queue its code alone, of others its text, with the gateway's address in it. */
export function foreignFault(
  foreign: Fault,
  { sensitive, decision }: Running,
  origin: string,
  publicUrl: string,
): Fault {
  const told = sensitive ? 'the queue service refused it' : foreign.message.replaceAll(origin, publicUrl)
  return { ...fault(foreign.code, told), ...foreign, message: told, headers: { 'x-decision-id': decision.id } }
}

/** What is known of a call whose answer never came: without a connection it was not made. */
export function failureOf({ code }: UpstreamError): 'failed' | 'unknown' {
  return code === 'ERR_UPSTREAM_CONNECT' || code === 'ERR_UPSTREAM_AUTH' ? 'failed' : 'unknown'
}

import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '../../../engine/index.ts'
import {
  CountersignError,
  NormalizeError,
  ObligationError,
  ProtocolError,
  UpstreamError,
  KeptAnswers,
} from '../../../engine/index.ts'
import type { Call } from '../codec/call.ts'
import { listOf } from '../codec/members.ts'
import { operationOf } from '../codec/operations.ts'
import type { Subject } from '../normalizer/access.ts'
import { queueOfPath } from '../normalizer/queue-name.ts'
import { type Naming, subjectOf } from '../normalizer/subject.ts'
import { batchAnswer } from './batch.ts'
import type { UpstreamAnswer } from '../upstream.ts'
import { faultOf, faultOfReleased } from './denial.ts'
import { type Asking, Judge, type Judged } from './judge.ts'
import { type Answer, type EnforcerRooms, failureOf, foreignFault, settle } from './outcome.ts'
import { listedQueues } from './listed-queues.ts'
import { receivedMessages } from './received-messages.ts'
import { incoming, openedHandles, openTask, outgoing } from './rewriting.ts'

type Running = Extract<Judged, { kind: 'run' }>

/** One call: named, decided, carried out, and what comes back of it masked and recorded before anyone sees it. */
export class Enforcer {
  readonly #rooms: EnforcerRooms
  readonly #judge: Judge
  readonly #kept: KeptAnswers<Answer>
  readonly #naming: Naming

  constructor(rooms: EnforcerRooms) {
    const { rewriting } = rooms
    this.#rooms = rooms
    this.#judge = new Judge(rooms.host, rooms.now)
    this.#kept = new KeptAnswers(rooms.now)
    this.#naming = {
      place: rewriting.place,
      offers: (queue) => rewriting.offers(queue),
      openTask: (handle, principal) => openTask(rewriting.handles, handle, principal, rewriting.place),
    }
  }

  /** `path`: of the request line, where old SDKs put the queue too. Throws EvidenceError and nothing else of ours. */
  async answer(call: Call, path: string, asking: Asking): Promise<Answer> {
    try {
      return await this.#answer(call, path, asking)
    } catch (error) {
      if (error instanceof NormalizeError || error instanceof ProtocolError || error instanceof ObligationError)
        return { kind: 'fault', fault: await this.#judge.refuse(error, call.action, asking) }
      throw error
    }
  }

  /** A call that can't even be read. */
  async refuse(error: CountersignError, asking: Asking): Promise<Answer> {
    return { kind: 'fault', fault: await this.#judge.refuse(error, 'unknown', asking) }
  }

  async #answer({ action, input }: Call, path: string, asking: Asking): Promise<Answer> {
    const { batch } = operationOf(action)
    const subject = subjectOf(action, input, asking.principal, this.#naming)
    const named = queueOfPath(path, this.#rooms.rewriting.place)
    if (named !== null && named.arn !== subject.queue?.arn)
      throw new NormalizeError('ERR_NORMALIZE_UNRESOLVED', 'the request line names another queue than the request')
    if (batch === true) return batchAnswer(subject, asking, this.#judge, this.#rooms)
    const key = keyOf(subject, asking)
    const kept = this.#kept.find(key)
    if (kept !== null) return this.#again(kept, subject, asking)
    return this.#fresh(key, subject, asking)
  }

  /** The answer of a call that was approved, for who sends it again: nothing happens, and that is recorded. */
  async #again(kept: Promise<Answer>, { action }: Subject, { session }: Asking): Promise<Answer> {
    const answer = await kept
    await session.record({
      dir: 'client',
      kind: 'note',
      decision: null,
      body: { repeated: action, answered: answer.kind },
    })
    return answer
  }

  /** A call that is held, or was when it last came, is joined by all that are the same until it ends. */
  #fresh(key: string, subject: Subject, asking: Asking): Promise<Answer> {
    const done = Promise.withResolvers<Answer>()
    done.promise.catch(() => undefined) // whoever awaits it sees it; nobody may
    if (this.#kept.isHeld(key)) this.#kept.waiting(key, done.promise)
    void this.#carryOut(key, subject, asking, done.promise).then(done.resolve, (error: unknown) => {
      this.#kept.denied(key, done.promise, null)
      done.reject(error)
    })
    return done.promise
  }

  async #carryOut(key: string, subject: Subject, asking: Asking, own: Promise<Answer>): Promise<Answer> {
    const opened = openedHandles(subject, asking.principal, this.#rooms.rewriting)
    const onHold = (): void => this.#kept.waiting(key, own)
    const judged = await this.#judge.judge(subject, asking, this.#rooms.patienceMs, onHold)
    if (judged.kind === 'run') {
      if (judged.keepUntil === null) return this.#run(subject, opened, judged, asking)
      this.#kept.released(key, own, judged.keepUntil)
      const answer = await this.#run(subject, opened, judged, asking)
      if (wasNotSent(answer)) this.#kept.denied(key, own, null)
      return answer
    }
    const first = judged.wasHeld ? this.#kept.find(key) : null // another one used the approval while this one asked
    if (first !== null && first !== own) return first
    this.#kept.denied(key, own, judged.heldUntil)
    return { kind: 'fault', fault: judged.fault }
  }

  async #run(subject: Subject, opened: JsonObject, running: Running, asking: Asking): Promise<Answer> {
    const { rewriting, upstream } = this.#rooms
    const { decision, masks } = running
    try {
      const input = outgoing(subject, opened, masks, rewriting)
      // A poll ends with the client that waits for it; what changes something is never broken off in the middle.
      const gone = subject.action === 'ReceiveMessage' ? asking.gone : null
      const call = (): Promise<UpstreamAnswer> => upstream.call(subject.action, input, asking.principal, gone)
      const answer = await (running.keepUntil === null ? call() : onceReachable(call))
      if (answer.kind === 'fault') {
        await settle(asking, decision, { status: 'failed', error: answer.fault.code })
        return { kind: 'fault', fault: foreignFault(answer.fault, running, upstream.origin, rewriting.place.publicUrl) }
      }
      return { kind: 'ok', result: await this.#handedOut(subject, answer.result, running, asking) }
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      const status = failureOf(error)
      await settle(asking, decision, { status, error: error.code })
      return {
        kind: 'fault',
        fault: running.keepUntil === null ? faultOf(error) : faultOfReleased(status, decision.id),
      }
    }
  }

  async #handedOut(subject: Subject, answer: JsonObject, running: Running, asking: Asking): Promise<JsonObject> {
    const { decision, masks } = running
    switch (subject.action) {
      case 'ReceiveMessage':
        return receivedMessages(subject, answer, running, asking, this.#judge, this.#rooms)
      case 'ListQueues':
      case 'ListDeadLetterSourceQueues': {
        const listed = listedQueues(subject, answer, asking, this.#judge, this.#rooms.rewriting)
        await settle(asking, decision, { status: 'ok', rows: queuesIn(listed), masks: masks.counts })
        return listed
      }
      default: {
        const result = incoming(subject, answer, masks, asking.principal, this.#rooms.rewriting)
        await settle(asking, decision, { status: 'ok', rows: 1, masks: masks.counts })
        return result
      }
    }
  }
}

function queuesIn({ QueueUrls, queueUrls }: JsonObject): number {
  return listOf(QueueUrls).length + listOf(queueUrls).length
}

function wasNotSent(answer: Answer): boolean {
  return answer.kind === 'fault' && answer.fault.code === 'ServiceUnavailable'
}

/** Milliseconds before each further try; a client waits for longer than all of them. */
const TRIES_AFTER = [250, 500, 1000, 2000, 4000] as const

/** What people have said yes to is worth waiting for: as long as it surely was not sent, it is tried again. */
async function onceReachable(call: () => Promise<UpstreamAnswer>): Promise<UpstreamAnswer> {
  for (const pause of TRIES_AFTER) {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.code !== 'ERR_UPSTREAM_CONNECT') throw error
      await sleep(pause)
    }
  }
  return call()
}

/** The same call by the same principal: what an approval binds. */
function keyOf({ action, queue, input }: Subject, { principal: { issuer, id, kind, act } }: Asking): string {
  return hash('sha256', JSON.stringify([issuer, id, kind, act, action, queue?.arn ?? null, input]))
}

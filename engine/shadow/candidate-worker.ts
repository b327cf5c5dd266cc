/** A thread with one candidate in it: what it does, however slowly, holds nothing up. It dies with its deadline. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { openArchive } from '../policy/index.ts'
import type { ActivePolicy, BundleTrust, SelfTestLimits } from '../policy/index.ts'
import type { Evaluation } from '../verdict.ts'
import { relabelled } from './relabel.ts'

/** What the thread opens for itself: a compiled module can't be trusted to be what was checked elsewhere. */
export interface CandidateBundle {
  readonly archive: Uint8Array
  readonly trust: BundleTrust
  readonly limits: SelfTestLimits
}

export interface Question {
  readonly plane: string
  readonly json: string
  readonly nowMs: number
}

export type CandidateAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answered'; readonly evaluation: Evaluation }
  /** No verdict of our shape came of it. */
  | { readonly kind: 'failed' }

const port = parentPort
if (port === null) throw new Error('candidate-worker.ts runs as a worker thread only')

const bundle: CandidateBundle = workerData
const policy = await openArchive(bundle.archive, bundle.trust, bundle.limits)
port.on('message', (question: Question) => send(port, answerTo(policy, question)))
send(port, { kind: 'ready' })

function answerTo(candidate: ActivePolicy, { plane, json, nowMs }: Question): CandidateAnswer {
  try {
    const { verdict, reasons } = candidate.evaluateAgain(plane, relabelled(json, plane, candidate.data), nowMs, null)
    return { kind: 'answered', evaluation: { verdict, reasons } }
  } catch {
    return { kind: 'failed' }
  }
}

function send(to: MessagePort, answer: CandidateAnswer): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  to.postMessage(answer)
}

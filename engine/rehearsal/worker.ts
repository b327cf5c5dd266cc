import { parentPort, workerData } from 'node:worker_threads'
import type { JsonObject } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import { openBundle, readsAny, UNHURRIED, type ReadPath } from '../policy/index.ts'
import { answerOf, failedAnswer } from './comparison.ts'
import type { Answer } from './comparison.ts'

/* The thread that candidates run on: one that loops or fills its memory ends this thread, and nothing else. */

export interface Question {
  readonly plane: string
  readonly input: string
  /** Where the input holds a mask in place of what policy saw. */
  readonly masked: readonly ReadPath[]
  readonly nowMs: number
  readonly nondeterministic: JsonObject | null
}

/** `incomparable`: the policy asks for what the record doesn't hold. */
export type Reply =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'incomparable'; readonly why: string }

export interface WorkerData {
  readonly bundle: string
}

const READS_MASKED = 'the policy reads values in it that were masked before they were recorded'

if (parentPort !== null) await answerOn(parentPort)

async function answerOn(port: NonNullable<typeof parentPort>): Promise<void> {
  const { bundle }: WorkerData = workerData
  const policy = await openBundle(bundle, { kind: 'unsigned' }, UNHURRIED)
  const reply = ({ plane, input, masked, nowMs, nondeterministic }: Question): Reply => {
    // What it doesn't read can't matter, masked or not; what it reads has to be what was there.
    if (readsAny(policy.reads, masked)) return { kind: 'incomparable', why: READS_MASKED }
    try {
      return { kind: 'answer', answer: answerOf(policy.evaluateAgain(plane, input, nowMs, nondeterministic)) }
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error
      if (error.code === 'ERR_POLICY_UNRECORDED') return { kind: 'incomparable', why: error.message }
      return { kind: 'answer', answer: failedAnswer() }
    }
  }
  port.on('message', (questions: readonly Question[]) => port.postMessage(questions.map(reply)))
  port.postMessage(policy.reference)
}

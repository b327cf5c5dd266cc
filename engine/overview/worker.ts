/** The overview's thread: follows evidence, and answers what pages ask. It dies of what it can't do, and begins again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { directoryStore, postgresStore, type PostgresAddress } from '../evidence/index.ts'
import { answersOf } from './answers.ts'
import { Follower, requireSameEvidence } from './follower.ts'
import { Ingest } from './ingest.ts'
import { Meter } from './meter.ts'
import type { QuestionName, Questions } from './questions.ts'
import { openTables } from './tables.ts'

export interface OverviewThread {
  readonly evidence: { readonly directory: string } | { readonly postgres: PostgresAddress }
  /** The index's file. */
  readonly path: string
  /** The gateway's own writer: what is measured is its. */
  readonly writer: string
  readonly everyMs: number
}

export interface Question<Name extends QuestionName = QuestionName> {
  readonly id: number
  readonly name: Name
  readonly asked: Questions[Name]['asked']
}

export type Told =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  /** Records were taken in. */
  | { readonly kind: 'advanced'; readonly records: number }

const port = parentPort
if (port === null) throw new Error('worker.ts runs as a worker thread only')

const { evidence, path, writer, everyMs }: OverviewThread = workerData
const store = 'directory' in evidence ? directoryStore(evidence.directory) : postgresStore(evidence.postgres)
const database = openTables(path)
await requireSameEvidence(store, database)
const meter = new Meter(writer)
const follower = new Follower(store, database, new Ingest(database, meter))
let isCaughtUp = false
const answers = answersOf({ database, store, meter, path, caughtUp: () => isCaughtUp })

port.on('message', (question: Question) => void answer(question, port))
await follow(port)

async function answer<Name extends QuestionName>({ id, name, asked }: Question<Name>, to: MessagePort): Promise<void> {
  try {
    const said: Questions[Name]['answer'] = await answers[name](asked)
    tell(to, { kind: 'answer', id, answer: said })
  } catch (error) {
    tell(to, { kind: 'failed', id, message: error instanceof Error ? error.message : String(error) })
  }
}

async function follow(to: MessagePort): Promise<void> {
  for (;;) {
    const records = await follower.advance()
    isCaughtUp = true
    if (records > 0) tell(to, { kind: 'advanced', records })
    await sleep(everyMs)
  }
}

function tell(to: MessagePort, told: Told): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  to.postMessage(told)
}

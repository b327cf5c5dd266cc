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
  /** When nobody has asked for so long, and nobody watches, evidence is left alone: an index that nobody reads costs nothing. */
  readonly restAfterMs: number
}

export interface Question<Name extends QuestionName = QuestionName> {
  readonly kind: 'question'
  readonly id: number
  readonly name: Name
  readonly asked: Questions[Name]['asked']
}

/** So many want to be told when records were taken in. */
export interface Watched {
  readonly kind: 'watched'
  readonly by: number
}

export type Told =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  /** Records were taken in. */
  | { readonly kind: 'advanced'; readonly records: number }

const port = parentPort
if (port === null) throw new Error('worker.ts runs as a worker thread only')

const { evidence, path, writer, everyMs, restAfterMs }: OverviewThread = workerData
const store = 'directory' in evidence ? directoryStore(evidence.directory) : postgresStore(evidence.postgres)
const database = openTables(path)
await requireSameEvidence(store.source, database)
const meter = new Meter(writer)
const follower = new Follower(store.source, database, new Ingest(database, meter))
/** How long the first to ask again waits for what was left alone. */
const CATCH_UP_MS = 5000

let isCaughtUp = false
let watchers = 0
const isHere = Promise.resolve()
let lastAsked = Date.now()
let asleep: PromiseWithResolvers<void> | null = null
let advanced = Promise.withResolvers<void>()
const answers = answersOf({ database, source: store.source, meter, path, caughtUp: () => isCaughtUp, fresh })

port.on('message', (asked: Question | Watched) => {
  if (asked.kind === 'watched') watchers = asked.by
  lastAsked = Date.now()
  const next = advanced.promise
  const wasAsleep = asleep !== null
  asleep?.resolve()
  if (asked.kind === 'question')
    void (wasAsleep ? Promise.race([next, sleep(CATCH_UP_MS)]) : isHere).then(() => answer(asked, port))
})
await follow(port)

/** The look at evidence that is under way may have passed by what is new; the one after it hasn't. */
async function fresh(): Promise<void> {
  await advanced.promise
  await advanced.promise
}

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
    const { resolve } = advanced
    advanced = Promise.withResolvers<void>()
    resolve()
    if (watchers === 0 && Date.now() - lastAsked > restAfterMs) {
      isCaughtUp = false
      asleep = Promise.withResolvers<void>()
      await asleep.promise
      asleep = null
    } else await sleep(everyMs)
  }
}

function tell(to: MessagePort, told: Told): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  to.postMessage(told)
}

/** A thread that parses what is too long to parse between two reads of a socket. It dies with its deadline. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { PgQuery, SqlFault } from './pg-query.ts'
import { parseScript, type ParsedScript } from './script.ts'

export type WorkerAnswer =
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'parsed' } & ParsedScript)
  | { readonly kind: 'fault'; readonly message: string; readonly position: number }
  /** The statement spoilt the instance that parsed it; the next one gets another. */
  | { readonly kind: 'spoilt' }

const port = parentPort
if (port === null) throw new Error('parser-worker.ts runs as a worker thread only')

/** The compiled parser is handed over by whoever started the thread. */
const open = (): Promise<PgQuery> => PgQuery.open(Promise.resolve(workerData))

let query = await open()

// Statements come one at a time: the next is sent when this one is answered.
port.on('message', (sql: string) => {
  // A thread that can't get another instance ends itself: whoever waits for it sees that it died.
  respond(sql, port).catch(() => process.exit(1))
})
port.postMessage({ kind: 'ready' } satisfies WorkerAnswer)

async function respond(sql: string, to: MessagePort): Promise<void> {
  const reply = answer(sql)
  if (reply.kind === 'spoilt') query = await open()
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  to.postMessage(reply)
}

function answer(sql: string): WorkerAnswer {
  try {
    return { kind: 'parsed', ...parseScript(query, sql) }
  } catch (error) {
    if (error instanceof SqlFault) return { kind: 'fault', message: error.message, position: error.position }
    return { kind: 'spoilt' }
  }
}

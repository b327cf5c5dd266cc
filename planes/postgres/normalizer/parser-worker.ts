/** A thread that parses what is too long to parse between two reads of a socket. It dies with its deadline or its stack. */
import { parentPort } from 'node:worker_threads'
import { PgQuery, SqlFault } from './pg-query.ts'
import { parseScript, type ParsedScript } from './script.ts'

export type WorkerAnswer =
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'parsed' } & ParsedScript)
  | { readonly kind: 'fault'; readonly message: string; readonly position: number }
  | { readonly kind: 'spoilt'; readonly reason: string }

const port = parentPort
if (port === null) throw new Error('parser-worker.ts runs as a worker thread only')
const query = await PgQuery.open()

port.on('message', (sql: string) => {
  port.postMessage(answer(sql))
})
port.postMessage({ kind: 'ready' } satisfies WorkerAnswer)

function answer(sql: string): WorkerAnswer {
  try {
    return { kind: 'parsed', ...parseScript(query, sql) }
  } catch (error) {
    if (error instanceof SqlFault) return { kind: 'fault', message: error.message, position: error.position }
    return { kind: 'spoilt', reason: error instanceof Error ? error.name : 'unknown' }
  }
}

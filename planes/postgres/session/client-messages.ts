import { encodeFrontend, type FrontendMessage } from '../codec/frontend-messages.ts'
import { Writer } from '../codec/writer.ts'

/** One message as a client would send it: what the gateway itself asks of the server. */
export function message(outgoing: FrontendMessage): Buffer {
  const writer = new Writer(128)
  encodeFrontend(writer, outgoing)
  return writer.take()
}

export const SYNC: Buffer = message({ kind: 'sync' })
/** Text that no server parses: it puts the server's transaction into the state that our refusal must leave it in. */
export const POISON_SQL = 'countersign_refused_a_statement'
export const POISON_PARSE: Buffer = message({ kind: 'parse', name: POISON_SQL, sql: POISON_SQL, parameterTypes: [] })

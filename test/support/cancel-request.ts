import { once } from 'node:events'
import { connect } from 'node:net'
import type { Client } from 'pg'

const CANCEL_REQUEST = 80_877_102

/**
 * Cancels what a node-postgres client waits for, as PQcancel does: on a connection of its own, with the key that the
 * client was given (it keeps it, though its types don't say so). `wrongBy`: bits of the key to turn over.
 */
export async function cancel(client: Client, wrongBy = 0): Promise<void> {
  const pid: unknown = Reflect.get(client, 'processID')
  const secret: unknown = Reflect.get(client, 'secretKey')
  const request = Buffer.alloc(16)
  request.writeInt32BE(16)
  request.writeInt32BE(CANCEL_REQUEST, 4)
  request.writeInt32BE(Number(pid), 8)
  request.writeInt32BE(Number(secret) ^ wrongBy, 12)
  const socket = connect(client.port, client.host)
  socket.end(request)
  await once(socket.resume(), 'close')
}

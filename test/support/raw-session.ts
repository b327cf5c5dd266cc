import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { encodeFrontend, encodeStartup, passwordBody } from '../../planes/postgres/codec/frontend-messages.ts'
import { Writer } from '../../planes/postgres/codec/writer.ts'
import type { Address } from './wire-client.ts'

/** A session of the gateway's at its first ReadyForQuery, paused, as a bare socket: for answers that are too large to be decoded. */
export async function openRawSession(
  { host, port }: Address,
  who: { readonly user: string; readonly password: string; readonly database: string },
): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true })
  const hello = new Writer()
  const parameters = new Map([
    ['user', who.user],
    ['database', who.database],
  ])
  encodeStartup(hello, { kind: 'startup', minor: 0, parameters })
  socket.write(hello.take())
  await once(socket, 'data') // AuthenticationCleartextPassword
  const answer = new Writer()
  encodeFrontend(answer, { kind: 'password', body: passwordBody(who.password) })
  socket.write(answer.take())
  await untilReady(socket, () => undefined)
  return socket.pause()
}

/** Sends a simple Query. */
export function sendQuery(socket: Socket, sql: string): void {
  const query = new Writer()
  encodeFrontend(query, { kind: 'query', sql })
  socket.write(query.take())
}

const READY = Buffer.from('5a00000005', 'hex')
const READY_LENGTH = 6

/** Reads until a ReadyForQuery is the last that has come, which no text without a zero byte is taken for. */
export function untilReady(socket: Socket, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let tail = Buffer.alloc(0)
    const done = (): void => {
      socket.off('data', take)
      socket.off('close', lost)
    }
    const lost = (): void => reject(new Error('the connection was closed within an answer'))
    const take = (chunk: Buffer): void => {
      try {
        onChunk(chunk)
      } catch (error) {
        done()
        return reject(error instanceof Error ? error : new Error(String(error)))
      }
      tail = Buffer.concat([tail, chunk.subarray(-READY_LENGTH)]).subarray(-READY_LENGTH)
      if (tail.length < READY_LENGTH || !tail.subarray(0, READY.length).equals(READY)) return
      done()
      resolve()
    }
    socket.on('data', take)
    socket.once('close', lost)
    socket.resume()
  })
}

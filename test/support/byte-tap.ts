import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'

/** A way through to a server on loopback that keeps a copy of all that comes back. */
export interface ByteTap {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Every byte that the server has sent to any client so far. */
  toClients(): Buffer
  close(): Promise<void>
}

/** Stands between a driver and the gateway: what no driver shows can't hide from it. Of TLS it sees only ciphertext. */
export async function openTap(target: { readonly host: string; readonly port: number }): Promise<ByteTap> {
  const copies: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: target.host, port: target.port, noDelay: true })
    upstream.on('data', (chunk: Buffer) => copies.push(chunk))
    join(client, upstream, sockets)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has no port')
  return {
    host: '127.0.0.1',
    port: address.port,
    toClients: () => Buffer.concat(copies),
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** Either side's end is the other's; so is either side's death. */
function join(one: Socket, other: Socket, sockets: Set<Socket>): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    sockets.add(from)
    from.pipe(to)
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      to.destroySoon()
    })
  }
}

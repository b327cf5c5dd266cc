import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export interface Received {
  readonly headers: Record<string, string>
  readonly body: string
}

export interface Receiver {
  readonly url: URL
  readonly got: Received[]
  close(): void
}

/** A receiver on loopback: what it got, and what it answers, 204 by default. */
export async function receive(answers: readonly number[] = []): Promise<Receiver> {
  const got: Received[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = (await request.toArray()).join('')
    got.push({
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      body,
    })
    response.writeHead(answers[got.length - 1] ?? 204, { location: 'http://127.0.0.1:1/elsewhere' }).end()
  }
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: new URL(`http://127.0.0.1:${address.port}/hook`), got, close: () => void server.close() }
}

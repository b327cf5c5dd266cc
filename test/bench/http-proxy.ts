import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent } from 'undici'

/** The least that a proxy of undici's does, as a process of its own: what came goes on, what comes back goes back. Prints its port. */
const [origin = ''] = process.argv.slice(2)
const agent = new Agent()
const server = createServer((request, response) => void pass(request, response))

async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = 'GET', url: path = '/', headers } = request
  const { connection: _connection, host: _host, ...rest } = headers
  await agent.stream(
    { origin, path, method, headers: rest, body: method === 'GET' ? null : request },
    ({ statusCode, headers: answered }) => response.writeHead(statusCode, answered),
  )
}

server.listen(0, '127.0.0.1', () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a server that listens on TCP has such an address
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
process.stdin.on('end', () => process.exit(0)).resume()

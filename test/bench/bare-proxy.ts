import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent } from 'undici'

/**
 * The least that a proxy in this runtime does, as a process of its own: takes a request whole, sends it on over a kept
 * connection, hands the answer back. What the gateway takes beyond it is the gateway's. Prints its port.
 */
const [origin = ''] = process.argv.slice(2)
const agent = new Agent()
const server = createServer((request, response) => void pass(request, response))

async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const { 'content-type': type = '', 'x-amz-target': target = '', authorization = '' } = request.headers
  const headers = { 'content-type': type, 'x-amz-target': String(target), authorization }
  const answer = await agent.request({ origin, path: '/', method: 'POST', headers, body: Buffer.concat(chunks) })
  const body = Buffer.from(await answer.body.arrayBuffer())
  response.writeHead(answer.statusCode, { 'content-length': body.length })
  response.end(body)
}

server.listen(0, '127.0.0.1', () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a server that listens on TCP has such an address
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
process.stdin.on('end', () => process.exit(0)).resume()

/**
 * The least that a proxy in Node can do: bytes from one socket to another, nothing looked at. What the gateway costs
 * beyond this is what it does. Run as `node pipe.ts HOST PORT`; prints its own port.
 */
import { connect, createServer } from 'node:net'

const [host = '127.0.0.1', port = '0'] = process.argv.slice(2)

const server = createServer({ noDelay: true }, (client) => {
  const upstream = connect({ host, port: Number(port), noDelay: true })
  client.pipe(upstream)
  upstream.pipe(client)
  client.on('error', () => upstream.destroy())
  upstream.on('error', () => client.destroy())
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' ? (address?.port ?? '') : ''}\n`)
})
process.stdin.on('end', () => process.exit(0)).resume() // whoever started it has gone

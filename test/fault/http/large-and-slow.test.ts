import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HttpStack, startHttpStack } from '../../support/http-stack.ts'
import { growth } from '../../support/resident.ts'

const GIGABYTE = 2 ** 30
const BLOCK = Buffer.alloc(64 * 1024, 'x')
/** What a gateway may grow by while a gigabyte passes: buffers in flight, and garbage that isn't collected yet. */
const FLAT_MIB = 256

let stack: HttpStack
let agent: Agent

beforeAll(async () => {
  agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 })
  const limits = { head: '1s', body: '1100MiB' }
  stack = await startHttpStack({ policy: 'allow-all', plane: { limits } })
})

afterAll(async () => {
  await agent.destroy()
  await stack.stop()
})

const headers = (): Record<string, string> => ({ authorization: `Bearer ${stack.line.principals.agent.token}` })

async function small(): Promise<void> {
  const answer = await request(`${stack.line.gateway.url}/customers/1`, { headers: headers() })
  await answer.body.dump()
}

describe('a gigabyte', () => {
  beforeAll(async () => {
    for (let each = 0; each < 200; each += 1) await small()
  })

  test('comes down in flat memory', { timeout: 600_000 }, async () => {
    let bytes = 0
    const grown = await growth(stack.gateway.pid, '1 GiB down', async () => {
      const url = `${stack.line.gateway.url}/large?bytes=${GIGABYTE}`
      const answer = await request(url, { headers: headers(), dispatcher: agent })
      for await (const chunk of answer.body) bytes += Buffer.from(chunk).length
    })
    expect(bytes).toBe(GIGABYTE)
    expect(grown).toBeLessThan(FLAT_MIB)
  })

  test('goes up in flat memory', { timeout: 600_000 }, async () => {
    let seen: unknown
    const blocks = function* (): Generator<Buffer> {
      for (let sent = 0; sent < GIGABYTE; sent += BLOCK.length) yield BLOCK
    }
    const grown = await growth(stack.gateway.pid, '1 GiB up', async () => {
      const answer = await request(`${stack.line.gateway.url}/seen`, {
        method: 'PUT',
        headers: { ...headers(), 'content-type': 'application/octet-stream', 'content-length': String(GIGABYTE) },
        body: Readable.from(blocks()),
        dispatcher: agent,
      })
      seen = await answer.body.json()
    })
    expect(seen).toMatchObject({ bytes: GIGABYTE })
    expect(grown).toBeLessThan(FLAT_MIB)
  })
})

/** What came back before the gateway closed the connection. */
function ended(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined)
  return new Promise((resolve) => socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1'))))
}

function put(framing: string): Socket {
  const { hostname, port } = new URL(stack.line.gateway.url)
  const socket = connect(Number(port), hostname)
  const { authorization = '' } = headers()
  const head = `PUT /seen HTTP/1.1\r\nhost: a\r\nauthorization: ${authorization}\r\ncontent-type: application/octet-stream\r\n`
  socket.write(`${head}${framing}\r\n\r\n`)
  return socket
}

const wholeOnes = (): number => stack.bank?.seen.filter(({ aborted }) => !aborted).length ?? 0

test('a body over the limit is refused by its length', async () => {
  const before = wholeOnes()
  expect(await ended(put(`content-length: ${2 * GIGABYTE}`))).toMatch(/^HTTP\/1\.1 413 /)
  expect(wholeOnes()).toBe(before)
})

test('a body that goes beyond the limit as it comes never ends at the API', { timeout: 300_000 }, async () => {
  const before = wholeOnes()
  const socket = put('transfer-encoding: chunked')
  const end = ended(socket)
  const piece = Buffer.concat([Buffer.from('10000\r\n'), BLOCK, Buffer.from('\r\n')])
  let sent = 0
  for (; sent < 2 * GIGABYTE && !socket.destroyed; sent += BLOCK.length) {
    if (!socket.write(piece)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), end])
  }
  await end
  expect(sent).toBeLessThan(2 * GIGABYTE)
  expect(wholeOnes()).toBe(before)
})

test('who sends a head byte by byte is cut off, and others are served', { timeout: 60_000 }, async () => {
  const { hostname, port } = new URL(stack.line.gateway.url)
  const socket = connect(Number(port), hostname)
  const dripping = setInterval(() => socket.write('X'), 100)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nX-')
  expect(await ended(socket)).toMatch(/^(?:HTTP\/1\.1 408 |$)/)
  clearInterval(dripping)
  await small()
})

import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { encodeBackend } from '../../../planes/postgres/codec/backend-encoder.ts'
import type { BackendMessage } from '../../../planes/postgres/codec/backend-messages.ts'
import { Writer } from '../../../planes/postgres/codec/writer.ts'
import { configure } from '../../../planes/postgres/config.ts'
import { connectUpstream } from '../../../planes/postgres/upstream.ts'
import { Secret } from '../../../engine/index.ts'
import { issueCertificates } from '../../support/certificates.ts'

const HOST = 'bank.abc123.eu-central-1.rds.amazonaws.com'

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY')
})
afterEach(() => vi.unstubAllEnvs())

function says(...messages: readonly BackendMessage[]): Buffer {
  const writer = new Writer()
  for (const message of messages) encodeBackend(writer, message)
  return writer.take()
}

/** A server with a certificate that asks for a password in the clear, as RDS does, and tells what it gets. */
async function rds(heard: string[]): Promise<{ server: net.Server; port: number; ca: string }> {
  const { ca, certificate, key } = issueCertificates(['localhost'])
  const secureContext = tls.createSecureContext({ cert: certificate, key })
  const server = net.createServer((socket) => {
    socket.once('data', () => {
      socket.write('S')
      const secured = new tls.TLSSocket(socket, { isServer: true, secureContext })
      secured.on('error', () => undefined)
      secured.once('data', () => {
        secured.write(says({ kind: 'authenticationCleartextPassword' }))
        secured.once('data', (answer: Buffer) => {
          heard.push(answer.subarray(5, -1).toString())
          const cancelKey = { kind: 'backendKeyData', pid: 1, secret: Buffer.alloc(4) } as const
          secured.write(says({ kind: 'authenticationOk' }, cancelKey, { kind: 'readyForQuery', status: 'I' }))
        })
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0, ca }
}

test('each connection gets a token of its own form: signed for this server, this role, and 15 minutes', async () => {
  const heard: string[] = []
  const { server, port, ca } = await rds(heard)
  const { upstream } = configure({
    listen: { host: '127.0.0.1', port: 0 },
    upstream: {
      host: '127.0.0.1',
      port,
      user: 'countersign',
      password: { rds_iam: { region: 'eu-central-1', host: HOST, port: 5432 } },
      ca: new Secret(ca, 'test'),
      server_name: 'localhost',
    },
    databases: ['bank'],
  })
  for (let count = 0; count < 2; count += 1) (await connectUpstream(upstream, new Map())).socket.destroy()
  server.close()
  expect(heard).toHaveLength(2)
  for (const token of heard) {
    const url = new URL(`https://${token}`)
    expect(url.host).toBe(`${HOST}:5432`)
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      Action: 'connect',
      DBUser: 'countersign',
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': expect.stringMatching(/^AKIDEXAMPLE\/\d{8}\/eu-central-1\/rds-db\/aws4_request$/),
      'X-Amz-Expires': '900',
      'X-Amz-SignedHeaders': 'host',
      'X-Amz-Signature': expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(token).not.toContain('EXAMPLEKEY')
  }
})

test('a server that does not prove its name gets no token', async () => {
  const heard: string[] = []
  const { server, port } = await rds(heard)
  const { upstream } = configure({
    listen: { host: '127.0.0.1', port: 0 },
    upstream: { host: '127.0.0.1', port, user: 'u', password: { rds_iam: { region: 'eu-central-1' } } },
    databases: ['bank'],
  })
  await expect(connectUpstream(upstream, new Map())).rejects.toMatchObject({ code: 'ERR_UPSTREAM_TLS' })
  server.close()
  expect(heard).toEqual([])
})

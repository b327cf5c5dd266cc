import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { connect, createSecureContext } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { encodeStartup } from '../../../planes/postgres/codec/frontend-messages.ts'
import { Writer } from '../../../planes/postgres/codec/writer.ts'
import { Handshake } from '../../../planes/postgres/handshake.ts'
import { issueCertificates, selfSigned } from '../../support/certificates.ts'

const server = issueCertificates(['127.0.0.1'])
const client = selfSigned('agent.bank.example')

/** What the gateway knows of a client's certificate once it has said who it is. */
async function certificateOf(identity: { readonly cert?: string; readonly key?: string }): Promise<string | null> {
  const tls = createSecureContext({ cert: server.certificate, key: server.key })
  const known = Promise.withResolvers<string | null>()
  const listener = createServer((socket) => {
    const handshake = new Handshake(socket, { tls, plaintext: false })
    handshake.startup().then(() => known.resolve(handshake.certificate), known.reject)
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = Object(listener.address())
  const secure = connect({ host: '127.0.0.1', port, ca: server.ca, ALPNProtocols: ['postgresql'], ...identity })
  secure.on('error', known.reject)
  onTestFinished(() => {
    secure.destroy()
    listener.close()
  })
  const writer = new Writer()
  encodeStartup(writer, { kind: 'startup', minor: 0, parameters: new Map([['user', 'reconciler']]) })
  secure.write(writer.take())
  return known.promise
}

test('a client’s certificate is known by its digest, whoever issued it; without one there is none', async () => {
  const { raw } = new X509Certificate(client.certificate)
  const digest = createHash('sha256').update(raw).digest('base64url')
  expect(await certificateOf({ cert: client.certificate, key: client.key })).toBe(digest)
  expect(await certificateOf({})).toBe(null)
})

import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { encodeBackend } from '../../../planes/postgres/codec/backend-encoder.ts'
import type { BackendMessage } from '../../../planes/postgres/codec/backend-messages.ts'
import { Writer } from '../../../planes/postgres/codec/writer.ts'
import {
  connectUpstream,
  sendCancel,
  type UpstreamConfig,
  type UpstreamTls,
} from '../../../planes/postgres/upstream.ts'
import { issueCertificates } from '../../support/certificates.ts'
import { freePort } from '../../support/free-port.ts'

const PASSWORD = 'correct horse battery staple'
const NO_TLS: UpstreamTls = { mode: 'off' }
const NOTHING: ReadonlyMap<string, string> = new Map()

function failure(code: string, message: RegExp): unknown {
  return expect.objectContaining({ code, message: expect.stringMatching(message) })
}

function says(...messages: readonly BackendMessage[]): Buffer {
  const writer = new Writer()
  for (const message of messages) encodeBackend(writer, message)
  return writer.take()
}

describe('a hostile server', () => {
  const servers: net.Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  /** Listens, and treats every connection so. */
  async function peer(tlsMode: UpstreamTls, treat: (socket: net.Socket) => void): Promise<UpstreamConfig> {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => treat(socket.on('error', () => undefined)))
    servers.push(server)
    const port = await freePort()
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return { host: '127.0.0.1', port, user: 'gateway', password: PASSWORD, tls: tlsMode, connectTimeoutMs: 2000 }
  }

  /** Sends the next of `answers` for each chunk that the client sends; then says nothing more. */
  function scripted(answers: readonly (Buffer | 'close')[], tlsMode: UpstreamTls = NO_TLS): Promise<UpstreamConfig> {
    return peer(tlsMode, (socket) => {
      const left = [...answers]
      socket.on('data', () => {
        const answer = left.shift()
        if (answer === 'close') socket.destroy()
        else if (answer !== undefined) socket.write(answer)
      })
    })
  }

  const challenge = (text: string): Buffer => says({ kind: 'authenticationSASLContinue', step: Buffer.from(text) })
  const sasl = says({ kind: 'authenticationSASL', mechanisms: ['SCRAM-SHA-256'] })
  const ok: BackendMessage = { kind: 'authenticationOk' }
  const key: BackendMessage = { kind: 'backendKeyData', pid: 1, secret: Buffer.from('abcd') }
  const ready: BackendMessage = { kind: 'readyForQuery', status: 'I' }
  const verified: UpstreamTls = { mode: 'verify-full', ca: null, serverName: 'localhost' }

  test('welcomes us without having proved the password', async () => {
    const config = await peer(NO_TLS, (socket) => {
      socket.once('data', () => {
        socket.write(sasl)
        socket.once('data', (first: Buffer) => {
          const nonce = /r=([^,]+)$/.exec(first.toString('latin1'))?.[1] ?? ''
          socket.write(challenge(`r=${nonce}more,s=c2FsdHNhbHQ=,i=4096`))
          socket.once('data', () => socket.write(says(ok, key, ready)))
        })
      })
    })
    await expect(connectUpstream(config, NOTHING)).rejects.toThrowError(
      failure('ERR_UPSTREAM_PROTOCOL', /^authenticationSASLFinal was expected of the server, authenticationOk came$/),
    )
  })

  test.each([
    ['a nonce that is not ours', [sasl, challenge('r=x,s=c2FsdA==,i=4096')], 'ERR_UPSTREAM_AUTH', /continue ours/],
    [
      'a mechanism we don’t speak',
      [says({ kind: 'authenticationSASL', mechanisms: ['X'] })],
      'ERR_UPSTREAM_AUTH',
      /SASL/,
    ],
    [
      'GSSAPI',
      [says({ kind: 'authenticationOther', method: 7, rest: Buffer.alloc(0) })],
      'ERR_UPSTREAM_AUTH',
      /method 7/,
    ],
    ['the password in the clear', [says({ kind: 'authenticationCleartextPassword' })], 'ERR_UPSTREAM_AUTH', /not TLS/],
    ['rows instead of a greeting', [says({ kind: 'dataRow', values: [] })], 'ERR_UPSTREAM_PROTOCOL', /dataRow came/],
    ['no cancel key', [says(ok, ready)], 'ERR_UPSTREAM_PROTOCOL', /cancel key .* readyForQuery came/],
    [
      'a session within a transaction',
      [says(ok, key, { kind: 'readyForQuery', status: 'T' })],
      'ERR_UPSTREAM_PROTOCOL',
      /idle session/,
    ],
    [
      'a frame of 2 GB',
      [Buffer.from('R\x7f\xff\xff\xff', 'latin1')],
      'ERR_UPSTREAM_PROTOCOL',
      /broke the protocol: .*2147483647/,
    ],
    [
      'a parameter of 2 MB',
      [Buffer.concat([says(ok), Buffer.from('S\0\x20\0\0', 'latin1')])],
      'ERR_UPSTREAM_PROTOCOL',
      /2097152/,
    ],
    ['a length of 0', [Buffer.from('R\0\0\0\0', 'latin1')], 'ERR_UPSTREAM_PROTOCOL', /its length says 0/],
    ['HTTP', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')], 'ERR_UPSTREAM_PROTOCOL', /broke the protocol/],
    ['nothing, and closes', ['close' as const], 'ERR_UPSTREAM_CLOSED', /closed the connection/],
  ])('offers %s', async (_, answers, code, message) => {
    await expect(connectUpstream(await scripted(answers), NOTHING)).rejects.toThrowError(failure(code, message))
  })

  test.each([
    ['declines', [Buffer.from('N')], /does not offer TLS/],
    [
      'answers with an error of its choice',
      [says({ kind: 'errorResponse', fields: new Map([['M', 'lie']]) })],
      /^(?!.*lie)/,
    ],
    ['puts bytes behind its S', [Buffer.from('SR\0\0\0\x08\0\0\0\0', 'latin1')], /sent more than its answer/],
    ['speaks no TLS behind its S', [Buffer.from('S'), says(ok, key, ready)], /no TLS with the server/],
    ['closes', ['close' as const], /closed the connection instead/],
    ['closes within the handshake', [Buffer.from('S'), 'close' as const], /no TLS with the server/],
  ])('asked for TLS: %s', async (_, answers, message) => {
    await expect(connectUpstream(await scripted(answers, verified), NOTHING)).rejects.toThrowError(
      failure('ERR_UPSTREAM_TLS', message),
    )
  })

  test('repeats our password in its error: we don’t', async () => {
    const { ca, certificate, key: privateKey } = issueCertificates(['localhost'])
    const context = tls.createSecureContext({ cert: certificate, key: privateKey })
    const config = await peer({ mode: 'verify-full', ca, serverName: 'localhost' }, (socket) => {
      socket.once('data', () => {
        socket.write('S')
        const secured = new tls.TLSSocket(socket, { isServer: true, secureContext: context })
        secured.once('data', () => {
          secured.write(says({ kind: 'authenticationCleartextPassword' }))
          secured.once('data', (answer: Buffer) => {
            const heard = answer.subarray(5, -1).toString()
            secured.write(
              says({
                kind: 'errorResponse',
                fields: new Map([
                  ['C', '28P01'],
                  ['M', `not "${heard}"`],
                ]),
              }),
            )
          })
        })
      })
    })
    await expect(connectUpstream(config, NOTHING)).rejects.toThrowError(failure('ERR_UPSTREAM_AUTH', /28P01 not "…"$/))
  })

  test.each([
    ['says nothing', [], NO_TLS],
    ['stops within authentication', [says(ok)], NO_TLS],
    ['never answers for TLS', [], verified],
    ['never shakes hands', [Buffer.from('S')], verified],
  ])('%s: the time is limited, and so is the caller’s patience', async (_, answers, mode) => {
    const config = await scripted(answers, mode)
    const late = connectUpstream({ ...config, connectTimeoutMs: 100 }, NOTHING)
    await expect(late).rejects.toThrowError(failure('ERR_UPSTREAM_CONNECT', /^no session at the server within 100 ms$/))
    await expect(connectUpstream(config, NOTHING, AbortSignal.timeout(50))).rejects.toThrowError(
      failure('ERR_UPSTREAM_CONNECT', /before its owner gave up$/),
    )
    await expect(connectUpstream(config, NOTHING, AbortSignal.abort())).rejects.toThrowError(
      failure('ERR_UPSTREAM_CONNECT', /before its owner gave up$/),
    )
  })

  test('takes a cancel and never closes: the time is limited', async () => {
    const config = { ...(await scripted([])), connectTimeoutMs: 100 }
    await expect(sendCancel(config, { pid: 1, secret: Buffer.from('abcd') })).rejects.toThrowError(
      failure('ERR_UPSTREAM_CONNECT', /within 100 ms$/),
    )
  })

  test('is not there', async () => {
    const config = await scripted([])
    servers.splice(0).map((server) => server.close())
    await expect(connectUpstream(config, NOTHING)).rejects.toMatchObject({
      code: 'ERR_UPSTREAM_CONNECT',
      message: expect.stringMatching(/ECONNREFUSED/),
      retryable: true,
    })
  })

  test('sends on behind ReadyForQuery: the owner of the session gets every byte', async () => {
    const more = says({ kind: 'noticeResponse', fields: new Map([['M', 'hello']]) }, ready)
    const config = await scripted([Buffer.concat([says(ok, key, ready), more.subarray(0, 9)])])
    const connection = await connectUpstream(config, NOTHING)
    expect(connection.leftover.equals(more.subarray(0, 9))).toBe(true)
    connection.socket.destroy()
  })
})

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { SignatureV4 } from '@smithy/signature-v4'
import * as fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { SqsUpstream } from '../../../planes/sqs/upstream.ts'
import type { AwsCredentials } from '../../../planes/sqs/upstream-credentials.ts'
import { freePort } from '../../support/free-port.ts'
import { NodeSha256 } from '../../../planes/http/credentials/sha256.ts'

const NOW = Date.parse('2026-11-25T12:00:00.000Z')
const KEYS: AwsCredentials = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 'a+token/==' }

interface Heard {
  readonly request: IncomingMessage
  readonly body: string
}

let server: Server | null = null
let upstream: SqsUpstream | null = null

afterEach(async () => {
  await upstream?.close()
  server?.closeAllConnections()
  server?.close()
})

/** A service that answers as told. */
async function service(
  answer: (heard: Heard, response: ServerResponse) => void,
  credentials: () => Promise<AwsCredentials> = () => Promise.resolve(KEYS),
): Promise<SqsUpstream> {
  const own = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => answer({ request, body: Buffer.concat(chunks).toString('utf8') }, response))
  })
  own.listen(0, '127.0.0.1')
  await once(own, 'listening')
  server = own
  const address = own.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return upstreamAt(port, credentials)
}

function upstreamAt(port: number, credentials: () => Promise<AwsCredentials>): SqsUpstream {
  const config = { endpoint: `http://127.0.0.1:${port}`, credentials: null, role: null, ca: null }
  upstream = new SqsUpstream(config, 'us-east-1', credentials, () => NOW)
  return upstream
}

test('what goes up is signed as AWS’s own signer signs it', async () => {
  const heard: Heard[] = []
  const sqs = await service((each, response) => {
    heard.push(each)
    response.end('{}')
  })
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 100 }), fc.boolean(), async (MessageBody, long) => {
      const body = long ? MessageBody.repeat(50) : MessageBody
      await sqs.call('SendMessage', { QueueUrl: 'https://q', MessageBody: body }, null, null)
      const last = heard.at(-1)
      const { authorization, ...headers } = Object(last?.request.headers)
      const { 'content-length': _length, connection: _connection, ...signed } = headers
      const credentials = { ...KEYS }
      const signer = new SignatureV4({ service: 'sqs', region: 'us-east-1', credentials, sha256: NodeSha256 })
      const request = { method: 'POST', protocol: 'http:', hostname: '127.0.0.1', path: '/', query: {} }
      const again = await signer.sign(
        { ...request, headers: signed, body: last?.body ?? '' },
        { signingDate: new Date(NOW) },
      )
      expect(authorization).toBe(again.headers['authorization'])
      expect(JSON.parse(last?.body ?? '')).toEqual({ QueueUrl: 'https://q', MessageBody: body })
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 30), seed: 5 },
  )
})

test('a client that is gone breaks its poll off, before it is sent and after', async () => {
  const gone = new AbortController()
  const sqs = await service(() => gone.abort())
  await expect(sqs.call('ReceiveMessage', { QueueUrl: 'https://q' }, null, gone.signal)).rejects.toMatchObject({
    code: 'ERR_UPSTREAM_CLOSED',
  })
  await expect(sqs.call('ReceiveMessage', { QueueUrl: 'https://q' }, null, gone.signal)).rejects.toMatchObject({
    code: 'ERR_UPSTREAM_CLOSED',
  })
})

test('a service that breaks off leaves open whether it did it; one that can’t be reached did not', async () => {
  const sqs = await service(({ request }) => request.socket.destroy())
  await expect(sqs.call('SendMessage', {}, null, null)).rejects.toMatchObject({ code: 'ERR_UPSTREAM_CLOSED' })
  await sqs.close()
  const nobody = upstreamAt(await freePort(), () => Promise.resolve(KEYS))
  await expect(nobody.call('SendMessage', {}, null, null)).rejects.toMatchObject({ code: 'ERR_UPSTREAM_CONNECT' })
})

test('an answer that never ends is broken off, one that can’t be read is none', async () => {
  const block = Buffer.alloc(1024 * 1024, 0x20)
  const endless = await service((_heard, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(block));
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  })
  await expect(endless.call('SendMessage', {}, null, null)).rejects.toMatchObject({ code: 'ERR_UPSTREAM_PROTOCOL' })
  await endless.close()
  const other = await service((_heard, response) => response.end('<html>'))
  await expect(other.call('SendMessage', {}, null, null)).rejects.toMatchObject({ code: 'ERR_UPSTREAM_PROTOCOL' })
})

test('without credentials nothing is sent', async () => {
  let heard = 0
  const sqs = await service(
    () => (heard += 1),
    () => Promise.reject(new Error('no provider')),
  )
  await expect(sqs.call('SendMessage', {}, null, null)).rejects.toMatchObject({ code: 'ERR_UPSTREAM_AUTH' })
  expect(heard).toBe(0)
})

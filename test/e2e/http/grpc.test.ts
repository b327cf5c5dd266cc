import { Client, credentials, Metadata, type ServiceError, Server, ServerCredentials, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type HttpStack, startHttpStack } from '../../support/http-stack.ts'

const asIs = (bytes: Buffer): Buffer => bytes
const unary = {
  requestStream: false,
  responseStream: false,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
}
const SERVICE = {
  Send: { path: '/bank.v1.Payments/Send', ...unary },
  Watch: { path: '/bank.v1.Payments/Watch', ...unary, responseStream: true },
} as const

let server: Server
let stack: HttpStack
let client: Client
beforeAll(async () => {
  server = new Server()
  server.addService(SERVICE, {
    Send: (
      call: { request: Buffer; metadata: Metadata },
      done: (error: null, answer: Buffer, trailer: Metadata) => void,
    ) => {
      const trailer = new Metadata()
      trailer.set('x-seen', String(call.metadata.get('authorization')[0]))
      done(null, Buffer.concat([Buffer.from('echo '), call.request]), trailer)
    },
    Watch: (call: { write: (bytes: Buffer) => void; end: () => void }) => {
      for (const each of ['one', 'two', 'three']) call.write(Buffer.from(each))
      call.end()
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  const upstream = {
    url: `http://127.0.0.1:${port}`,
    http2: true,
    credentials: { bearer: { file: './upstream.token' } },
  }
  stack = await startHttpStack({
    policy: 'allow-all',
    upstream: upstream.url,
    denyPaths: ['/bank.v1.Admin'],
    api: { upstream },
  })
  client = new Client(new URL(stack.line.gateway.url).host, credentials.createInsecure())
})
afterAll(async () => {
  client?.close()
  server?.forceShutdown()
  await stack?.stop()
})

function metadata(token: string): Metadata {
  const made = new Metadata()
  made.set('authorization', `Bearer ${token}`)
  return made
}

/** What a unary call gave: its answer and a trailer, or the error. */
function call(
  path: string,
  token: string,
): Promise<{ readonly answer?: string; readonly seen?: unknown; readonly error?: ServiceError }> {
  return new Promise((resolve) => {
    let seen: unknown
    const made = client.makeUnaryRequest(path, asIs, asIs, Buffer.from('hello'), metadata(token), (error, answer) => {
      // The status comes after the answer.
      setImmediate(() => resolve(error === null ? { answer: String(answer), seen } : { error }))
    })
    made.on('status', ({ metadata: trailer }) => {
      seen = trailer.get('x-seen')[0]
    })
  })
}

test('a call goes through and back with its trailers, under the gateway’s credentials', async () => {
  expect(await call('/bank.v1.Payments/Send', stack.line.principals.agent.token)).toEqual({
    answer: 'echo hello',
    seen: 'Bearer upstream-token',
  })
})

test('a stream comes as it is sent', async () => {
  const stream = client.makeServerStreamRequest(
    '/bank.v1.Payments/Watch',
    asIs,
    asIs,
    Buffer.from('hello'),
    metadata(stack.line.principals.agent.token),
  )
  const seen: string[] = []
  for await (const message of stream) seen.push(String(message))
  expect(seen).toEqual(['one', 'two', 'three'])
})

test('a refused call is told so in gRPC’s own words, decision and all', async () => {
  const { error } = await call('/bank.v1.Admin/Drop', stack.line.principals.agent.token)
  expect(error?.code).toBe(status.PERMISSION_DENIED)
  expect(error?.details).toContain('refused-for-the-test')
  const [bytes] = error?.metadata.get('grpc-status-details-bin') ?? []
  expect(String(bytes)).toContain('google.rpc.ErrorInfo')
  expect(String(bytes)).toContain('countersign.dev')
  expect((await call('/bank.v1.Payments/Send', 'x.y.z')).error?.code).toBe(status.UNAUTHENTICATED)
})

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { type QueueService, startQueueService } from '../../support/queue-service.ts'
import type { SqsStackLine } from '../../support/sqs-stack.ts'

const STACK = fileURLToPath(new URL('../../support/stack.ts', import.meta.url))
const PUBLIC = 'https://queues.laboratory.example'
let service: QueueService
let child: ChildProcess
let line: SqsStackLine
let port: number

/** The stack as other people's suites start it: every flag there is. */
beforeAll(async () => {
  service = await startQueueService('fauxqs', () => undefined)
  port = await freePort()
  const flags = ['--tls', '--policy', 'allow-all', '--upstream', service.url, '--public-url', PUBLIC]
  const keys = ['--static-key', 'LABONE:first:secret', '--static-key', 'LABTWO:second']
  const args = [STACK, 'sqs', ...flags, ...keys, '--port', String(port)]
  const started = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  child = started
  const [text]: unknown[] = await Promise.race([
    once(createInterface({ input: started.stdout }), 'line'),
    once(started, 'exit').then(() => []),
  ])
  line = JSON.parse(String(text))
})
afterAll(async () => {
  child.stdin?.end()
  if (child.exitCode === null) await once(child, 'exit')
  await service.stop()
})

/** What one of the SDK's programs prints, in a process of its own: TLS authorities are read when one starts. */
async function sdk(program: string, env: Readonly<Record<string, string>>): Promise<unknown> {
  const script = `import('@aws-sdk/client-sqs').then(async (s) => { const c = new s.SQSClient({ useQueueUrlAsEndpoint: false }); console.log(JSON.stringify(await (${program})(s, c).catch((e) => e.name))) })`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], {
    env: { PATH: process.env['PATH'], HOME: line.dataDir, NODE_EXTRA_CA_CERTS: line.ca ?? '', ...env },
  })
  return JSON.parse(stdout)
}

const SEND = `async (s, c) => {
  const { QueueUrl } = await c.send(new s.CreateQueueCommand({ QueueName: 'jobs' }))
  await c.send(new s.SendMessageCommand({ QueueUrl, MessageBody: 'x' }))
  const { Messages } = await c.send(new s.ReceiveMessageCommand({ QueueUrl }))
  return [QueueUrl, Messages[0].Body]
}`

test('prints where it listens, under the URL that clients are told to use', () => {
  expect(line).toMatchObject({ plane: 'sqs', gateway: { url: PUBLIC }, upstream: { url: service.url } })
  expect(line.env).toMatchObject({ AWS_ENDPOINT_URL_SQS: PUBLIC, AWS_CA_BUNDLE: line.ca })
})

test.each([
  ['LABONE', 'first:secret'],
  ['LABTWO', 'second'],
])(
  '%s acts as the agent, over TLS, at the service that was named',
  async (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) => {
    const env = { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION: 'us-east-1' }
    const told = await sdk(SEND, { ...env, AWS_ENDPOINT_URL_SQS: `https://localhost:${port}` })
    expect(told).toEqual([`${PUBLIC}/000000000000/jobs`, 'x'])
    expect(JSON.stringify((await service.call('ListQueues', {})).body)).toContain('/000000000000/jobs')
  },
)

test('another secret doesn’t', async () => {
  const keys = { AWS_ACCESS_KEY_ID: 'LABONE', AWS_SECRET_ACCESS_KEY: 'second', AWS_REGION: 'us-east-1' }
  expect(await sdk(SEND, { ...keys, AWS_ENDPOINT_URL_SQS: `https://localhost:${port}` })).toBe('SignatureDoesNotMatch')
})

test('nor does anything in the clear get an answer', async () => {
  await expect(fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{}' })).rejects.toThrow('fetch failed')
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { startFauxqs } from 'fauxqs'
import { freePort } from './free-port.ts'
import { findPython } from './python.ts'

export const ACCOUNT = '000000000000'
export const REGION = 'us-east-1'

/** Queues that the starter policy lists, one that it doesn't, and their settings. */
export const BANK_QUEUES: readonly string[] = [
  'payments',
  'reports',
  'tasks',
  'tasks.fifo',
  'corrections',
  'corrections.fifo',
  'salaries',
]

/** A throwaway queue service, asked directly and around the gateway. */
export interface QueueService {
  readonly url: string
  createQueues(names: readonly string[]): Promise<void>
  /** One action over AWS JSON, as anybody: these services check no signature. */
  call(
    action: string,
    input: object,
  ): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }>
  /** How many messages a queue holds, received or not. */
  messagesIn(queue: string): Promise<number>
  stop(): Promise<void>
}

const MOTO = { whole: ['moto[server,sqs,sts]==5.2.1'] }
const START_MS = 30_000

/** `fauxqs`, in this process; `moto`, in a Python of its own; or the URL of one that runs. */
export async function startQueueService(which: string, onSpawn: (pid: number) => void): Promise<QueueService> {
  if (which === 'fauxqs') {
    const server = await startFauxqs({ port: 0, logger: false, host: 'localhost' })
    return serviceAt(`http://127.0.0.1:${server.port}`, () => server.stop())
  }
  if (which !== 'moto') return serviceAt(which.replace(/\/$/, ''), () => Promise.resolve())
  const python = findPython(MOTO)
  if (python === null) throw new Error('moto needs python3 with venv')
  const port = await freePort()
  const child = spawn(python, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
    env: { ...process.env, MOTO_ACCOUNT_ID: ACCOUNT },
  })
  if (child.pid !== undefined) onSpawn(child.pid)
  const exited = once(child, 'exit')
  const service = serviceAt(`http://127.0.0.1:${port}`, async () => {
    child.kill('SIGTERM')
    await exited
  })
  const deadline = Date.now() + START_MS
  while (!(await answers(service))) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error('moto did not start')
    await sleep(100)
  }
  return service
}

async function answers(service: QueueService): Promise<boolean> {
  return service.call('ListQueues', {}).then(
    () => true,
    () => false,
  )
}

function serviceAt(url: string, stop: () => Promise<void>): QueueService {
  const scope = `Credential=DIRECT/20260101/${REGION}/sqs/aws4_request`
  const call: QueueService['call'] = async (action, input) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `AmazonSQS.${action}`,
        authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=0`,
      },
      body: JSON.stringify(input),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : Object(JSON.parse(text)) }
  }
  const createQueues = async (names: readonly string[]): Promise<void> => {
    for (const QueueName of names) {
      const Attributes = QueueName.endsWith('.fifo') ? { FifoQueue: 'true', ContentBasedDeduplication: 'true' } : {}
      const { status, body } = await call('CreateQueue', { QueueName, Attributes })
      if (status !== 200) throw new Error(`${QueueName} can't be created: ${status} ${JSON.stringify(body)}`)
    }
  }
  const messagesIn = async (queue: string): Promise<number> => {
    const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible']
    const { body } = await call('GetQueueAttributes', { QueueUrl: `${url}/${ACCOUNT}/${queue}`, AttributeNames: names })
    const attributes: Readonly<Record<string, string>> = Object(body['Attributes'])
    return names.reduce((sum, name) => sum + Number(attributes[name] ?? 0), 0)
  }
  return { url, call, createQueues, messagesIn, stop }
}

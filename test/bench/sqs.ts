import { SignatureV4 } from '@smithy/signature-v4'
import { assumeRole, type RawRequest, signedJson } from '../support/sqs-client.ts'
import { startSqsStack } from '../support/sqs-stack.ts'
import { processorMicros } from './processor-time.ts'

const WARM_UP = 1000
const CALLS = 4000
const AT_ONCE = 16

/**
 * `npm run bench -- sqs`: processor time that the gateway's process takes for one SendMessage, signature, policy and evidence
 * in it, and how many a second at sixteen at once beside the same calls made directly.
 */
export async function benchSqs(): Promise<number> {
  const stack = await startSqsStack()
  try {
    const { url } = stack.line.gateway
    const keys = await assumeRole(url, stack.line.principals.agent.token)
    const make = (): RawRequest =>
      signedJson(keys, url, 'SendMessage', { QueueUrl: 'tasks', MessageBody: '{"task":"reconcile"}' })
    await many(url, WARM_UP, make)
    const before = await processorMicros(stack.gateway.pid)
    const through = await many(url, CALLS, make)
    const after = await processorMicros(stack.gateway.pid)
    const direct = await many(stack.service.url, CALLS, () => ({
      ...make(),
      body: JSON.stringify({
        QueueUrl: `${stack.service.url}/000000000000/tasks`,
        MessageBody: '{"task":"reconcile"}',
      }),
    }))
    const micros = before === null || after === null ? null : (after - before) / CALLS
    process.stdout.write(
      `gateway's processor time  ${micros === null ? 'not told here' : `${micros.toFixed(0)} µs a call`}\n`,
    )
    process.stdout.write(`calls a second            ${through.toFixed(0)} through, ${direct.toFixed(0)} directly\n`)
    process.stdout.write(`signing upstream alone    ${(await signing()).toFixed(0)} µs a call, in this process\n`)
    return 0
  } finally {
    await stack.stop()
  }
}

/** Calls a second. */
async function many(url: string, calls: number, make: () => RawRequest): Promise<number> {
  const started = performance.now()
  let left = calls
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const { headers, body } = make()
      const own = headers.filter(([name]) => name !== 'host').map(([name, value]): [string, string] => [name, value])
      const response = await fetch(url, { method: 'POST', headers: own, body })
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
      await response.arrayBuffer()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  return (calls / (performance.now() - started)) * 1000
}

/** What the signer of the upstream's requests takes by itself. */
async function signing(): Promise<number> {
  const { NodeSha256 } = await import('../../planes/sqs/upstream.ts')
  const credentials = { accessKeyId: 'A', secretAccessKey: 'S' }
  const signer = new SignatureV4({ service: 'sqs', region: 'us-east-1', credentials, sha256: NodeSha256 })
  const request = {
    method: 'POST',
    protocol: 'http:',
    hostname: 'h',
    path: '/',
    query: {},
    headers: { host: 'h' },
    body: 'x',
  }
  const before = process.cpuUsage()
  for (let call = 0; call < CALLS; call += 1) await signer.sign(request)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / CALLS
}

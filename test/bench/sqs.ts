import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Agent } from 'undici'
import { assumeRole, type RawRequest, signedJson } from '../support/sqs-client.ts'
import { type SqsStack, startSqsStack } from '../support/sqs-stack.ts'
import { processorMicros } from './processor-time.ts'
import { topSelfTimes } from './profile.ts'

const WARM_UP = 3000
const CALLS = 4000
const AT_ONCE = 16
const ROUNDS = 3
const TOP = 40
const TASK = '{"task":"reconcile"}'
/** Of it the starter pack masks three parts. */
const PAYMENT =
  '{"amount":"12.50","account_number":"900111111","customer":{"name":"Alice Archer","ssn":"900-11-1111","email":"alice@bank.example"}}'
/** In the queue of payments: each can be received again at once, so that there are always enough of them. */
const PAYMENTS = 100

/** What is called. */
interface Work {
  readonly name: string
  readonly action: string
  readonly queue: string
  readonly input: object
  /** In each answer. */
  readonly messages: number
}

const received = (messages: number): Work => ({
  name: `ReceiveMessage, ${messages} masked`,
  action: 'ReceiveMessage',
  queue: 'payments',
  input: { MaxNumberOfMessages: messages, VisibilityTimeout: 0 },
  messages,
})

const WORK: readonly Work[] = [
  { name: 'SendMessage', action: 'SendMessage', queue: 'tasks', input: { MessageBody: TASK }, messages: 0 },
  received(1),
  received(10),
]

/** A way to the service: what is sent over it, and the process between whose processor time is counted. */
interface Way {
  readonly name: string
  readonly url: string
  readonly pid: number | null
  readonly make: (work: Work) => RawRequest
}

interface Measured {
  readonly perSecond: number
  readonly micros: number | null
}

/**
 * `npm run bench -- sqs [--profile]`: processor time that the gateway's process takes for one SendMessage and for one
 * ReceiveMessage, signature, policy, masks and evidence in it, beside a proxy in the same runtime that looks at nothing, and
 * calls a second at sixteen at once. Each round measures all ways in turn, so that all of them meet the same machine.
 */
export async function benchSqs(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: { profile: { type: 'boolean', default: false } } })
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const nodeOptions = values.profile ? ['--cpu-prof', `--cpu-prof-dir=${directory}`] : []
  const stack = await startSqsStack({ nodeOptions })
  opened.defer(() => stack.stop())
  const ways = await waysTo(stack, opened)
  for (let count = 0; count < PAYMENTS; count += 1) {
    const QueueUrl = `${stack.service.url}/000000000000/payments`
    const { status } = await stack.service.call('SendMessage', { QueueUrl, MessageBody: PAYMENT })
    if (status !== 200) throw new Error(`the queue takes no payment: ${status}`)
  }
  for (const work of WORK) await compare(work, ways)
  if (values.profile) await showProfile(stack, directory)
  return 0
}

async function compare(work: Work, ways: readonly Way[]): Promise<void> {
  for (const way of ways) await many(way, work, WARM_UP)
  const rounds: (readonly Measured[])[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const measured: Measured[] = []
    for (const way of ways) measured.push(await measure(way, work))
    rounds.push(measured)
  }
  process.stdout.write(`${work.name}\n`)
  for (const [index, { name }] of ways.entries()) {
    const own = rounds.flatMap((round) => round[index] ?? [])
    const micros = own.flatMap((each) => each.micros ?? [])
    const cpu = micros.length === 0 ? '' : `${median(micros).toFixed(0).padStart(6)} µs of processor time a call`
    const rate = median(own.map(({ perSecond }) => perSecond)).toFixed(0)
    process.stdout.write(`  ${name.padEnd(12)} ${rate.padStart(6)} calls a second ${cpu}\n`)
  }
}

async function waysTo(stack: SqsStack, opened: AsyncDisposableStack): Promise<readonly Way[]> {
  const { url } = stack.line.gateway
  const { service } = stack
  const keys = await assumeRole(url, stack.line.principals.agent.token)
  const direct = ({ action, queue, input }: Work): RawRequest => {
    const QueueUrl = `${service.url}/000000000000/${queue}`
    return signedJson(keys, service.url, action, { QueueUrl, ...input })
  }
  const program = fileURLToPath(new URL('bare-proxy.ts', import.meta.url))
  const bare = spawn(process.execPath, [program, service.url], { stdio: ['pipe', 'pipe', 'inherit'] })
  opened.defer(() => void bare.stdin.end())
  const [port]: unknown[] = await once(createInterface({ input: bare.stdout }), 'line')
  return [
    { name: 'direct', url: service.url, pid: null, make: direct },
    { name: 'bare proxy', url: `http://127.0.0.1:${String(port)}`, pid: bare.pid ?? null, make: direct },
    {
      name: 'gateway',
      url,
      pid: stack.gateway.pid,
      make: ({ action, queue, input }) => signedJson(keys, url, action, { QueueUrl: queue, ...input }),
    },
  ]
}

async function measure(way: Way, work: Work): Promise<Measured> {
  const before = way.pid === null ? null : await processorMicros(way.pid)
  const perSecond = await many(way, work, CALLS)
  const after = way.pid === null ? null : await processorMicros(way.pid)
  return { perSecond, micros: before === null || after === null ? null : (after - before) / CALLS }
}

/** Calls a second. */
async function many({ url, make }: Way, work: Work, calls: number): Promise<number> {
  const agent = new Agent({ connections: AT_ONCE })
  const started = performance.now()
  let left = calls
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const { headers, body } = make(work)
      const fields = Object.fromEntries(headers)
      const answer = await agent.request({ origin: url, path: '/', method: 'POST', headers: fields, body })
      const told = await answer.body.text()
      if (answer.statusCode !== 200 || told.split('"ReceiptHandle"').length - 1 !== work.messages)
        throw new Error(`${answer.statusCode} ${told}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  const taken = performance.now() - started
  await agent.close()
  return (calls / taken) * 1000
}

async function showProfile(stack: SqsStack, directory: string): Promise<void> {
  await stack.gateway.stop()
  const lines = (await topSelfTimes(directory, TOP)).map(
    ({ name, place, share }) => `${(share * 100).toFixed(1).padStart(5)} %  ${name.padEnd(32)}  ${place}`,
  )
  process.stdout.write(`the gateway's own time, idle left out:\n${lines.join('\n')}\n`)
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
}

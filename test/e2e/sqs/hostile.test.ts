import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  assumeRole,
  type Keys,
  type RawAnswer,
  type RawRequest,
  sendRaw,
  signed,
  signedJson,
} from '../../support/sqs-client.ts'
import { type SqsStack, startSqsStack } from '../../support/sqs-stack.ts'

let stack: SqsStack
let url: string
let keys: Keys

beforeAll(async () => {
  stack = await startSqsStack({ staticKeys: ['LABORATORY:secret:with:colons'] })
  url = stack.line.gateway.url
  keys = await assumeRole(url, stack.line.principals.agent.token)
})
afterAll(() => stack.stop())

const json = (action: string, input: object, as = keys): Promise<RawAnswer> =>
  sendRaw(url, signedJson(as, url, action, input))
const own = (name: string): string => `${url}/000000000000/${name}`

async function received(queue: string, body: string): Promise<string> {
  await stack.service.call('SendMessage', { QueueUrl: `${stack.service.url}/000000000000/${queue}`, MessageBody: body })
  const answer = await json('ReceiveMessage', { QueueUrl: own(queue) })
  const { Messages }: { Messages: readonly { ReceiptHandle: string }[] } = JSON.parse(answer.body)
  return Messages[0]?.ReceiptHandle ?? ''
}

function listing(): RawRequest {
  return signedJson(keys, url, 'ListQueues', {})
}

describe('an action can’t be smuggled in', () => {
  test('the honest request is answered', async () => {
    expect((await sendRaw(url, listing())).status).toBe(200)
    expect(
      (await json('ListQueues', {}, { accessKeyId: 'LABORATORY', secretAccessKey: 'secret:with:colons' })).status,
    ).toBe(200)
  })

  test.each<[string, (request: RawRequest) => RawRequest]>([
    [
      'by a second x-amz-target',
      (one) => ({ ...one, headers: [...one.headers, ['X-Amz-Target', 'AmazonSQS.PurgeQueue']] }),
    ],
    ['by a second Host', (one) => ({ ...one, headers: [...one.headers, ['Host', 'elsewhere']] })],
    ['by a header that nobody signed', (one) => ({ ...one, headers: [...one.headers, ['x-amz-copy-source', 'x']] })],
    ['by the query string', (one) => ({ ...one, target: '/?Action=PurgeQueue' })],
    ['by the path of another queue', (one) => ({ ...one, target: '/000000000000/salaries' })],
    ['by a path with an escape', (one) => ({ ...one, target: '/000000000000/%73alaries' })],
    ['by a path that climbs', (one) => ({ ...one, target: '/000000000000/tasks/../salaries' })],
    ['by another method', (one) => ({ ...one, method: 'GET' })],
    ['by a body of its own', (one) => ({ ...one, body: '{"QueueUrl":"x"}' })],
  ])('%s', async (_how, change) => {
    const { status } = await sendRaw(url, change(listing()))
    expect([400, 403]).toContain(status)
  })

  test.each<
    [string, { readonly headers: Readonly<Record<string, string>>; readonly body: string; readonly target?: string }]
  >([
    [
      'form data with a target beside it',
      {
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-amz-target': 'AmazonSQS.PurgeQueue' },
        body: 'Action=ListQueues',
      },
    ],
    [
      'JSON whose target nobody named',
      { headers: { 'content-type': 'application/x-amz-json-1.0' }, body: '{"QueueUrl":"tasks"}' },
    ],
    [
      'two actions in one form',
      { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'Action=ListQueues&Action=PurgeQueue' },
    ],
    [
      'a member that the action has not',
      {
        headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.ListQueues' },
        body: '{"Action":"PurgeQueue"}',
      },
    ],
    [
      'an encoded body',
      {
        headers: {
          'content-type': 'application/x-amz-json-1.0',
          'x-amz-target': 'AmazonSQS.ListQueues',
          'content-encoding': 'gzip',
        },
        body: '{}',
      },
    ],
    [
      'another protocol',
      {
        headers: {
          'content-type': 'application/cbor',
          'smithy-protocol': 'rpc-v2-cbor',
          'x-amz-target': 'AmazonSQS.ListQueues',
        },
        body: '{}',
      },
    ],
    [
      'a service that isn’t SQS',
      {
        headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSNS.Publish' },
        body: '{}',
      },
    ],
    [
      'signed for the path of another queue than the body names',
      {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        target: '/000000000000/tasks',
        body: `Action=ReceiveMessage&QueueUrl=payments`,
      },
    ],
  ])('%s', async (_what, request) => {
    const { status } = await sendRaw(url, signed(keys, url, request))
    expect([400, 403]).toContain(status)
  })
})

describe('a queue has one name, however its URL is written', () => {
  test.each([
    'https://sqs.us-east-1.amazonaws.com/000000000000/salaries',
    'https://us-east-1.queue.amazonaws.com/000000000000/salaries',
    'https://queue.amazonaws.com/000000000000/salaries',
    'salaries',
  ])('%s is the unlisted queue that it is', async (QueueUrl) => {
    const { status, body } = await json('ReceiveMessage', { QueueUrl })
    expect({ status, body }).toMatchObject({ status: 403, body: expect.stringContaining('unlisted-queue') })
  })

  test.each([
    'https://sqs.us-east-1.amazonaws.com/000000000000/tasks?x=salaries',
    'https://sqs.us-east-1.amazonaws.com/000000000000/tasks/../salaries',
    'https://sqs.us-east-1.amazonaws.com/000000000000/tasks%2F..%2Fsalaries',
    'https://sqs.us-east-1.amazonaws.com//000000000000/salaries',
    'https://sqs.eu-west-1.amazonaws.com/000000000000/salaries',
    'https://sqs.us-east-1.amazonaws.com.evil.example/000000000000/tasks',
    'https://user@sqs.us-east-1.amazonaws.com/000000000000/tasks',
    'HTTPS://SQS.US-EAST-1.AMAZONAWS.COM/000000000000/tasks',
    'tasks ',
    'tasks\n',
    '',
  ])('%j names none', async (QueueUrl) => {
    const { status, body } = await json('SendMessage', { QueueUrl, MessageBody: 'x' })
    expect(status).toBe(400)
    expect(body).toMatch(/QueueDoesNotExist|MissingParameter/)
  })
})

describe('a receipt handle is good for who received it', () => {
  test('another agent can’t delete, extend or read through it', async () => {
    const handle = await received('tasks', 'mine')
    const other = await assumeRole(
      url,
      await stack.identity.tokenWith({
        subject: 'other-agent',
        claims: { kind: 'agent', groups: ['agents'], owner: 'olivia' },
      }),
    )
    for (const [action, more] of [
      ['DeleteMessage', {}],
      ['ChangeMessageVisibility', { VisibilityTimeout: 0 }],
    ] as const) {
      const { status, body } = await json(action, { QueueUrl: own('tasks'), ReceiptHandle: handle, ...more }, other)
      expect({ status, body }).toMatchObject({ status: 400, body: expect.stringContaining('ReceiptHandleIsInvalid') })
    }
    expect(await stack.service.messagesIn('tasks')).toBe(1)
    expect((await json('DeleteMessage', { QueueUrl: own('tasks'), ReceiptHandle: handle })).status).toBe(200)
    expect(await stack.service.messagesIn('tasks')).toBe(0)
  })

  test('nor is it good for another queue, nor is the service’s own', async () => {
    const handle = await received('tasks', 'mine too')
    const raw = await stack.service.call('SendMessage', {
      QueueUrl: `${stack.service.url}/000000000000/payments`,
      MessageBody: '{}',
    })
    expect(raw.status).toBe(200)
    const { body } = await stack.service.call('ReceiveMessage', {
      QueueUrl: `${stack.service.url}/000000000000/payments`,
    })
    const direct = String(Object(Object(body['Messages'])[0])['ReceiptHandle'])
    for (const [queue, ReceiptHandle] of [
      ['tasks.fifo', handle],
      ['payments', handle],
      ['payments', direct],
    ] as const) {
      const answer = await json('DeleteMessage', { QueueUrl: own(queue), ReceiptHandle })
      expect(answer.body).toContain('ReceiptHandleIsInvalid')
    }
  })

  test('credentials of one token don’t take the session of another', async () => {
    const second = await assumeRole(url, stack.line.principals.agent.token)
    const mixed = { ...keys, sessionToken: second.sessionToken ?? '' }
    const { status, body } = await json('ListQueues', {}, mixed)
    expect({ status, body }).toMatchObject({ status: 403, body: expect.stringContaining('SignatureDoesNotMatch') })
    expect((await json('ListQueues', {}, { ...keys, secretAccessKey: 'guessed' })).body).toBe(body)
  })
})

const COUNT: readonly string[] = ['ApproximateReceiveCount']

async function receivedFrom(queue: string, asked: object): Promise<readonly Record<string, unknown>[]> {
  const answer = await json('ReceiveMessage', { QueueUrl: own(queue), MaxNumberOfMessages: 10, ...asked })
  expect(answer.status).toBe(200)
  const { Messages = [] }: { Messages?: readonly { ReceiptHandle: string }[] } = JSON.parse(answer.body)
  for (const { ReceiptHandle } of Messages) {
    expect((await json('DeleteMessage', { QueueUrl: own(queue), ReceiptHandle })).status).toBe(200)
  }
  return Messages.map((each) => Object(each))
}
async function put(MessageBody: string, classification?: string): Promise<void> {
  const QueueUrl = `${stack.service.url}/000000000000/payments`
  const MessageAttributes =
    classification === undefined ? {} : { classification: { DataType: 'String', StringValue: classification } }
  expect((await stack.service.call('SendMessage', { QueueUrl, MessageBody, MessageAttributes })).status).toBe(200)
}

describe('each message that comes back is judged by what is in it', () => {
  test('two of three are withheld with their decisions, whichever attributes the agent asks for', async () => {
    const before = await stack.service.messagesIn('payments')
    await put('{"classification":"internal","n":1}')
    await put('{"n":2}', 'restricted')
    await put('{"classification":"Restricted","n":3}')
    const messages = await receivedFrom('payments', {})
    const bodies = messages.map(({ Body }) => String(Body))
    expect(bodies.filter((body) => body.startsWith('{'))).toEqual(['{"classification":"internal","n":1}'])
    const withheld = bodies.filter((body) => /^\[withheld by policy: decision [\w-]+\]$/.test(body))
    expect(withheld).toHaveLength(2)
    expect(messages.every((each) => !('MessageAttributes' in each) && !('Attributes' in each))).toBe(true)
    expect(await stack.service.messagesIn('payments')).toBe(before)
    const records = await recordsOf(/decision (\S+)\]/.exec(withheld[0] ?? '')?.[1] ?? 'none')
    expect(records).toContain('"decision.reject"')
    expect(records).toContain('withhold-classified')
    expect(await evidenceHolds('"n":2')).toBe(false) // what is withheld is for nobody who reads evidence either
    expect(await evidenceHolds('internal')).toBe(true) // what the agent got is in the recording
  })

  test('an agent gets the attributes that it asks for, and no other', async () => {
    const QueueUrl = `${stack.service.url}/000000000000/tasks`
    const MessageAttributes = Object.fromEntries(
      ['a.x', 'a.y', 'b'].map((name) => [name, { DataType: 'String', StringValue: name }]),
    )
    for (const [asked, names, systemNames] of [
      [{ MessageAttributeNames: ['a.*'] }, ['a.x', 'a.y'], []],
      [{ MessageAttributeNames: ['b', 'c'], AttributeNames: ['ApproximateReceiveCount'] }, ['b'], COUNT],
      [{ MessageAttributeNames: ['All'], MessageSystemAttributeNames: COUNT }, ['a.x', 'a.y', 'b'], COUNT],
    ] as const) {
      await stack.service.call('SendMessage', { QueueUrl, MessageBody: 'x', MessageAttributes })
      const [message] = await receivedFrom('tasks', asked)
      expect(Object.keys(Object(message?.['MessageAttributes'])).toSorted()).toEqual(names)
      expect(Object.keys(Object(message?.['Attributes']))).toEqual(systemNames)
    }
  })

  test('a list names the queues that policy lets it find', async () => {
    const { body } = await json('ListQueues', {})
    expect(body).toContain('payments')
    expect(body).not.toContain('salaries')
  })
})

async function evidenceHolds(text: string): Promise<boolean> {
  const lines = await promisify(execFile)('grep', ['-rlF', text.replaceAll('"', '\\"'), stack.evidence]).catch(
    () => null,
  )
  return lines !== null
}

/** The lines of evidence that name a decision. */
async function recordsOf(decision: string): Promise<string> {
  const { stdout } = await promisify(execFile)('grep', ['-rh', decision, join(stack.evidence, 'records')])
  return stdout
}

/** What the agent sees of a payment that says so. */
async function bodyOf(sent: string): Promise<string> {
  const payments = `${stack.service.url}/000000000000/payments`
  await stack.service.call('SendMessage', { QueueUrl: payments, MessageBody: sent })
  const answer = await json('ReceiveMessage', { QueueUrl: own('payments'), MaxNumberOfMessages: 10 })
  const { Messages }: { Messages: readonly { Body: string; ReceiptHandle: string }[] } = JSON.parse(answer.body)
  for (const { ReceiptHandle } of Messages) await json('DeleteMessage', { QueueUrl: own('payments'), ReceiptHandle })
  return Messages.map(({ Body }) => Body).join('')
}

describe('what can’t be carried out with certainty is withheld', () => {
  test.each([
    ['a body that is no JSON', 'ssn=123-45-6789', /^\[withheld by policy: decision [\w-]+\]$/],
    ['JSON in another shape', '{"customer":"123-45-6789"}', /^\{"customer":"\[redacted\]"\}$/],
    ['a key that comes twice', '{"customer":{"ssn":"123-45-6789","ssn":"123-45-6789"}}', /^(?!.*123-45)/],
    ['a key with an escape', String.raw`{"customer":{"\u0073sn":"123-45-6789"}}`, /^(?!.*123-45)/],
    ['an SNS envelope', JSON.stringify({ Message: '{"customer":{"ssn":"123-45-6789"}}' }), /^(?!.*123-45)/],
    ['a list of customers', '{"customer":[{"ssn":"123-45-6789"},{"ssn":"1"}]}', /^(?!.*123-45)/],
    [
      'a pointer to a body elsewhere',
      '["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]',
      /^\[withheld by policy/,
    ],
  ])('%s', async (_what, sent, seen) => {
    expect(await bodyOf(sent)).toMatch(seen)
  })
})

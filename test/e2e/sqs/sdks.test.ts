import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { findPython } from '../../support/python.ts'
import { answerHold } from '../../support/sqs-approvals.ts'
import { type SqsStack, startSqsStack } from '../../support/sqs-stack.ts'

/** An event as the bank writes it: nothing of these digits may reach an agent. */
const PAYMENT = {
  id: 12345678901234567890n,
  customer: { ssn: '123-45-6789', email: 'alice@bank.example', name: 'Alice' },
  account_number: '9876543210',
}
const BODY = `{"id":12345678901234567890,"customer":${JSON.stringify(PAYMENT.customer)},"account_number":"9876543210"}`

let stack: SqsStack
let client: SQSClient

beforeAll(async () => {
  stack = await startSqsStack()
  for (const [name, value] of Object.entries(stack.line.env)) vi.stubEnv(name, value)
  client = new SQSClient() // nothing but the environment tells it where and who
})
afterAll(async () => {
  vi.unstubAllEnvs()
  client.destroy()
  await stack.stop()
})

async function urlOf(QueueName: string): Promise<string> {
  return (await client.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl ?? ''
}

async function put(QueueUrl: string, more: object): Promise<void> {
  const { status } = await stack.service.call('SendMessage', {
    QueueUrl: `${stack.service.url}/000000000000/${QueueUrl}`,
    ...more,
  })
  expect(status).toBe(200)
}

function attribute(StringValue: string): object {
  return { DataType: 'String', StringValue }
}

describe('the AWS SDK for JavaScript 3, with the environment and nothing else', () => {
  test('finds queues under the gateway’s own URL', async () => {
    const { QueueUrls } = await client.send(new ListQueuesCommand({ QueueNamePrefix: 'pay' }))
    expect(QueueUrls).toEqual([`${stack.line.gateway.url}/000000000000/payments`])
    expect(await urlOf('tasks')).toBe(`${stack.line.gateway.url}/000000000000/tasks`)
  })

  test('receives masked messages whose digests it finds right, and deletes them', async () => {
    await put('payments', {
      MessageBody: BODY,
      MessageAttributes: {
        account: attribute('9876543210'),
        topic: attribute('created'),
        scan: { DataType: 'Binary', BinaryValue: 'AAEC' },
      },
    })
    const QueueUrl = await urlOf('payments')
    const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ['All'] }))
    const [message] = Messages
    expect(message?.Body).toBe(
      '{"id":12345678901234567890,"customer":{"ssn":"*******6789","email":"a***@***","name":"Alice"},"account_number":"******3210"}',
    )
    expect(message?.MessageAttributes).toEqual({
      account: { DataType: 'String', StringValue: '******3210' },
      topic: { DataType: 'String', StringValue: 'created' },
    })
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }))
    expect(await stack.service.messagesIn('payments')).toBe(0)
  })

  test('sends what its labels don’t let through as masks, and finds its own digest right', async () => {
    const QueueUrl = await urlOf('reports')
    await client.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: 'SSN 123-45-6789, IBAN DE89370400440532013000',
        MessageAttributes: { customer: { DataType: 'String', StringValue: 'Alice' } },
      }),
    )
    const { body } = await stack.service.call('ReceiveMessage', {
      QueueUrl: `${stack.service.url}/000000000000/reports`,
      MessageAttributeNames: ['All'],
    })
    expect(body).toMatchObject({
      Messages: [
        {
          Body: 'SSN *******6789, IBAN ******************3000',
          MessageAttributes: { customer: { StringValue: '[redacted]' } },
        },
      ],
    })
  })

  test('has each entry of a batch decided: sent, held, refused', async () => {
    const QueueUrl = await urlOf('corrections')
    const Entries = [
      { Id: 'held', MessageBody: '{"transfer":7,"amount":100}' },
      { Id: 'unreadable', MessageBody: '{"amount":1,"amount":1000000}' },
    ]
    const first = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
    expect(first.Successful).toEqual([])
    expect(first.Failed?.map(({ Id, Code }) => [Id, Code])).toEqual([
      ['held', 'ApprovalPending'],
      ['unreadable', 'AccessDenied'],
    ])
    const [, approval = ''] = /approval (\S+),/.exec(first.Failed?.[0]?.Message ?? '') ?? []
    expect(await answerHold(stack.line, 'owner', approval, 'approve')).not.toBe(200)
    expect(await answerHold(stack.line, 'approver', approval, 'approve')).toBe(200)
    const second = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries: Entries.slice(0, 1) }))
    expect(second.Successful?.map(({ Id }) => Id)).toEqual(['held'])
    expect(await stack.service.messagesIn('corrections')).toBe(1)
  })

  test('a held message runs once, however often it is sent again once it is approved', async () => {
    const QueueUrl = await urlOf('corrections.fifo')
    const message = { QueueUrl, MessageBody: '{"transfer":8}', MessageGroupId: 'g', MessageDeduplicationId: 'd' }
    const pending = await client.send(new SendMessageCommand(message)).catch((error: unknown) => error)
    expect(pending).toMatchObject({ name: 'ApprovalPending', $metadata: { httpStatusCode: 403, attempts: 1 } })
    const [, approval = ''] = /approval (\S+),/.exec(String(pending)) ?? []
    expect(await answerHold(stack.line, 'approver', approval, 'approve')).toBe(200)
    const ids = await Promise.all(
      [1, 2, 3].map(async () => (await client.send(new SendMessageCommand(message))).MessageId),
    )
    expect(new Set(ids).size).toBe(1)
    expect(await client.send(new SendMessageCommand(message))).toMatchObject({ MessageId: ids[0] })
    expect(await stack.service.messagesIn('corrections.fifo')).toBe(1)
  })

  test('on a FIFO queue nothing overtakes what was refused', async () => {
    const QueueUrl = await urlOf('corrections.fifo')
    const Entries = [
      { Id: '1', MessageGroupId: 'a', MessageBody: '{"a":1,"a":2}' },
      { Id: '2', MessageGroupId: 'a', MessageBody: 'fine' },
      { Id: '3', MessageGroupId: 'b', MessageBody: 'held' },
    ]
    const { Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
    expect(Object.fromEntries(Failed.map(({ Id, Code }) => [Id, Code]))).toEqual({
      1: 'AccessDenied',
      2: 'AccessDenied',
      3: 'ApprovalPending',
    })
    expect(Failed.find(({ Id }) => Id === '2')?.Message).toContain('order counts')
  })

  test('a batch that deletes has one entry fail and the other done', async () => {
    const QueueUrl = await urlOf('tasks')
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'to be deleted' }))
    const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 1 }))
    const Entries = [
      { Id: 'own', ReceiptHandle: Messages[0]?.ReceiptHandle },
      { Id: 'made-up', ReceiptHandle: 'AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a' },
    ]
    const { Successful, Failed } = await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }))
    expect(Successful?.map(({ Id }) => Id)).toEqual(['own'])
    expect(Failed?.map(({ Id, Code }) => [Id, Code])).toEqual([['made-up', 'ReceiptHandleIsInvalid']])
  })
})

const BOTO3 = { whole: ['boto3==1.43.9'] }

test.skipIf(findPython(BOTO3) === null)('boto3, with the environment and nothing else', async () => {
  await put('payments', { MessageBody: BODY })
  const script = join(import.meta.dirname, 'boto3-session.py')
  const { stdout } = await promisify(execFile)(findPython(BOTO3) ?? '', [script, '{"from":"boto3"}'], {
    env: { ...process.env, ...stack.line.env },
  })
  const steps = stdout
    .trim()
    .split('\n')
    .map((line): Readonly<Record<string, unknown>> => Object(JSON.parse(line)))
  const told = Object.fromEntries(steps.map(({ step, ...rest }) => [String(step), rest]))
  expect(told).toMatchObject({
    identity: { arn: 'arn:aws:sts::000000000000:assumed-role/agent/reconciler' },
    url: { url: `${stack.line.gateway.url}/000000000000/tasks` },
    received: { body: '<a> & "b"\r\n€', kind: 'é\r\n', blob: [0, 255], count: '1' },
    filtered: { attributes: ['blob'] },
    masked: { body: { customer: { ssn: '*******6789', email: 'a***@***' }, account_number: '******3210' } },
    batch: { successful: ['a', 'b'] },
    pending: {
      failed: [
        ['c', 'ApprovalPending'],
        ['d', 'AccessDenied'],
      ],
    },
    unlisted: { code: 'AccessDenied', status: 403 },
    purge: { code: 'AccessDenied', status: 403 },
  })
})

test('no digit of a customer’s is in evidence', async () => {
  const found = await promisify(execFile)('grep', ['-rlE', '123-45-6789|9876543210|alice@bank', stack.evidence]).catch(
    (error: unknown) => error,
  )
  expect(found).toMatchObject({ code: 1, stdout: '' })
})

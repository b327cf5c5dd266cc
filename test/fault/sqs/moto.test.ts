import {
  CreateQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SqsStack, startSqsStack } from '../../support/sqs-stack.ts'

let stack: SqsStack
let client: SQSClient

/** The other service: another reading of SQS than the one that all else is tested with. Installed from PyPI the first time. */
beforeAll(async () => {
  stack = await startSqsStack({ upstream: 'moto' })
  Object.assign(process.env, stack.line.env)
  client = new SQSClient()
}, 600_000)
afterAll(async () => {
  client.destroy()
  await stack.stop()
})

const own = (name: string): string => `${stack.line.gateway.url}/000000000000/${name}`

test('messages and attributes come back masked, their digests found right', async () => {
  const account = { DataType: 'String', StringValue: '9876543210' }
  const scan = { DataType: 'Binary', BinaryValue: 'AAEC' }
  const { status } = await stack.service.call('SendMessage', {
    QueueUrl: `${stack.service.url}/000000000000/payments`,
    MessageBody: '{"customer":{"ssn":"123-45-6789"},"account_number":"9876543210"}',
    MessageAttributes: { account, scan, topic: { DataType: 'String', StringValue: 'created' } },
  })
  expect(status).toBe(200)
  const receive = new ReceiveMessageCommand({ QueueUrl: own('payments'), MessageAttributeNames: ['All'] })
  const [message] = (await client.send(receive)).Messages ?? []
  expect(message?.Body).toBe('{"customer":{"ssn":"*******6789"},"account_number":"******3210"}')
  expect(Object.keys(message?.MessageAttributes ?? {})).toEqual(expect.arrayContaining(['account', 'topic']))
  expect(message?.MessageAttributes?.['account']?.StringValue).toBe('******3210')
})

test('a batch goes up, and what policy refuses does not', async () => {
  const Entries = ['a', 'b'].map((Id) => ({ Id, MessageBody: `{"n":"${Id}"}` }))
  const { Successful } = await client.send(new SendMessageBatchCommand({ QueueUrl: own('tasks'), Entries }))
  expect(Successful?.map(({ Id }) => Id)).toEqual(['a', 'b'])
  await expect(client.send(new CreateQueueCommand({ QueueName: 'tasks' }))).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  const sent = client.send(new SendMessageCommand({ QueueUrl: own('salaries'), MessageBody: 'x' }))
  await expect(sent).rejects.toMatchObject({ name: 'AccessDenied' })
})

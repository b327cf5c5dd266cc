// AWS SDK for JavaScript 2 knows no AWS_ENDPOINT_URL_*: the two endpoints stand in code, all else in the environment.
const AWS = require('aws-sdk')
AWS.config.update({ region: process.env.AWS_REGION, sts: { endpoint: process.env.AWS_ENDPOINT_URL_STS } })
const sqs = new AWS.SQS({ endpoint: process.env.AWS_ENDPOINT_URL_SQS, maxRetries: 0 })
const tell = (step, what) => console.log(JSON.stringify({ step, ...what }))
const urlOf = async (QueueName) => (await sqs.getQueueUrl({ QueueName }).promise()).QueueUrl
const codeOf = (request) =>
  request.promise().then(
    () => 'done',
    (error) => error.code,
  )

async function main() {
  const tasks = await urlOf('tasks')
  const MessageAttributes = {
    kind: { DataType: 'String', StringValue: 'é' },
    blob: { DataType: 'Binary', BinaryValue: Buffer.from([0, 255]) },
  }
  await sqs.sendMessage({ QueueUrl: tasks, MessageBody: '<a> & "b"\r\n€', MessageAttributes }).promise()
  const { Messages } = await sqs
    .receiveMessage({ QueueUrl: tasks, MessageAttributeNames: ['All'], WaitTimeSeconds: 1 })
    .promise()
  tell('received', { body: Messages[0].Body, blob: [...Messages[0].MessageAttributes.blob.BinaryValue] })
  await sqs.deleteMessage({ QueueUrl: tasks, ReceiptHandle: Messages[0].ReceiptHandle }).promise()
  await sqs.sendMessage({ QueueUrl: tasks, MessageBody: 'filtered', MessageAttributes }).promise()
  const { Messages: some } = await sqs
    .receiveMessage({ QueueUrl: tasks, MessageAttributeNames: ['blob'], WaitTimeSeconds: 1 })
    .promise()
  tell('filtered', { attributes: Object.keys(some[0].MessageAttributes) })
  await sqs.deleteMessage({ QueueUrl: tasks, ReceiptHandle: some[0].ReceiptHandle }).promise()
  const masked = await sqs
    .receiveMessage({ QueueUrl: await urlOf('payments'), MessageAttributeNames: ['All'] })
    .promise()
  tell('masked', {
    body: JSON.parse(masked.Messages[0].Body),
    attributes: Object.keys(masked.Messages[0].MessageAttributes ?? {}).toSorted(),
  })
  const Entries = [
    { Id: 'a', MessageBody: 'one' },
    { Id: 'b', MessageBody: 'two', MessageAttributes },
  ]
  const batch = await sqs.sendMessageBatch({ QueueUrl: tasks, Entries }).promise()
  tell('batch', { successful: batch.Successful.map(({ Id }) => Id).toSorted() })
  const held = [
    { Id: 'c', MessageBody: process.argv[2] },
    { Id: 'd', MessageBody: '{"a":1,"a":2}' },
  ]
  const pending = await sqs.sendMessageBatch({ QueueUrl: await urlOf('corrections'), Entries: held }).promise()
  tell('pending', { failed: pending.Failed.map(({ Id, Code }) => [Id, Code]).toSorted() })
  const fifo = await urlOf('tasks.fifo')
  await sqs
    .sendMessage({
      QueueUrl: fifo,
      MessageBody: 'in order',
      MessageGroupId: 'g',
      MessageDeduplicationId: process.argv[2],
    })
    .promise()
  const next = await sqs.receiveMessage({ QueueUrl: fifo }).promise()
  tell('fifo', {
    body: next.Messages[0].Body,
    deleted: await codeOf(sqs.deleteMessage({ QueueUrl: fifo, ReceiptHandle: next.Messages[0].ReceiptHandle })),
  })
  tell('unlisted', {
    code: await codeOf(sqs.sendMessage({ QueueUrl: tasks.replace('tasks', 'salaries'), MessageBody: 'x' })),
  })
  tell('purge', { code: await codeOf(sqs.purgeQueue({ QueueUrl: tasks })) })
}
main().catch((error) => {
  console.error(error)
  process.exit(1)
})

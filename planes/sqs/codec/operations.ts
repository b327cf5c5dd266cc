import type { ActionClass } from '../../../engine/index.ts'
import { blob, flag, integer, list, map, type Members, number, structure, text } from './shape.ts'

export type ActionName =
  | 'SendMessage'
  | 'SendMessageBatch'
  | 'ReceiveMessage'
  | 'DeleteMessage'
  | 'DeleteMessageBatch'
  | 'ChangeMessageVisibility'
  | 'ChangeMessageVisibilityBatch'
  | 'PurgeQueue'
  | 'DeleteQueue'
  | 'StartMessageMoveTask'
  | 'CancelMessageMoveTask'
  | 'CreateQueue'
  | 'SetQueueAttributes'
  | 'AddPermission'
  | 'RemovePermission'
  | 'TagQueue'
  | 'UntagQueue'
  | 'ListQueues'
  | 'GetQueueUrl'
  | 'GetQueueAttributes'
  | 'ListQueueTags'
  | 'ListDeadLetterSourceQueues'
  | 'ListMessageMoveTasks'

/** What an operation is for, finer than the class that policy of every plane knows. */
export type OperationKind = 'send' | 'receive' | 'consume' | 'destroy' | 'control' | 'discover'

export interface Operation {
  readonly kind: OperationKind
  readonly class: ActionClass
  readonly input: Members
  readonly output: Members
  /** Each entry is a request of its own, and its verdict stands in Successful or Failed. */
  readonly batch?: true
}

const attributeValue = structure({ DataType: text, StringValue: text, BinaryValue: blob })
const messageAttributes = map('MessageAttribute', 'Name', 'Value', attributeValue)
const queueAttributes = map('Attribute', 'Name', 'Value')
const message: Members = {
  MessageBody: text,
  DelaySeconds: integer,
  MessageAttributes: messageAttributes,
  MessageSystemAttributes: map('MessageSystemAttribute', 'Name', 'Value', attributeValue),
  MessageDeduplicationId: text,
  MessageGroupId: text,
}
const sent: Members = {
  MessageId: text,
  MD5OfMessageBody: text,
  MD5OfMessageAttributes: text,
  MD5OfMessageSystemAttributes: text,
  SequenceNumber: text,
}
const queueUrl: Members = { QueueUrl: text }
const paged: Members = { NextToken: text, MaxResults: integer }
const failed = list('BatchResultErrorEntry', structure({ Id: text, SenderFault: flag, Code: text, Message: text }))
const nothing: Members = {}

function batch(entry: string, result: string, members: Members, answer: Members): Pick<Operation, 'input' | 'output'> {
  return {
    input: { ...queueUrl, Entries: list(entry, structure({ Id: text, ...members })) },
    output: { Successful: list(result, structure({ Id: text, ...answer })), Failed: failed },
  }
}

const received = list(
  'Message',
  structure({
    MessageId: text,
    ReceiptHandle: text,
    MD5OfBody: text,
    Body: text,
    Attributes: queueAttributes,
    MD5OfMessageAttributes: text,
    MessageAttributes: messageAttributes,
  }),
)

const moveTask = list(
  'ListMessageMoveTasksResultEntry',
  structure({
    TaskHandle: text,
    Status: text,
    SourceArn: text,
    DestinationArn: text,
    MaxNumberOfMessagesPerSecond: integer,
    ApproximateNumberOfMessagesMoved: integer,
    ApproximateNumberOfMessagesToMove: integer,
    FailureReason: text,
    StartedTimestamp: number,
  }),
)

/** All of SQS, version 2012-11-05: what each action takes and gives, under both protocols' names. */
const OPERATIONS: Readonly<Record<ActionName, Operation>> = {
  SendMessage: { kind: 'send', class: 'write', input: { ...queueUrl, ...message }, output: sent },
  SendMessageBatch: {
    kind: 'send',
    class: 'write',
    batch: true,
    ...batch('SendMessageBatchRequestEntry', 'SendMessageBatchResultEntry', message, sent),
  },
  ReceiveMessage: {
    kind: 'receive',
    class: 'read',
    input: {
      ...queueUrl,
      AttributeNames: list('AttributeName'),
      MessageSystemAttributeNames: list('MessageSystemAttributeName'),
      MessageAttributeNames: list('MessageAttributeName'),
      MaxNumberOfMessages: integer,
      VisibilityTimeout: integer,
      WaitTimeSeconds: integer,
      ReceiveRequestAttemptId: text,
    },
    output: { Messages: received },
  },
  DeleteMessage: {
    kind: 'consume',
    class: 'write',
    input: { ...queueUrl, ReceiptHandle: text },
    output: nothing,
  },
  DeleteMessageBatch: {
    kind: 'consume',
    class: 'write',
    batch: true,
    ...batch('DeleteMessageBatchRequestEntry', 'DeleteMessageBatchResultEntry', { ReceiptHandle: text }, nothing),
  },
  ChangeMessageVisibility: {
    kind: 'consume',
    class: 'write',
    input: { ...queueUrl, ReceiptHandle: text, VisibilityTimeout: integer },
    output: nothing,
  },
  ChangeMessageVisibilityBatch: {
    kind: 'consume',
    class: 'write',
    batch: true,
    ...batch(
      'ChangeMessageVisibilityBatchRequestEntry',
      'ChangeMessageVisibilityBatchResultEntry',
      { ReceiptHandle: text, VisibilityTimeout: integer },
      nothing,
    ),
  },
  PurgeQueue: { kind: 'destroy', class: 'destroy', input: queueUrl, output: nothing },
  DeleteQueue: { kind: 'destroy', class: 'destroy', input: queueUrl, output: nothing },
  StartMessageMoveTask: {
    kind: 'destroy',
    class: 'destroy',
    input: { SourceArn: text, DestinationArn: text, MaxNumberOfMessagesPerSecond: integer },
    output: { TaskHandle: text },
  },
  CancelMessageMoveTask: {
    kind: 'destroy',
    class: 'destroy',
    input: { TaskHandle: text },
    output: { ApproximateNumberOfMessagesMoved: integer },
  },
  CreateQueue: {
    kind: 'control',
    class: 'control',
    input: { QueueName: text, Attributes: queueAttributes, tags: map('Tag', 'Key', 'Value') },
    output: queueUrl,
  },
  SetQueueAttributes: {
    kind: 'control',
    class: 'control',
    input: { ...queueUrl, Attributes: queueAttributes },
    output: nothing,
  },
  AddPermission: {
    kind: 'control',
    class: 'control',
    input: { ...queueUrl, Label: text, AWSAccountIds: list('AWSAccountId'), Actions: list('ActionName') },
    output: nothing,
  },
  RemovePermission: { kind: 'control', class: 'control', input: { ...queueUrl, Label: text }, output: nothing },
  TagQueue: {
    kind: 'control',
    class: 'control',
    input: { ...queueUrl, Tags: map('Tag', 'Key', 'Value') },
    output: nothing,
  },
  UntagQueue: { kind: 'control', class: 'control', input: { ...queueUrl, TagKeys: list('TagKey') }, output: nothing },
  ListQueues: {
    kind: 'discover',
    class: 'discover',
    input: { QueueNamePrefix: text, ...paged },
    output: { QueueUrls: list('QueueUrl'), NextToken: text },
  },
  GetQueueUrl: {
    kind: 'discover',
    class: 'discover',
    input: { QueueName: text, QueueOwnerAWSAccountId: text },
    output: queueUrl,
  },
  GetQueueAttributes: {
    kind: 'discover',
    class: 'discover',
    input: { ...queueUrl, AttributeNames: list('AttributeName') },
    output: { Attributes: queueAttributes },
  },
  ListQueueTags: {
    kind: 'discover',
    class: 'discover',
    input: queueUrl,
    output: { Tags: map('Tag', 'Key', 'Value') },
  },
  ListDeadLetterSourceQueues: {
    kind: 'discover',
    class: 'discover',
    input: { ...queueUrl, ...paged },
    // The only member of SQS's JSON that begins with a small letter.
    output: { queueUrls: list('QueueUrl'), NextToken: text },
  },
  ListMessageMoveTasks: {
    kind: 'discover',
    class: 'discover',
    input: { SourceArn: text, MaxResults: integer },
    output: { Results: moveTask },
  },
}

export function isActionName(name: string): name is ActionName {
  return Object.hasOwn(OPERATIONS, name)
}

export function operationOf(action: ActionName): Operation {
  return OPERATIONS[action]
}

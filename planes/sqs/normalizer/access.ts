import type {
  AccessRequest,
  JsonObject,
  Labels,
  Principal,
  Resource,
  ResourcePart,
  Session,
} from '../../../engine/index.ts'
import { objectOf, textOf, textsOf } from '../codec/members.ts'
import type { ActionName } from '../codec/operations.ts'
import { operationOf } from '../codec/operations.ts'
import { messageBlock, recordedMessage, recordedReceived } from './message.ts'
import type { Queue } from './queue-name.ts'

/** One thing to decide: a call, or one entry of a batch under the name of the action that it would be alone. */
export interface Subject {
  readonly action: ActionName
  readonly queue: Queue | null
  /** Further queues that it touches: where messages are moved, where dead letters go. */
  readonly others: readonly Queue[]
  /** Members as the action alone would have them. */
  readonly input: JsonObject
  /** Account that a listing is of, where there is no queue. */
  readonly account: string
  /** One message that came back, its members named as those of one that is sent. */
  readonly received?: JsonObject
}

export interface Asking {
  readonly principal: Principal
  readonly session: Session
  readonly source: string | null
  readonly nowMs: number
}

/** Members that stand elsewhere in the request, or that mean nothing to policy. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'QueueUrl',
  'ReceiptHandle',
  'TaskHandle',
  'Id',
  'NextToken',
  'MessageBody',
  'MessageAttributes',
  'MessageSystemAttributes',
  'MessageDeduplicationId',
  'MessageGroupId',
  'ReceiveRequestAttemptId',
])

const MASKED = '[masked]'

/** A subject as policy judges it. `hide` masks the labelled parts of a message for the record. */
export function accessRequest(
  subject: Subject,
  labels: Labels,
  asking: Asking,
  hide: (input: JsonObject, parts: readonly string[]) => JsonObject,
): AccessRequest {
  const { action, queue, input } = subject
  const labelled = queue === null ? {} : (labels.resources[queue.arn] ?? {})
  const written = messageOf(subject)
  const message = written === null ? null : messageBlock(written)
  const resources = resourcesOf(subject, labels, message)
  const block = blockOf(subject, message)
  const sensitive = Object.keys(labelled)
  return {
    principal: asking.principal,
    action: { name: `sqs.${action}`, class: operationOf(action).class },
    resources,
    context: {
      plane: 'sqs',
      session: asking.session.id,
      time: new Date(asking.nowMs).toISOString(),
      source: asking.source,
      transaction: 'none',
      approvals: [],
    },
    block,
    recorded:
      message === null || written === null
        ? { resources, block }
        : {
            resources: resources.map(withoutLabelledValues),
            block: {
              ...block,
              message:
                subject.received === undefined
                  ? recordedMessage(sensitive.length === 0 ? message : messageBlock(hide(written, sensitive)))
                  : recordedReceived(message),
            },
          },
    bound: JSON.stringify(subject.received ?? input),
    labels_revision: labels.revision,
  }
}

/** The message that a subject is about, if it is about one. */
export function messageOf({ action, input, received }: Subject): JsonObject | null {
  return received ?? (operationOf(action).kind === 'send' ? input : null)
}

function blockOf(subject: Subject, message: JsonObject | null): JsonObject {
  const { action, queue, input, account } = subject
  return {
    kind: operationOf(action).kind,
    statement: statementOf(subject),
    account: queue?.account ?? account,
    queue: queue === null ? null : { name: queue.name, region: queue.region, fifo: queue.fifo },
    parameters: Object.fromEntries(Object.entries(input).filter(([name]) => !ELSEWHERE.has(name))),
    message,
  }
}

function statementOf({ action, queue, input, received }: Subject): string {
  const call = queue === null ? action : `${action} ${queue.name}`
  return received === undefined ? call : `${call}: message ${textOf(input['MessageId']) ?? ''}`
}

function resourcesOf(subject: Subject, labels: Labels, message: JsonObject | null): readonly Resource[] {
  const { queue, others, account } = subject
  if (queue === null) return [{ type: 'account', name: account, labels: [], parts: [] }]
  const own: Resource = {
    type: 'queue',
    name: queue.arn,
    labels: [],
    parts: partsOf(subject, labels.resources[queue.arn] ?? {}),
  }
  return [own, ...others.map(({ arn }) => ({ type: 'queue', name: arn, labels: [], parts: [] })), ...pointedAt(message)]
}

/** What a sent or received message has of parts: those with a label always, the others where they are named. */
function partsOf(subject: Subject, labelled: Readonly<Record<string, readonly string[]>>): readonly ResourcePart[] {
  const { input } = subject
  const { kind } = operationOf(subject.action)
  if (kind !== 'send' && kind !== 'receive') return []
  const message = messageOf(subject)
  const named =
    message === null ? textsOf(input['MessageAttributeNames']) : Object.keys(objectOf(message['MessageAttributes']))
  const attributes = named.map((name) => `attribute.${name}`)
  const use = kind === 'send' ? 'written' : 'output'
  return [...new Set(['body', ...attributes, ...Object.keys(labelled)])].map((name) => {
    const part = { name, labels: labelled[name] ?? [], uses: [use] } as const
    return kind === 'send' && name.startsWith('attribute.') ? { ...part, values: attributeValues(input, name) } : part
  })
}

function attributeValues(input: JsonObject, part: string): readonly string[] {
  const attributes = objectOf(input['MessageAttributes'])
  const value = objectOf(attributes[part.slice('attribute.'.length)])
  return [value['StringValue'], value['BinaryValue']].flatMap((each) => (typeof each === 'string' ? [each] : []))
}

/** A body that only points to another one, in S3, is about that object too. */
function pointedAt(message: JsonObject | null): readonly Resource[] {
  const { bucket, key } = objectOf(message?.['pointer'])
  return typeof bucket === 'string' && typeof key === 'string'
    ? [{ type: 's3-object', name: `arn:aws:s3:::${bucket}/${key}`, labels: [], parts: [] }]
    : []
}

function withoutLabelledValues(resource: Resource): Resource {
  return {
    ...resource,
    parts: resource.parts.map((part) =>
      part.labels.length === 0 || part.values === undefined || part.values === null
        ? part
        : { ...part, values: part.values.map(() => MASKED) },
    ),
  }
}

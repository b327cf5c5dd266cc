import type { JsonObject, Principal } from '../../../engine/index.ts'
import { NormalizeError } from '../../../engine/index.ts'
import { listOf, objectOf, textOf } from '../codec/members.ts'
import type { ActionName } from '../codec/operations.ts'
import type { Subject } from './access.ts'
import { type Queue, queueOf, type QueuePlace, resolveQueueArn, resolveQueueUrl } from './queue-name.ts'

/** What turns an input into a subject needs to know. */
export interface Naming {
  readonly place: QueuePlace
  /** Whether clients may name this queue at all. */
  offers(queue: Queue): boolean
  /** The source queue and the upstream's own handle of a move task; throws NormalizeError for anybody else's. */
  openTask(handle: string, principal: Principal): { readonly arn: string; readonly handle: string }
}

/** Names everything that an action is about. Throws NormalizeError for what can't be named, or isn't offered. */
export function subjectOf(action: ActionName, input: JsonObject, principal: Principal, naming: Naming): Subject {
  const { place } = naming
  const queue = queueFor(action, input, principal, naming)
  const others = othersOf(input, place)
  const stranger = [...(queue === null ? [] : [queue]), ...others].find((each) => !naming.offers(each))
  if (stranger !== undefined) throw notOffered()
  return { action, queue, others, input, account: place.account }
}

function queueFor(action: ActionName, input: JsonObject, principal: Principal, naming: Naming): Queue | null {
  const { place } = naming
  switch (action) {
    case 'ListQueues':
      return null
    case 'CreateQueue':
    case 'GetQueueUrl': {
      const account = textOf(input['QueueOwnerAWSAccountId']) ?? place.account
      return queueOf(account, place.region, required(input, 'QueueName'), place)
    }
    case 'StartMessageMoveTask':
    case 'ListMessageMoveTasks':
      return resolveQueueArn(required(input, 'SourceArn'), place)
    case 'CancelMessageMoveTask':
      return resolveQueueArn(naming.openTask(required(input, 'TaskHandle'), principal).arn, place)
    default:
      return resolveQueueUrl(required(input, 'QueueUrl'), place)
  }
}

function othersOf(input: JsonObject, place: QueuePlace): readonly Queue[] {
  const attributes = objectOf(input['Attributes'])
  const arns = [
    textOf(input['DestinationArn']),
    ...arnsIn(textOf(attributes['RedrivePolicy']), 'deadLetterTargetArn'),
    ...arnsIn(textOf(attributes['RedriveAllowPolicy']), 'sourceQueueArns'),
  ]
  return arns.flatMap((arn) => (arn === null ? [] : [resolveQueueArn(arn, place)]))
}

/** ARNs in an attribute that is JSON: one, or a list of them. What can't be read names nothing that we know. */
function arnsIn(attribute: string | null, member: string): readonly string[] {
  if (attribute === null || attribute === '') return []
  const found = parsed(attribute)[member]
  if (found === undefined) return []
  const arns = typeof found === 'string' ? [found] : listOf(found).map(textOf)
  return arns.map((arn) => {
    if (arn === null) throw unreadable()
    return arn
  })
}

function parsed(attribute: string): JsonObject {
  try {
    const value: JsonObject[string] = JSON.parse(attribute)
    return objectOf(value)
  } catch {
    throw unreadable()
  }
}

function unreadable(): NormalizeError {
  return new NormalizeError('ERR_NORMALIZE_UNRESOLVED', 'an attribute names queues in a form that can’t be read', {
    native: 'InvalidAttributeValue',
  })
}

function required(input: JsonObject, member: string): string {
  const value = textOf(input[member])
  if (value !== null && value !== '') return value
  throw new NormalizeError('ERR_NORMALIZE_UNRESOLVED', `the request must contain the parameter ${member}`, {
    native: 'MissingParameter',
  })
}

function notOffered(): NormalizeError {
  return new NormalizeError('ERR_NORMALIZE_UNRESOLVED', 'this names no queue that is offered here', {
    native: 'QueueDoesNotExist',
  })
}

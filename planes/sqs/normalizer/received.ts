import type { JsonObject } from '../../../engine/index.ts'
import { objectOf } from '../codec/members.ts'
import type { Subject } from './access.ts'

/** A message that came back as a subject of its own: the call, and the message as if it were one that is sent. */
export function receivedSubject(call: Subject, message: JsonObject): Subject {
  const system = objectOf(message['Attributes'])
  const { MessageGroupId: group, MessageDeduplicationId: deduplication } = system
  return {
    ...call,
    input: { ...call.input, MessageId: message['MessageId'] ?? '' },
    received: {
      MessageBody: message['Body'] ?? '',
      MessageAttributes: objectOf(message['MessageAttributes']),
      MessageSystemAttributes: Object.fromEntries(
        Object.entries(system).map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]),
      ),
      ...(group === undefined ? {} : { MessageGroupId: group }),
      ...(deduplication === undefined ? {} : { MessageDeduplicationId: deduplication }),
    },
  }
}

import { isUtf8 } from 'node:buffer'
import type { JsonObject } from '../../../engine/index.ts'
import { NormalizeError, ProtocolError } from '../../../engine/index.ts'
import type { Call, Fault, HttpAnswer } from './call.ts'
import type { HttpMessage } from './http-message.ts'
import { type ActionName, isActionName, operationOf } from './operations.ts'
import { readMembers } from './shape.ts'

export const JSON_TYPE = 'application/x-amz-json-1.0'
const TARGET = /^AmazonSQS\.([A-Za-z]{1,64})$/

/** AWS JSON 1.0: the action stands in a header, its members are the body. */
export function readJsonCall({ headers, body }: HttpMessage): Call {
  const name = TARGET.exec(headers.get('x-amz-target') ?? '')?.[1] ?? ''
  if (!isActionName(name)) throw unknownAction()
  return { protocol: 'json', action: name, input: readMembers(operationOf(name).input, parse(body), 'refuse', '') }
}

/** What the service answered, of it what is known. */
export function readJsonAnswer(action: ActionName, body: Buffer): JsonObject {
  return readMembers(operationOf(action).output, body.length === 0 ? {} : parse(body), 'drop', '')
}

export function unknownAction(): NormalizeError {
  return new NormalizeError('ERR_NORMALIZE_UNSUPPORTED', 'this is no action of SQS that is known here')
}

function parse(body: Buffer): unknown {
  if (!isUtf8(body)) throw notJson()
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw notJson() // the parser's own words quote the body
  }
}

function notJson(): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', 'the body is not JSON in UTF-8')
}

export function jsonAnswer(result: JsonObject, requestId: string): HttpAnswer {
  return {
    status: 200,
    headers: { 'content-type': JSON_TYPE, 'x-amzn-requestid': requestId },
    body: JSON.stringify(result),
  }
}

export function jsonFault(fault: Fault, requestId: string): HttpAnswer {
  return {
    status: fault.status,
    headers: {
      'content-type': JSON_TYPE,
      'x-amzn-requestid': requestId,
      'x-amzn-query-error': `${fault.query};${fault.sender ? 'Sender' : 'Receiver'}`,
      ...fault.headers,
    },
    body: JSON.stringify({ __type: `com.amazonaws.sqs#${fault.code}`, message: fault.message }),
  }
}

import { randomUUID } from 'node:crypto'
import { CountersignError, NormalizeError, ProtocolError } from '../../engine/index.ts'
import type { Call, Fault, HttpAnswer, Protocol } from './codec/call.ts'
import { type HttpMessage, mediaType } from './codec/http-message.ts'
import { jsonAnswer, jsonFault, JSON_TYPE, readJsonCall } from './codec/json-protocol.ts'
import { FORM_TYPE, readForm } from './codec/query-form.ts'
import { queryAnswer, queryFault, readQueryCall } from './codec/query-protocol.ts'
import { fault, faultOf } from './enforcer/denial.ts'
import type { Enforcer } from './enforcer/enforcer.ts'
import type { Authentication } from './session/authentication.ts'
import type { Callers } from './session/callers.ts'
import { type SecurityTokenService, stsFault } from './session/sts.ts'

export interface ExchangeRooms {
  readonly authentication: Authentication
  readonly callers: Callers
  readonly enforcer: Enforcer
  readonly sts: SecurityTokenService
  readonly region: string
}

/** STS is one for the world: SDKs sign for its first region where they know no better. */
const STS_REGION = 'us-east-1'
/** Every character of it stands for itself, so there is one way to write it. */
const PATH = /^\/(?:\d{12}\/[A-Za-z0-9_-]{1,80}(?:\.fifo)?)?$/
const CREDENTIALS_PATH = '/credentials'

/** One request and its answer, whichever of the doors it comes to. `gone` is aborted when the client is. Throws nothing. */
export async function exchange(message: HttpMessage, gone: AbortController, rooms: ExchangeRooms): Promise<HttpAnswer> {
  const requestId = randomUUID()
  if (message.target === CREDENTIALS_PATH) return credentials(message, rooms, requestId)
  const protocol = protocolOf(message)
  try {
    if (protocol === null) throw unknownProtocol()
    if (message.method !== 'POST' || !PATH.test(message.target)) throw unknownPlace()
    if (message.headers.has('content-encoding')) throw encoded()
    if (protocol === 'json') return await sqs(message, gone, rooms, requestId, () => readJsonCall(message))
    return await form(message, gone, rooms, requestId)
  } catch (error) {
    return faultAnswer(protocol ?? 'json', faultOf(error), requestId)
  }
}

/** By the content type alone; a target in a header and an action in a form in one request are refused below. */
function protocolOf({ headers }: HttpMessage): Protocol | null {
  if (headers.has('smithy-protocol')) return null
  const type = mediaType(headers)
  if (type === JSON_TYPE) return 'json'
  return type === FORM_TYPE ? 'query' : null
}

async function form(
  message: HttpMessage,
  gone: AbortController,
  rooms: ExchangeRooms,
  requestId: string,
): Promise<HttpAnswer> {
  if (message.headers.has('x-amz-target'))
    throw new ProtocolError('ERR_PROTOCOL_MESSAGE', 'the action stands in a header, and the body is form data')
  const fields = readForm(message.body)
  switch (fields.get('Action')) {
    case 'AssumeRoleWithWebIdentity':
      return asSts(requestId, () => rooms.sts.assumeRoleWithWebIdentity(fields, message.source, requestId))
    case 'AssumeRoleWithSAML':
      return asSts(requestId, () => rooms.sts.assumeRoleWithSaml(fields, message.source, requestId))
    case 'GetCallerIdentity':
      return asSts(requestId, async () => {
        const scope = { service: 'sts', regions: [rooms.region, STS_REGION] }
        return rooms.sts.callerIdentity(await rooms.authentication.verify(message, scope), requestId)
      })
    default:
      return sqs(message, gone, rooms, requestId, () => readQueryCall(fields))
  }
}

async function asSts(requestId: string, work: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  try {
    return await work()
  } catch (error) {
    return stsFault(error, requestId)
  }
}

/** Who is it, then what: nothing of an unsigned body is looked at beyond its form. */
async function sqs(
  message: HttpMessage,
  gone: AbortController,
  rooms: ExchangeRooms,
  requestId: string,
  read: () => Call,
): Promise<HttpAnswer> {
  const { source, target } = message
  const signer = await rooms.authentication.verify(message, { service: 'sqs', regions: [rooms.region] })
  return rooms.callers.within(signer, { source, gone }, async (session) => {
    const asking = { principal: signer.principal, session, source, gone: gone.signal }
    const call = attempt(read)
    if (call instanceof CountersignError) {
      const refused = await rooms.enforcer.refuse(call, asking)
      const protocol = mediaType(message.headers) === JSON_TYPE ? 'json' : 'query'
      return refused.kind === 'fault' ? faultAnswer(protocol, refused.fault, requestId) : jsonAnswer({}, requestId)
    }
    const answer = await rooms.enforcer.answer(call, target, asking)
    if (answer.kind === 'fault') return faultAnswer(call.protocol, answer.fault, requestId)
    return call.protocol === 'json'
      ? jsonAnswer(answer.result, requestId)
      : queryAnswer(call.action, answer.result, requestId)
  })
}

function attempt(read: () => Call): Call | CountersignError {
  try {
    return read()
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof NormalizeError) return error
    throw error
  }
}

function faultAnswer(protocol: Protocol, told: Fault, requestId: string): HttpAnswer {
  return protocol === 'json' ? jsonFault(told, requestId) : queryFault(told, requestId)
}

async function credentials(
  { method, headers, source }: HttpMessage,
  rooms: ExchangeRooms,
  requestId: string,
): Promise<HttpAnswer> {
  if (method !== 'GET') return jsonFault(fault('InvalidAction', 'credentials are asked for with GET'), requestId)
  try {
    const token = (headers.get('authorization') ?? '').replace(/^Bearer /, '')
    return await rooms.sts.containerCredentials(token, source)
  } catch (error) {
    const { code, message } = faultOf(error)
    return { status: 403, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code, message }) }
  }
}

function unknownProtocol(): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `the content type must be ${JSON_TYPE} or ${FORM_TYPE}`)
}

function unknownPlace(): ProtocolError {
  return new ProtocolError(
    'ERR_PROTOCOL_MESSAGE',
    'requests are POSTed to / or to the path of a queue, without a query string',
  )
}

function encoded(): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', 'a body with a content encoding is not taken')
}

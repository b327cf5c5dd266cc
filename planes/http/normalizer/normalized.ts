import type { JsonObject } from '../../../engine/index.ts'
import { type HeaderLine, type RequestBody, type RequestHead, type RequestMessage, valuesOf } from '../message.ts'
import { type ReadBody, readBody } from './body.ts'
import { graphqlIn, type GraphqlRequest, readGraphql, storedQuery } from './graphql.ts'
import { type GrpcMethod, grpcMethod } from './grpc.ts'
import { checkHeaders, hopByHop } from './headers.ts'
import { checkMethod, OVERRIDE_HEADERS, OVERRIDE_PARAMETER } from './method.ts'
import { refused } from './refusal.ts'
import { readTarget, type Target } from './target.ts'

/** One request, read in the only way it can be read. */
export interface NormalizedRequest {
  readonly head: RequestHead
  readonly target: Target
  /** Header lines that go up: without those of one hop, and without the client's credentials. */
  readonly headers: readonly HeaderLine[]
  /** Other methods that a framework could take for the request's. */
  readonly overrides: readonly string[]
  /** As it was sent, and as it is read. */
  readonly sent: RequestBody
  readonly body: ReadBody
  readonly graphql: GraphqlRequest | null
  readonly grpc: GrpcMethod | null
  /** Asks to go on in another protocol: `websocket`, and nothing else. */
  readonly upgrade: 'websocket' | null
}

/** What of a client's request never goes up, whatever the API. */
const ITS_OWN: ReadonlySet<string> = new Set([
  'host',
  'authorization',
  'content-length',
  'expect',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-forwarded-server',
  'x-real-ip',
  'via',
])

/** `never`: names of headers that this API's clients may not send up, such as cookies. Throws NormalizeError. */
export function normalize({ head, body }: RequestMessage, never: ReadonlySet<string>): NormalizedRequest {
  checkMethod(head.method)
  checkHeaders(head)
  const target = readTarget(head.target)
  const hop = hopByHop(head.headers)
  const headers = head.headers.filter(([name]) => {
    const lower = name.toLowerCase()
    return !hop.has(lower) && !ITS_OWN.has(lower) && !never.has(lower)
  })
  const read = readBody(headers, body)
  return {
    head,
    target,
    headers,
    overrides: overridesIn(headers, target, read),
    sent: body,
    body: read,
    graphql: graphqlOf(target, read),
    grpc: grpcMethod(head, target.segments),
    upgrade: upgradeOf(head),
  }
}

function overridesIn(headers: readonly HeaderLine[], { query }: Target, { fields }: ReadBody): readonly string[] {
  const found = [
    ...OVERRIDE_HEADERS.flatMap((name) => valuesOf(headers, name)),
    ...(query.get(OVERRIDE_PARAMETER) ?? []),
    ...(fields?.get(OVERRIDE_PARAMETER) ?? []),
  ]
  return [...new Set(found.map((method) => method.toUpperCase()))]
}

/** Wherever servers look for a document: in JSON, a form, a part, its own content type, and in the query beside any of them. */
function graphqlOf({ query }: Target, { form, json, operations, fields, text }: ReadBody): GraphqlRequest | null {
  const inBody = form === 'graphql' ? [{ query: text ?? '' }] : [json, ...(operations ?? [])].flatMap(graphqlIn)
  return readGraphql([...inBody, ...parametersOf(fields), ...parametersOf(query)])
}

function parametersOf(parameters: ReadBody['fields']): readonly JsonObject[] {
  const documents = parameters?.get('query') ?? []
  const [operationName] = parameters?.get('operationName') ?? []
  const [extensions] = parameters?.get('extensions') ?? []
  if (documents.length === 0 && extensions?.includes('persistedQuery') === true) throw storedQuery()
  return documents.map((query) => ({ query, ...(operationName === undefined ? {} : { operationName }) }))
}

function upgradeOf({ version, headers }: RequestHead): 'websocket' | null {
  const [wanted] = valuesOf(headers, 'upgrade')
  // `h2c` is how cleartext HTTP/2 is offered (RFC 9113, 3.1 lets a server go on without); it is not taken, nor passed on.
  if (wanted === undefined || wanted.toLowerCase() === 'h2c') return null
  if (version !== '1.1' || wanted.toLowerCase() !== 'websocket')
    throw refused('ERR_NORMALIZE_UNSUPPORTED', 'the request asks to go on in a protocol that the gateway does not know')
  return 'websocket'
}

import type {
  AccessRequest,
  JsonObject,
  JsonValue,
  Labels,
  Principal,
  Resource,
  ResourcePart,
  Session,
} from '../../../engine/index.ts'
import { type HeaderLine, valuesOf } from '../message.ts'
import type { ReadBody } from './body.ts'
import { fieldsOf, writtenParts } from './fields.ts'
import { headerLists } from './headers.ts'
import { classOf } from './method.ts'
import { partsBlock } from './multipart.ts'
import type { NormalizedRequest } from './normalized.ts'
import { refused } from './refusal.ts'
import { type Route, routesOf } from './route.ts'

export interface Asking {
  readonly principal: Principal
  readonly session: Session
  readonly source: string | null
  readonly nowMs: number
}

/** A request, and which API of the gateway it is for. */
export interface Subject {
  readonly api: string
  readonly request: NormalizedRequest
  /** Of a body that nobody has seen, a text of this one exchange: an approval of it is none of another. Else null. */
  readonly once: string | null
}

/** Change from one try of the same request to the next, and mean nothing for what it does: no approval binds them. */
const UNBOUND: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'baggage',
  'cache-control',
  'date',
  'dnt',
  'pragma',
  'priority',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-amzn-trace-id',
  'x-b3-sampled',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-correlation-id',
  'x-request-id',
])

const MASKED = '[masked]'
/** Bytes of a body that a record keeps. */
const RECORDED_BYTES = 24 * 1024
/** Characters of the block in a record, whose payload has a limit; and from how many bytes on it is worth counting. */
const RECORDED_BLOCK = 96 * 1024
const WORTH_COUNTING = 12 * 1024
const STATEMENT = 1024

/** A request as policy judges it. `hide` masks the labelled parts of its body for the record. */
export function accessRequest(
  { api, request, once }: Subject,
  labels: Labels,
  asking: Asking,
  hide: (request: NormalizedRequest, parts: readonly string[]) => ReadBody,
): AccessRequest {
  const routes = routesOf(labels, api, request.target.segments)
  const resources = resourcesOf(api, request, routes)
  const block = blockOf(api, request, routes)
  const sensitive = routes.flatMap((route) => Object.keys(route.labels).filter((part) => isSent(part)))
  return {
    principal: asking.principal,
    action: { name: `http.${request.head.method}`, class: classOf([request.head.method, ...request.overrides]) },
    resources,
    context: {
      plane: 'http',
      session: asking.session.id,
      time: new Date(asking.nowMs).toISOString(),
      source: asking.source,
      transaction: 'none',
      approvals: [],
    },
    block,
    observed: { hints: listsOf(request.headers.filter(([name]) => UNBOUND.has(name.toLowerCase()))) },
    ...(once === null ? {} : { bound: once }),
    recorded: recordedOf(api, request, routes, sensitive, { resources, block }, hide),
    labels_revision: labels.revision,
  }
}

function isSent(part: string): boolean {
  return part.startsWith('request.') || part.startsWith('query.') || part.startsWith('path.')
}

function resourcesOf(api: string, request: NormalizedRequest, routes: readonly Route[]): readonly Resource[] {
  const place: Resource = {
    type: 'endpoint',
    name: `${api}${request.target.path}`,
    labels: [],
    parts: writtenParts(request.body),
  }
  return [
    place,
    ...routes.map((route) => ({ type: 'route', name: route.name, labels: [], parts: partsOf(request, route) })),
  ]
}

/** Of the labelled parts of a route, those that this request has or whose answer may have. */
function partsOf(request: NormalizedRequest, { labels, variables }: Route): readonly ResourcePart[] {
  const written = fieldsOf(request.body)
  return Object.entries(labels).flatMap(([name, own]): readonly ResourcePart[] => {
    if (name.startsWith('query.')) {
      return request.target.query.has(name.slice(6)) ? [{ name, labels: own, uses: ['predicate'] }] : []
    }
    if (name.startsWith('path.'))
      return variables.has(name.slice(5)) ? [{ name, labels: own, uses: ['predicate'] }] : []
    if (!name.startsWith('request.')) return [{ name, labels: own, uses: ['output'] }]
    const values = name.startsWith('request.header.') ? valuesOf(request.headers, name.slice(15)) : written.get(name)
    return [{ name, labels: own, uses: ['written'], ...(values === undefined ? {} : { values }) }]
  })
}

function blockOf(api: string, request: NormalizedRequest, routes: readonly Route[]): JsonObject {
  const { head, target, overrides, body, graphql, grpc, upgrade } = request
  const query = target.rawQuery === null ? '' : `?${target.rawQuery}`
  // Each try of a multipart body has another boundary; its parts are what is bound.
  const isMultipart = body.form === 'multipart'
  const headers = listsOf(
    request.headers.filter(
      ([name]) => !UNBOUND.has(name.toLowerCase()) && !(isMultipart && name.toLowerCase() === 'content-type'),
    ),
  )
  return {
    statement: `${head.method} ${api}${target.path}${query}`.slice(0, STATEMENT),
    api,
    routes: routes.map(({ name }) => name),
    method: head.method,
    method_overrides: overrides,
    scheme: head.scheme,
    host: head.authority.toLowerCase(),
    target: target.target,
    path: target.path,
    parsed_path: target.segments,
    parsed_query: Object.fromEntries(target.query),
    headers,
    body: bodyBlock(isMultipart ? { ...body, sha256: null } : body),
    parsed_body: parsedBody(body),
    truncated_body: body.form === 'large' || body.form === 'streamed',
    graphql: graphql === null ? null : graphql.operations.map((operation) => ({ ...operation })),
    grpc: grpc === null ? null : { ...grpc },
    upgrade,
    attributes: attributesOf(request, headers),
  }
}

/** opa-envoy-plugin's names for the same. */
function attributesOf(
  { head, target, body }: NormalizedRequest,
  headers: Readonly<Record<string, readonly string[]>>,
): JsonObject {
  return {
    request: {
      http: {
        method: head.method,
        scheme: head.scheme,
        host: head.authority.toLowerCase(),
        path: target.target,
        protocol: `HTTP/${head.version}`,
        size: body.bytes ?? -1,
        headers: Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values.join(',')])),
      },
    },
  }
}

function listsOf(headers: readonly HeaderLine[]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(headerLists(headers))
}

function bodyBlock({ form, type, bytes, sha256, text, parts }: ReadBody): JsonObject {
  return { form, type, bytes, sha256, text: text ?? null, parts: parts === undefined ? null : partsBlock(parts) }
}

function parsedBody({ json, fields }: ReadBody): JsonValue {
  return fields === undefined ? (json ?? null) : Object.fromEntries(fields)
}

type Recorded = AccessRequest['recorded']

/** The same for the record: without the values that a label covers, and of a large body only that it was one. */
function recordedOf(
  api: string,
  request: NormalizedRequest,
  routes: readonly Route[],
  sensitive: readonly string[],
  whole: Recorded,
  hide: (request: NormalizedRequest, parts: readonly string[]) => ReadBody,
): Recorded {
  const isLarge = (request.body.bytes ?? 0) > RECORDED_BYTES
  if (sensitive.length === 0 && !isLarge) return recordable(request, whole)
  const inBody = sensitive.filter((part) => part.startsWith('request.body'))
  const isHidden = inBody.length > 0
  const body = shortened(isHidden ? hide(request, inBody) : request.body, isLarge)
  const hidden = {
    ...request,
    body,
    graphql: isHidden || isLarge ? withoutVariables(request.graphql) : request.graphql,
  }
  const place = sensitive.some((part) => !part.startsWith('request.')) ? withoutPlace(hidden, routes) : hidden
  const names = new Set(sensitive.flatMap((part) => (part.startsWith('request.header.') ? [part.slice(15)] : [])))
  const shown: NormalizedRequest = {
    ...place,
    headers: place.headers.map(([name, value]) => [name, names.has(name.toLowerCase()) ? MASKED : value]),
  }
  return recordable(request, {
    resources: resourcesOf(api, shown, routes).map(withoutLabelledValues),
    block: blockOf(api, shown, routes),
  })
}

/** Escapes make more of a text than it was. What can't be recorded isn't let through. */
function recordable({ head, body }: NormalizedRequest, recorded: Recorded): Recorded {
  const sent = head.headers.reduce((sum, [name, value]) => sum + name.length + value.length, head.target.length)
  if (sent + (body.bytes ?? 0) < WORTH_COUNTING) return recorded
  if (JSON.stringify(recorded).length < RECORDED_BLOCK) return recorded
  throw refused('ERR_NORMALIZE_TOO_COMPLEX', 'the request is larger than what can be recorded of one')
}

/** They stand in the body, too. */
function withoutVariables(graphql: NormalizedRequest['graphql']): NormalizedRequest['graphql'] {
  if (graphql === null) return null
  return { ...graphql, operations: graphql.operations.map((operation) => ({ ...operation, variables: null })) }
}

function shortened(body: ReadBody, isLarge: boolean): ReadBody {
  if (!isLarge) return body
  const { form, type, bytes, sha256 } = body
  return { form, type, bytes, sha256 }
}

/** A target in which labelled variables and parameters can't be seen. */
function withoutPlace(request: NormalizedRequest, routes: readonly Route[]): NormalizedRequest {
  const labelled = routes.flatMap(({ labels, variables }) =>
    Object.keys(labels).flatMap((part) => (part.startsWith('path.') ? [variables.get(part.slice(5)) ?? null] : [])),
  )
  const names = new Set(routes.flatMap(({ labels }) => Object.keys(labels).filter((part) => part.startsWith('query.'))))
  const segments = request.target.segments.map((segment) => (labelled.includes(segment) ? MASKED : segment))
  const query = new Map(
    [...request.target.query].map(([name, values]) => [
      name,
      names.has(`query.${name}`) ? values.map(() => MASKED) : values,
    ]),
  )
  const path = `/${segments.join('/')}`
  const rawQuery = request.target.rawQuery === null ? null : MASKED
  const target = rawQuery === null ? path : `${path}?${rawQuery}`
  return { ...request, target: { target, rawPath: path, path, segments, rawQuery, query } }
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

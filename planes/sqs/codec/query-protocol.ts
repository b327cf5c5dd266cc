import type { JsonObject, JsonValue } from '../../../engine/index.ts'
import { ProtocolError } from '../../../engine/index.ts'
import type { Call, Fault, HttpAnswer } from './call.ts'
import { unknownAction } from './json-protocol.ts'
import { type ActionName, isActionName, operationOf } from './operations.ts'
import { listOf, objectOf } from './members.ts'
import { type Members, readMembers, type Shape } from './shape.ts'
import { element, XML_TYPE } from './xml.ts'

const VERSION = '2012-11-05'
const NAMESPACE = 'http://queue.amazonaws.com/doc/2012-11-05/'
const OWN_FIELDS: ReadonlySet<string> = new Set(['Action', 'Version'])

/** The Query protocol: dotted field names, numbered from 1. */
export function readQueryCall(fields: ReadonlyMap<string, string>): Call {
  const action = fields.get('Action') ?? ''
  if (!isActionName(action)) throw unknownAction()
  const version = fields.get('Version')
  if (version !== undefined && version !== VERSION)
    throw new ProtocolError('ERR_PROTOCOL_MESSAGE', `Version: expected ${VERSION}`)
  const tree = treeOf(fields)
  const { input } = operationOf(action)
  return { protocol: 'query', action, input: readMembers(input, membersFrom(input, tree, ''), 'refuse', '') }
}

/** `Entry.1.Id=a` as nested maps: a node is a text or has children, never both. */
type Node = string | Map<string, Node>

function treeOf(fields: ReadonlyMap<string, string>): Map<string, Node> {
  const root = new Map<string, Node>()
  for (const [name, value] of fields) {
    if (OWN_FIELDS.has(name)) continue
    const steps = name.split('.')
    if (steps.length > 8) throw strange(name)
    const last = steps.pop() ?? ''
    let at = root
    for (const step of steps) {
      const next = at.get(step) ?? new Map<string, Node>()
      if (typeof next === 'string') throw strange(name)
      at.set(step, next)
      at = next
    }
    if (at.has(last)) throw strange(name)
    at.set(last, value)
  }
  return root
}

function membersFrom(members: Members, node: Map<string, Node>, at: string): JsonObject {
  const byWireName = new Map(
    Object.entries(members).map(([name, shape]) => ['name' in shape ? shape.name : name, { name, shape }]),
  )
  return Object.fromEntries(
    [...node].map(([wireName, inner]) => {
      const member = byWireName.get(wireName)
      if (member === undefined) throw strange(`${at}${wireName}`)
      return [member.name, valueFrom(member.shape, inner, `${at}${wireName}.`)]
    }),
  )
}

function valueFrom(shape: Shape, node: Node, at: string): JsonValue {
  switch (shape.kind) {
    case 'string':
    case 'blob':
      return asText(node, at)
    case 'integer': {
      const written = asText(node, at)
      if (!/^-?\d{1,15}$/.test(written)) throw strange(at)
      return Number(written)
    }
    case 'number':
    case 'boolean':
      throw strange(at) // none of them in a request
    case 'list':
      return numbered(node, at).map((each, index) => valueFrom(shape.of, each, `${at}${index + 1}.`))
    case 'map':
      return mapFrom(shape, node, at)
    case 'structure':
      return membersFrom(shape.members, asNode(node, at), at)
  }
}

function mapFrom(shape: Extract<Shape, { kind: 'map' }>, node: Node, at: string): JsonObject {
  const pairs = numbered(node, at).map((each, index) => {
    const pair = asNode(each, at)
    const [key, value] = [pair.get(shape.key), pair.get(shape.value)]
    if (pair.size !== 2 || key === undefined || value === undefined) throw strange(`${at}${index + 1}`)
    return [asText(key, at), valueFrom(shape.of, value, `${at}${index + 1}.${shape.value}.`)] as const
  })
  if (new Set(pairs.map(([key]) => key)).size !== pairs.length) throw strange(at)
  return Object.fromEntries(pairs)
}

/** Children 1, 2, 3 … in that order, whichever order they came in; a gap is refused. */
function numbered(node: Node, at: string): readonly Node[] {
  if (node === '') return [] // how botocore writes an empty list
  const children = asNode(node, at)
  return Array.from({ length: children.size }, (_, index) => {
    const child = children.get(String(index + 1))
    if (child === undefined) throw strange(at)
    return child
  })
}

function asNode(node: Node, at: string): Map<string, Node> {
  if (typeof node === 'string') throw strange(at)
  return node
}

function asText(node: Node, at: string): string {
  if (typeof node !== 'string') throw strange(at)
  return node
}

function strange(name: string): ProtocolError {
  const place = /^[\w.]{1,200}$/.test(name) ? name.replace(/\.$/, '') : 'a field'
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `${place}: expected a field of this action, in its own form`)
}

export function queryAnswer(action: ActionName, result: JsonObject, requestId: string): HttpAnswer {
  const members = xmlOf(operationOf(action).output, result)
  const inner =
    members === '' && Object.keys(operationOf(action).output).length === 0
      ? ''
      : element(`${action}Result`, members, 'raw')
  return xml(200, `${action}Response`, NAMESPACE, inner + metadata(requestId), requestId)
}

export function queryFault(fault: Fault, requestId: string): HttpAnswer {
  const error =
    element('Type', fault.sender ? 'Sender' : 'Receiver') +
    element('Code', fault.query) +
    element('Message', fault.message) +
    element('Detail', '', 'raw')
  const inner = element('Error', error, 'raw') + element('RequestId', requestId)
  const answer = xml(fault.status, 'ErrorResponse', NAMESPACE, inner, requestId)
  return { ...answer, headers: { ...answer.headers, ...fault.headers } }
}

function metadata(requestId: string): string {
  return element('ResponseMetadata', element('RequestId', requestId), 'raw')
}

function xml(status: number, root: string, namespace: string, inner: string, requestId: string): HttpAnswer {
  return {
    status,
    headers: { 'content-type': XML_TYPE, 'x-amzn-requestid': requestId },
    body: `<?xml version="1.0"?><${root} xmlns="${namespace}">${inner}</${root}>`,
  }
}

function xmlOf(members: Members, values: JsonObject): string {
  return Object.entries(members)
    .map(([name, shape]) => {
      const value = Object.hasOwn(values, name) ? values[name] : undefined
      return value === undefined ? '' : xmlValue('name' in shape ? shape.name : name, shape, value)
    })
    .join('')
}

/** Lists and maps are flattened: one element an entry, no wrapper. */
function xmlValue(name: string, shape: Shape, value: JsonValue): string {
  if (shape.kind === 'list')
    return listOf(value)
      .map((each) => xmlValue(name, shape.of, each))
      .join('')
  if (shape.kind === 'map') {
    return Object.entries(objectOf(value))
      .map(([key, inner]) => element(name, element(shape.key, key) + xmlValue(shape.value, shape.of, inner), 'raw'))
      .join('')
  }
  if (shape.kind === 'structure') return element(name, xmlOf(shape.members, objectOf(value)), 'raw')
  return element(name, typeof value === 'string' ? value : JSON.stringify(value))
}

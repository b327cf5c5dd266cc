import { describe, expect, test } from 'vitest'
import { NormalizeError } from '../../../engine/index.ts'
import type { JsonObject, Labels, Principal, Session } from '../../../engine/index.ts'
import { hiddenBody } from '../../../planes/http/enforcer/hidden-body.ts'
import type { HeaderLine, RequestHead } from '../../../planes/http/message.ts'
import { accessRequest } from '../../../planes/http/normalizer/access.ts'
import { normalize, type NormalizedRequest } from '../../../planes/http/normalizer/normalized.ts'
import { AGENT } from '../../support/rooms.ts'

function read(method: string, target: string, headers: readonly HeaderLine[] = [], body?: string): NormalizedRequest {
  const head: RequestHead = { version: '1.1', method, scheme: 'https', authority: 'Bank.Example', target, headers }
  return normalize(
    { head, body: body === undefined ? { kind: 'none' } : { kind: 'whole', bytes: Buffer.from(body) } },
    new Set(),
  )
}

const JSON_TYPE: HeaderLine = ['Content-Type', 'application/json']
const PRINCIPAL: Principal = AGENT
const LABELS: Labels = {
  revision: 'r',
  resources: {
    'bank/customers/{id}': {
      'body/ssn': ['pii'],
      'query.ssn': ['pii'],
      'path.id': ['pii'],
      'request.body/memo': ['pii'],
      'request.header.x-memo': ['pii'],
    },
    'bank/**': { 'body~iban': ['pii'] },
    'other/**': { body: ['pii'] },
  },
}

function access(request: NormalizedRequest): ReturnType<typeof accessRequest> {
  const session = { id: 's' } as Session // oxlint-disable-line typescript/no-unsafe-type-assertion -- only its name is read
  return accessRequest(
    { api: 'bank', request, once: null },
    LABELS,
    { principal: PRINCIPAL, session, source: null, nowMs: 0 },
    hiddenBody,
  )
}

function blockOf(request: NormalizedRequest): JsonObject {
  return access(request).block
}

describe('as policy sees it', () => {
  test('method, path, query, headers and JSON', () => {
    const block = blockOf(
      read(
        'POST',
        '/customers/7?a=1&a=2&b',
        [JSON_TYPE, ['X-A', '1'], ['x-a', '2'], ['User-Agent', 'u']],
        '{"n":12345678901234567890,"d":1.50,"i":7}',
      ),
    )
    expect(block).toMatchObject({
      statement: 'POST bank/customers/7?a=1&a=2&b',
      parsed_path: ['customers', '7'],
      parsed_query: { a: ['1', '2'], b: [''] },
      headers: { 'x-a': ['1', '2'], 'content-type': ['application/json'] },
      parsed_body: { n: '12345678901234567890', d: '1.50', i: 7 },
      routes: ['bank/customers/{id}', 'bank/**'],
      host: 'bank.example',
      truncated_body: false,
      attributes: { request: { http: { method: 'POST', path: '/customers/7?a=1&a=2&b', headers: { 'x-a': '1,2' } } } },
    })
    expect(block['headers']).not.toHaveProperty('user-agent')
  })

  test('labels of every route that is met, and how the request uses what they name', () => {
    const { resources } = access(read('POST', '/Customers/7/?ssn=900-11-1111', [JSON_TYPE], '{"memo":"m","amount":5}'))
    expect(resources.map(({ type, name }) => [type, name])).toEqual([
      ['endpoint', 'bank/Customers/7/'],
      ['route', 'bank/customers/{id}'],
      ['route', 'bank/**'],
    ])
    expect(resources[0]?.parts).toMatchObject([
      { name: 'request.body/memo', uses: ['written'], values: ['m'] },
      { name: 'request.body/amount', uses: ['written'], values: ['5'] },
    ])
    expect(resources[1]?.parts.map(({ name, uses }) => [name, ...uses])).toEqual([
      ['body/ssn', 'output'],
      ['query.ssn', 'predicate'],
      ['path.id', 'predicate'],
      ['request.body/memo', 'written'],
      ['request.header.x-memo', 'written'],
    ])
  })

  test('the record has no value that a label covers', () => {
    const headers: readonly HeaderLine[] = [JSON_TYPE, ['X-Memo', 'CANARY-4']]
    const { recorded, block } = access(
      read('POST', '/customers/CANARY-1?ssn=CANARY-2', headers, '{"memo":"CANARY-3","amount":5}'),
    )
    expect(JSON.stringify(block)).toContain('CANARY')
    expect(JSON.stringify(recorded)).not.toContain('CANARY')
    expect(JSON.stringify(recorded)).toContain('"amount":5')
    const query = '{"query":"mutation($m: String) { a(m: $m) }","variables":{"m":"CANARY"},"memo":"m"}'
    expect(JSON.stringify(access(read('POST', '/customers/7', [JSON_TYPE], query)).recorded)).toContain(
      '"variables":null',
    )
  })

  test('what changes from one try to the next is bound by no approval', () => {
    const first = access(
      read('GET', '/a', [
        ['User-Agent', 'a'],
        ['X-Request-Id', '1'],
        ['Idempotency-Key', 'k'],
      ]),
    )
    const second = access(
      read('GET', '/a', [
        ['Idempotency-Key', 'k'],
        ['Traceparent', '00-1'],
      ]),
    )
    expect(second.block).toEqual(first.block)
    expect(first.observed).toEqual({ hints: { 'user-agent': ['a'], 'x-request-id': ['1'] } })
    const boundary = (text: string): NormalizedRequest =>
      read(
        'POST',
        '/a',
        [['Content-Type', `multipart/form-data; boundary=${text}`]],
        `--${text}\r\nContent-Disposition: form-data; name="f"\r\n\r\nv\r\n--${text}--\r\n`,
      )
    expect(blockOf(boundary('x')).attributes).toEqual({ request: { http: expect.objectContaining({ headers: {} }) } })
    expect(JSON.stringify(blockOf(boundary('x')))).toBe(JSON.stringify(blockOf(boundary('y'))))
  })

  test.each([
    ['GET', [], 'read'],
    ['POST', [], 'write'],
    ['DELETE', [], 'destroy'],
    ['PROPFIND', [], 'control'],
    ['POST', [['X-HTTP-Method-Override', 'DELETE']], 'destroy'],
    ['GET', [['X-Method-Override', 'purge']], 'control'],
  ] as const)('%s with %j is %s', (method, headers, expected) => {
    expect(access(read(method, '/a', headers)).action).toEqual({ name: `http.${method}`, class: expected })
  })

  test('a parameter that takes a method’s place counts as well', () => {
    expect(access(read('POST', '/a?_method=delete')).action.class).toBe('destroy')
    const form: HeaderLine = ['Content-Type', 'application/x-www-form-urlencoded']
    expect(access(read('POST', '/a', [form], '_method=DELETE')).action.class).toBe('destroy')
  })
})

function fields(body: string): unknown {
  return blockOf(read('POST', '/graphql', [JSON_TYPE], body))['graphql']
}

describe('GraphQL', () => {
  test('fields by their own names, through aliases and fragments', () => {
    const query =
      'query Q { c: customer(id: 1) { ...F ... on Customer { n: name } } } fragment F on Customer { x: ssn }'
    expect(fields(JSON.stringify({ query, variables: { id: 1 } }))).toEqual([
      { type: 'query', name: 'Q', fields: ['customer', 'customer/name', 'customer/ssn'], variables: { id: 1 } },
    ])
  })

  test('in a batch, a form, the query and its own content type', () => {
    expect(fields('[{"query":"{a}"},{"query":"mutation{b}"}]')).toMatchObject([
      { fields: ['a'] },
      { type: 'mutation', fields: ['b'] },
    ])
    expect(blockOf(read('GET', '/graphql?query=%7Ba%7D'))['graphql']).toMatchObject([{ fields: ['a'] }])
    expect(blockOf(read('POST', '/g', [['Content-Type', 'application/graphql']], '{a}'))['graphql']).toMatchObject([
      { fields: ['a'] },
    ])
    expect(
      blockOf(read('POST', '/g', [['Content-Type', 'application/x-www-form-urlencoded']], 'query=%7Ba%7D'))['graphql'],
    ).toMatchObject([{ fields: ['a'] }])
  })

  test('in the query beside a body, and among the parts of one', () => {
    expect(blockOf(read('POST', '/g?query=%7Bx%3Assn%7D', [JSON_TYPE], '{"query":"{a}"}'))['graphql']).toMatchObject([
      { fields: ['a'] },
      { fields: ['ssn'] },
    ])
    const type: HeaderLine = ['Content-Type', 'multipart/form-data; boundary=x']
    const part = '--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"{a}"}\r\n--x--\r\n'
    expect(blockOf(read('POST', '/g', [type], part))['graphql']).toMatchObject([{ fields: ['a'] }])
  })

  test.each([
    ['in JSON', '/g', '{"extensions":{"persistedQuery":{"version":1}}}'],
    ['in the query', '/g?extensions=%7B%22persistedQuery%22:1%7D', '{}'],
  ])('a stored query, named %s, is refused', (_where, target, body) => {
    expect(() => read('POST', target, [JSON_TYPE], body)).toThrow(NormalizeError)
  })

  test('a query that is none of that language is an ordinary field', () => {
    expect(fields('{"query":"shoes, size 42"}')).toBeNull()
  })

  test.each([
    ['two operations and no name', '{"query":"query A {a} query B {b}"}'],
    ['a fragment that spreads itself', '{"query":"{...F} fragment F on X {...F}"}'],
    [
      'a bomb of fragments',
      JSON.stringify({
        query: `{...F0} ${Array.from({ length: 20 }, (_none, i) => `fragment F${i} on X { ...F${i + 1} ...F${i + 1} }`).join(' ')} fragment F20 on X {a}`,
      }),
    ],
    ['thousands of tokens', JSON.stringify({ query: `{${'a '.repeat(6000)}}` })],
  ])('%s is refused', (_what, body) => {
    expect(() => fields(body)).toThrow(NormalizeError)
  })
})

test('gRPC by service and method', () => {
  const type: HeaderLine = ['content-type', 'application/grpc+proto']
  expect(blockOf(read('POST', '/bank.v1.Payments/Send', [type], '\0\0\0\0\0'))).toMatchObject({
    grpc: { service: 'bank.v1.Payments', method: 'Send' },
    body: { form: 'grpc' },
  })
  expect(() => read('POST', '/bank.v1.Payments/Send/more', [type], '')).toThrow(NormalizeError)
})

test('a request that would be too large to record is refused', () => {
  const quotes = '"'.repeat(15_000)
  expect(() => access(read('GET', '/a', [['X-A', quotes]]))).not.toThrow()
  const text: HeaderLine = ['Content-Type', 'text/plain']
  expect(() => access(read('POST', '/a', [text, ['X-A', quotes]], '\u0001'.repeat(20_000)))).toThrow(NormalizeError)
})

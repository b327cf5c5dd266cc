import { expect, test } from 'vitest'
import { encode } from '../../../../planes/http/envoy/protos.ts'
import { readProcessingRequest } from '../../../../planes/http/envoy/ext-proc/processing-request.ts'
import { goOn, headerMutation } from '../../../../planes/http/envoy/ext-proc/processing-response.ts'
import { plainLines, requestHead, responseHead } from '../../../../planes/http/envoy/ext-proc/heads.ts'
import { answeredByEnvoy } from '../../../../planes/http/envoy/ext-proc/own-answer.ts'

const NOBODY = { source: null, protocol: null, answeredBy: null }
const HEAD = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'bank.example'],
  [':path', '/a'],
  ['x-envoy-external-address', '10.0.0.1'],
  ['accept', '*/*'],
] as const

test('what Envoy adds for itself is no header of the agent’s, and goes no further', () => {
  expect(requestHead(HEAD, NOBODY).headers).toEqual([['accept', '*/*']])
  expect(headerMutation(plainLines(HEAD), [['accept', '*/*']]).remove_headers).toEqual(['x-envoy-external-address'])
})

test.each([':method', ':scheme', ':authority'])('a head without %s, or with two, is none', (name) => {
  expect(() =>
    requestHead(
      HEAD.filter(([each]) => each !== name),
      NOBODY,
    ),
  ).toThrow(name)
  expect(() => requestHead([...HEAD, [name, 'x']], NOBODY)).toThrow(name)
})

test.each(['', '99', '600', '2e2', 'ok'])('%j is no status', (status) => {
  expect(() => responseHead([[':status', status]])).toThrow(TypeError)
})

test('a list of headers becomes another one, whatever stood there', () => {
  const from = [
    ['a', '1'],
    ['b', '1'],
    ['b', '2'],
    ['c', '1'],
  ] as const
  const mutation = headerMutation(from, [
    ['A', '1'],
    ['b', '2'],
    ['d', '1'],
    ['d', '2'],
  ])
  expect(mutation.remove_headers).toEqual(['c'])
  expect(mutation.set_headers).toMatchObject([
    { header: { key: 'b', raw_value: Buffer.from('2') }, append: { value: false } },
    { header: { key: 'd', raw_value: Buffer.from('1') }, append: { value: false } },
    { header: { key: 'd', raw_value: Buffer.from('2') }, append: { value: true } },
  ])
})

test('only who decided gives a witness', () => {
  expect(goOn('request_headers')).not.toHaveProperty('dynamic_metadata')
  const said = goOn('request_body', {}, { req: 'allow', decision: 'd' })
  expect(() => encode('envoy.service.ext_proc.v3.ProcessingResponse', Object(said))).not.toThrow()
})

test('of an answer that Envoy made by itself, its status is passed on and nothing else', () => {
  const answer = answeredByEnvoy([
    [':status', '413'],
    ['x-secret', 'CANARY'],
  ])
  expect(answer.status).toBe(413)
  expect(JSON.stringify([answer.headers, String(answer.body)])).not.toContain('CANARY')
  expect(answeredByEnvoy([[':status', '200']]).status).toBe(502)
})

test.each([
  null,
  {},
  { request: 'request_headers' },
  { request: 'request_headers', request_headers: { headers: {} } },
  { request: 'request_body', request_body: { body: 'text' } },
  { request: 'something' },
])('what is no message of the protocol is an error: %j', (message) => {
  expect(() => readProcessingRequest(message)).toThrow(TypeError)
})

test('a value beyond ASCII comes and goes as its bytes', () => {
  const header = { key: 'x', value: '', raw_value: Buffer.from([0xe4, 0x41]) }
  const read = readProcessingRequest({
    request: 'response_headers',
    response_headers: { headers: { headers: [header] }, end_of_stream: true },
  })
  expect(read).toMatchObject({ kind: 'response_headers', last: true, headers: [['x', '\u00e4A']] })
  expect(headerMutation([], [['x', '\u00e4A']]).set_headers).toMatchObject([
    { header: { raw_value: Buffer.from([0xe4, 0x41]) } },
  ])
})

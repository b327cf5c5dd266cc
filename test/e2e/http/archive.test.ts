import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { countersignHere } from '../../support/command.ts'
import { type HttpStack, startHttpStack } from '../../support/http-stack.ts'

let stack: HttpStack
let directory: string
let session: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-har-'))
  stack = await startHttpStack({ mask: { 'body/**/ssn': 'last4', 'body/**/email': 'email' }, denyPaths: ['/denied'] })
  const { gateway, principals } = stack.line
  const ask = async (
    path: string,
    more: { method?: string; body?: string | Uint8Array; type?: string } = {},
  ): Promise<void> => {
    const { method = 'GET', body, type } = more
    const headers = {
      authorization: `Bearer ${principals.agent.token}`,
      ...(type === undefined ? {} : { 'content-type': type }),
    }
    const answer = await fetch(`${gateway.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
    await answer.arrayBuffer()
  }
  await ask('/customers/1')
  await ask('/transfers', { method: 'POST', type: 'application/json', body: '{"amount":12.50,"to":"€"}' })
  await ask('/transfers?x=1&x=2', { method: 'POST', type: 'application/octet-stream', body: new Uint8Array([0, 255]) })
  await ask('/denied')
  await ask('/a%2Fb')
  await stack.gateway.stop()
  const listed = await countersignHere(['replay', stack.evidence, '--json'])
  const [first]: readonly { readonly session: string }[] = JSON.parse(listed.stdout)
  session = first?.session ?? ''
})

afterAll(async () => {
  await stack.stop()
  await rm(directory, { recursive: true, force: true })
})

/** HAR 1.2's schema, which others wrote; its oldest dialect isn't ajv's any more. */
function isArchive(value: unknown): readonly string[] {
  const schemas: Readonly<Record<string, Readonly<Record<string, unknown>>>> = createRequire(import.meta.url)(
    'har-schema',
  )
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    formats: {
      'date-time': (text: string) => !Number.isNaN(Date.parse(text)),
      ipv4: true,
      ipv6: true,
      uri: (text: string) => URL.canParse(text),
    },
  })
  for (const { $schema: _dialect, ...schema } of Object.values(schemas)) ajv.addSchema(schema)
  ajv.validate('har.json#', value)
  return (ajv.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

test('a session is an HTTP Archive: the masked view, in the schema that others wrote', async () => {
  const file = join(directory, 'session.har')
  const { status, stderr } = await countersignHere(['replay', stack.evidence, '--session', session, '--har', file])
  expect([status, stderr]).toEqual([0, expect.stringContaining('a plain directory')])
  const text = await readFile(file, 'utf8')
  expect(text).not.toMatch(/900-11-1111|alice@secret/)
  expect(text).not.toContain(stack.line.principals.agent.token)
  expect(text).not.toContain('upstream-token')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const archive: { readonly log: { readonly entries: readonly Readonly<Record<string, unknown>>[] } } = JSON.parse(text)
  expect(isArchive(archive)).toEqual([])
  const host = new URL(stack.line.gateway.url).host
  expect(archive.log.entries).toMatchObject([
    {
      request: { method: 'GET', url: `http://${host}/customers/1`, httpVersion: 'HTTP/1.1', bodySize: 0 },
      response: {
        status: 200,
        statusText: 'OK',
        content: { mimeType: 'application/json', text: expect.stringContaining('"*******1111"') },
      },
      _verdict: 'mask',
    },
    {
      request: {
        method: 'POST',
        postData: { mimeType: 'application/json', text: expect.stringContaining('"to":"€"') },
      },
      response: { status: 201, redirectURL: '/transfers/7', content: { text: '{"amount":12.50,"to":"€"}' } },
    },
    {
      request: {
        method: 'POST',
        queryString: [
          { name: 'x', value: '1' },
          { name: 'x', value: '2' },
        ],
        bodySize: 2,
      },
      response: { status: 0 },
    },
    {
      request: { url: `http://${host}/denied` },
      response: { status: 0 },
      comment: expect.stringContaining('refused'),
      _verdict: 'reject',
    },
    { request: { url: 'about:blank' }, response: { status: 0 }, _verdict: 'reject' },
  ])
  const again = await countersignHere(['replay', stack.evidence, '--session', session, '--har', file])
  expect(again.status).toBe(64)
})

test('on a terminal an exchange reads as one', async () => {
  const { stdout } = await countersignHere(['replay', stack.evidence, '--session', session, '--no-wait'])
  expect(stdout).toContain('GET bank/customers/1')
  expect(stdout).toContain('HTTP 200')
  expect(stdout).toContain('*******1111')
})

import { once } from 'node:events'
import { connect, type ConnectionOptions } from 'node:tls'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BackendMessage } from '../../../planes/postgres/codec/backend-messages.ts'
import { type FrontendMessage, saslInitialBody } from '../../../planes/postgres/codec/frontend-messages.ts'
import { runChild } from '../../support/child.ts'
import { nativeDirectory } from '../../support/postgres.ts'
import { findPython } from '../../support/python.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'
import { brief, WireClient } from '../../support/wire-client.ts'

const python = findPython()
/** Where clients are sent for a token. Nobody asks there: libpq gets its token from us. */
const ISSUER = 'https://idp.bank.example'
const LIBPQ_CLIENT = fileURLToPath(new URL('oauth-libpq.py', import.meta.url))

let stack: Stack
beforeAll(async () => {
  const oauth = { issuer: ISSUER, scope: 'openid bank', users: ['oauth-agent'] }
  stack = await startStack({ tls: true, plane: { plaintext: 'loopback', oauth } })
})
afterAll(() => stack?.stop())

/** Greets in plain text with this version and these options; what comes until the password is asked for, and after it. */
async function greeted(minor: number, options: Readonly<Record<string, string>> = {}): Promise<BackendMessage[]> {
  const { agent } = stack.line.principals
  const client = await WireClient.connect(stack.line.gateway)
  const parameters = new Map(Object.entries({ user: agent.user, database: 'bank', ...options }))
  client.startup({ kind: 'startup', minor, parameters })
  const before = await client.until('authenticationCleartextPassword')
  client.send({ kind: 'password', body: Buffer.from(`${agent.token}\0`) })
  const all = [...before, ...(await client.until('readyForQuery'))]
  client.end()
  return all
}

const keyOf = (messages: readonly BackendMessage[]): number | undefined =>
  messages.find((message) => message.kind === 'backendKeyData')?.secret.length

/** What comes after a TLS handshake that comes first, until the connection ends; or why there is none. */
async function directly(options: ConnectionOptions): Promise<string> {
  const { host, port } = stack.line.gateway
  const socket = connect({ host, port, ca: readFileSync(stack.line.ca ?? ''), ...options })
  try {
    await once(socket, 'secureConnect')
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(socket, 'close')
    return Buffer.concat(chunks).toString('latin1')
  } catch (error) {
    return String(error)
  } finally {
    socket.destroy()
  }
}

describe('the minor version', () => {
  test('3.0: a key of four bytes, nothing to negotiate', async () => {
    const messages = await greeted(0)
    expect(messages[0]?.kind).toBe('authenticationCleartextPassword')
    expect(keyOf(messages)).toBe(4)
  })

  test('3.2: a key of 32 bytes, nothing to negotiate', async () => {
    const messages = await greeted(2)
    expect(messages[0]?.kind).toBe('authenticationCleartextPassword')
    expect(keyOf(messages)).toBe(32)
  })

  test('one that does not exist yet: told once that it is 3.2', async () => {
    const messages = await greeted(9999)
    const told = messages.filter((message) => message.kind === 'negotiateProtocolVersion')
    expect(told).toEqual([{ kind: 'negotiateProtocolVersion', version: 0x3_0002, options: [] }])
    expect(keyOf(messages)).toBe(32)
  })

  test('an option of the protocol that nobody knows: named, and the session goes on', async () => {
    const messages = await greeted(0, { '_pq_.tomorrow': 'on' })
    const told = messages.filter((message) => message.kind === 'negotiateProtocolVersion')
    expect(told).toEqual([{ kind: 'negotiateProtocolVersion', version: 0x3_0000, options: ['_pq_.tomorrow'] }])
  })
})

describe('direct TLS', () => {
  test('that does not name the protocol is refused before anybody is asked who it is', async () => {
    expect(await directly({})).toMatch(/^E.*28000.*ALPN/s)
  })

  test('that names another protocol gets no session', async () => {
    expect(await directly({ ALPNProtocols: ['http/1.1'] })).toMatch(/no application protocol/i)
  })

  const SCRIPT = `
import os, threading, time, psycopg
with psycopg.connect(autocommit=True, connect_timeout=10) as connection:
    print(connection.execute("SELECT ssn FROM customers WHERE id = 1").fetchone()[0])
    threading.Timer(0.5, connection.cancel_safe).start()
    try:
        connection.execute("SELECT count(*) FROM generate_series(1, 3000000000)")
    except psycopg.Error as error:
        print(error.sqlstate)
    print(connection.pgconn.ssl_in_use, psycopg.pq.version() >= 180000)
`

  test.skipIf(python === null)('from libpq, with the newest protocol, and a cancel with its long key', async () => {
    const env = {
      ...stack.line.env,
      PGSSLMODE: 'verify-full',
      PGSSLNEGOTIATION: 'direct',
      PGMAXPROTOCOLVERSION: '3.2',
      PGMINPROTOCOLVERSION: '3.2',
    }
    const { status, stdout, stderr } = await runChild(python ?? '', ['-c', SCRIPT], { env, timeoutMs: 60_000 })
    expect([status, stdout, stderr]).toEqual([0, '*******1111\n57014\nTrue True\n', ''])
  })
})

const agent = (): { readonly user: string; readonly token: string } => stack.line.principals.agent
const initial = (text: string): FrontendMessage => ({
  kind: 'password',
  body: saslInitialBody('OAUTHBEARER', Buffer.from(text)),
})
/** Greets as this user, with these options. */
async function greeting(parameters: Readonly<Record<string, string>>): Promise<WireClient> {
  const client = await WireClient.connect(stack.line.gateway)
  client.startup({
    kind: 'startup',
    minor: 0,
    parameters: new Map(Object.entries({ user: 'oauth-agent', database: 'bank', ...parameters })),
  })
  return client
}

describe('OAUTHBEARER', () => {
  const WHERE = {
    status: 'invalid_token',
    'openid-configuration': `${ISSUER}/.well-known/openid-configuration`,
    scope: 'openid bank',
  }

  test.each([
    ['the user name', {}],
    ['a parameter', { user: 'anybody', options: '-c countersign.auth=oauth' }],
  ])('is asked for by %s, and a good token lets in', async (_, parameters) => {
    const client = await greeting(parameters)
    expect(await client.until('authenticationSASL')).toEqual([
      { kind: 'authenticationSASL', mechanisms: ['OAUTHBEARER'] },
    ])
    client.send(initial(`n,,\x01auth=Bearer ${agent().token}\x01\x01`))
    const [first] = await client.until('readyForQuery')
    expect(first).toEqual({ kind: 'authenticationOk' })
    client.end()
  })

  test('a client that has no token, or a bad one, hears where to get one, and then that it failed', async () => {
    for (const auth of ['', 'Bearer nonsense']) {
      const client = await greeting({})
      await client.until('authenticationSASL')
      client.send(initial(`n,,\x01auth=${auth}\x01\x01`))
      const [step] = await client.until('authenticationSASLContinue')
      expect(step?.kind === 'authenticationSASLContinue' && JSON.parse(step.step.toString())).toEqual(WHERE)
      client.send({ kind: 'password', body: Buffer.from('\x01') })
      expect((await client.untilClosed()).map(brief)).toEqual(['E 28P01'])
    }
  })

  test.each([
    ['another mechanism', { kind: 'password', body: saslInitialBody('SCRAM-SHA-256', Buffer.from('n,,')) }],
    ['another identity', initial('n,a=admin,\x01auth=Bearer x\x01\x01')],
    ['channel binding', initial('p=tls-unique,,\x01auth=Bearer x\x01\x01')],
    ['two tokens', initial('n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01')],
    ['no end', initial('n,,\x01auth=Bearer x\x01')],
    ['another scheme', initial('n,,\x01auth=Basic x\x01\x01')],
    ['a query', { kind: 'query', sql: 'SELECT 1' }],
  ] satisfies [string, FrontendMessage][])('%s ends the connection', async (_, message) => {
    const client = await greeting({})
    await client.until('authenticationSASL')
    client.send(message)
    expect((await client.untilClosed()).map(brief)).toEqual(['E 08P01'])
  })

  test('others are asked for a password as ever', async () => {
    const client = await greeting({ options: '-c countersign.auth=password' })
    expect(await client.until('authenticationCleartextPassword')).toHaveLength(1)
    client.end()
  })

  test.skipIf(python === null)('PostgreSQL 18’s libpq finds its way to a token and in', async () => {
    const { host, port } = stack.line.gateway
    const about = `host=${host} port=${port} dbname=bank user=oauth-agent sslmode=disable`
    const library = join(nativeDirectory(), 'lib', 'libpq.so.5')
    const saw = async (token: string): Promise<Record<string, unknown>> => {
      const args = [LIBPQ_CLIENT, library, `${about} oauth_issuer=${ISSUER} oauth_client_id=agent`]
      const { status, stdout, stderr } = await runChild(python ?? '', args, { env: { TOKEN: token } })
      expect([status, stderr]).toEqual([0, ''])
      const seen: Record<string, unknown> = JSON.parse(stdout)
      return seen
    }
    const asked = [[WHERE['openid-configuration'], WHERE.scope]]
    expect(await saw(agent().token)).toEqual({ row: 'hello', said: '', asked })
    expect(await saw('nonsense')).toMatchObject({ row: null, asked })
  })
})

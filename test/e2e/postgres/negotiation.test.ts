import { once } from 'node:events'
import { connect, type ConnectionOptions } from 'node:tls'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BackendMessage } from '../../../planes/postgres/codec/backend-messages.ts'
import { runChild } from '../../support/child.ts'
import { findPython } from '../../support/python.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'
import { WireClient } from '../../support/wire-client.ts'

const python = findPython()

let stack: Stack
beforeAll(async () => {
  stack = await startStack({ tls: true, plane: { plaintext: 'loopback' } })
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

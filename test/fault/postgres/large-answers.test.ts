import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { direct, openDirect } from '../../support/direct.ts'
import { openRawSession, sendQuery, untilReady } from '../../support/raw-session.ts'
import { growth } from '../../support/resident.ts'
import { type Stack, startStack } from '../../support/stack.ts'

const ROWS = 1_000_000
const HOOK_MS = 300_000
/** What a gateway may grow by while 250 MB pass: catalogue, buffers in flight, and garbage that isn't collected yet. */
const FLAT_MIB = 160

let stack: Stack

const open = (): Promise<Socket> => {
  const { user, token } = stack.line.principals.agent
  const { gateway } = stack.line
  return openRawSession(gateway, { user, password: token, database: gateway.database })
}

/** The server waits for the gateway, or for something of its own. */
const waiting = (event: string): Promise<unknown[][]> =>
  direct(stack, `SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = '${event}'`)

/** Runs a query and gives the bytes and the tail of what came; `reading` says how the client reads. */
async function fetch(sql: string, reading: (socket: Socket) => Promise<void>): Promise<string> {
  const socket = await open()
  try {
    sendQuery(socket, sql)
    await reading(socket)
    let tail = ''
    await untilReady(socket, (chunk) => (tail = (tail + chunk.toString('latin1')).slice(-100)))
    return tail
  } finally {
    socket.destroy()
  }
}

describe('a million rows, two columns masked', () => {
  const sql = 'SELECT id, name, ssn, email FROM public.customers_archive, (VALUES (1), (2), (3), (4)) AS times (n)'
  const done = expect.stringContaining(`SELECT ${ROWS}`)

  beforeAll(async () => {
    stack = await startStack({ logLevel: 'warn' })
    await direct(stack, 'TRUNCATE public.customers_archive')
    await direct(
      stack,
      `INSERT INTO public.customers_archive (id, name, ssn, email, phone, dob)
       SELECT i, 'Customer ' || i || repeat('.', 200), lpad(i::text, 9, '0'), 'customer' || i || '@example.org', '', date '1950-01-01'
       FROM generate_series(1, ${ROWS / 4}) i`,
    )
  }, HOOK_MS)
  afterAll(() => stack?.stop())

  test('reach a client that reads, in flat memory', async () => {
    let tail = ''
    const grown = await growth(stack.gateway.pid, `${ROWS} rows`, async () => {
      tail = await fetch(sql, () => Promise.resolve())
    })
    expect(tail).toEqual(done)
    expect(grown).toBeLessThan(FLAT_MIB)
  })

  test('wait at the server for a client that does not read, in flat memory', async () => {
    let tail = ''
    const grown = await growth(stack.gateway.pid, `${ROWS} rows, a client that stops`, async () => {
      tail = await fetch(sql, async () => {
        await expect.poll(() => waiting('ClientWrite')).toEqual([['1']])
        await sleep(1000)
        expect(await waiting('ClientWrite')).toEqual([['1']])
      })
    })
    expect(tail).toEqual(done)
    expect(grown).toBeLessThan(FLAT_MIB)
  })
})

describe('a copy of 300 MiB', () => {
  const BYTES = 300 * 1024 * 1024
  const LINE = `${'x'.repeat(1023)}\n`
  const PIECE = message('d', LINE.repeat(64))

  beforeAll(async () => {
    stack = await startStack({ policy: 'allow-all', logLevel: 'warn' })
    await direct(stack, 'CREATE TABLE public.copied (line text)')
    await direct(
      stack,
      `CREATE FUNCTION public.waits() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$`,
    )
    await direct(
      stack,
      'CREATE TRIGGER waits BEFORE INSERT ON public.copied FOR EACH ROW EXECUTE FUNCTION public.waits()',
    )
  }, HOOK_MS)
  afterAll(() => stack?.stop())

  test('waits at the client for a server that does not take it, in flat memory', async () => {
    const holder = await openDirect(stack)
    await holder.query('SELECT pg_advisory_lock(1)')
    const socket = await open()
    sendQuery(socket, 'COPY public.copied FROM STDIN')
    let tail = ''
    const answered = untilReady(socket, (chunk) => (tail = (tail + chunk.toString('latin1')).slice(-100)))
    const grown = await growth(stack.gateway.pid, 'a copy to a server that stops', async () => {
      const sent = send(socket, BYTES, PIECE)
      await expect.poll(() => waiting('advisory')).toEqual([['1']])
      await sleep(1000)
      expect(socket.writableNeedDrain).toBe(true)
      await holder.query('SELECT pg_advisory_unlock(1)')
      await sent
      socket.write(message('c', ''))
      await answered
    })
    holder.end()
    socket.destroy()
    expect(tail).toEqual(expect.stringContaining('COPY 0'))
    expect(grown).toBeLessThan(FLAT_MIB)
  })
})

function message(type: string, body: string): Buffer {
  const bytes = Buffer.from(`${type}\0\0\0\0${body}`)
  bytes.writeInt32BE(bytes.length - 1, 1)
  return bytes
}

/** As fast as the socket takes it. */
async function send(socket: Socket, bytes: number, piece: Buffer): Promise<void> {
  for (let sent = 0; sent < bytes; sent += piece.length) {
    if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve))
  }
}

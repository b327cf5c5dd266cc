import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FrontendMessage } from '../../../planes/postgres/codec/frontend-messages.ts'
import { type Stack, startStack } from '../../support/stack.ts'
import { direct, openDirect } from '../../support/direct.ts'
import { brief, WireClient } from '../../support/wire-client.ts'

let stack: Stack

beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.stop())

const open = () => WireClient.open(stack.line.gateway, { token: stack.line.principals.agent.token, database: 'bank' })

const parse = (sql: string, name = ''): FrontendMessage => ({ kind: 'parse', name, sql, parameterTypes: [] })
const bind = (statement = '', portal = ''): FrontendMessage => ({
  kind: 'bind',
  portal,
  statement,
  formats: [],
  parameters: [],
  resultFormats: [],
})
const execute = (portal = '', maxRows = 0): FrontendMessage => ({ kind: 'execute', portal, maxRows })
const describePortal: FrontendMessage = { kind: 'describe', target: 'portal', name: '' }
const describeStatement = (name = ''): FrontendMessage => ({ kind: 'describe', target: 'statement', name })
const close = (name: string): FrontendMessage => ({ kind: 'close', target: 'statement', name })
const query = (sql: string): FrontendMessage => ({ kind: 'query', sql })
const sync: FrontendMessage = { kind: 'sync' }
const flush: FrontendMessage = { kind: 'flush' }

async function answers(client: WireClient, ...messages: FrontendMessage[]): Promise<string[]> {
  client.send(...messages)
  const wanted = messages.filter(({ kind }) => kind === 'sync' || kind === 'query').length
  const all: string[] = []
  for (let count = 0; count < wanted; count += 1) all.push(...(await client.until('readyForQuery')).map(brief))
  return all
}

describe('simple query', () => {
  test('masks labelled columns and leaves others as they are', async () => {
    const client = await open()
    expect((await client.query('SELECT id, ssn FROM customers WHERE id = 1')).map(brief)).toEqual([
      'T id,ssn',
      'D 1,*******1111',
      'C SELECT 1',
      'Z I',
    ])
    client.end()
  })

  test('a denial leaves the session usable', async () => {
    const client = await open()
    expect((await client.query('DELETE FROM transfers')).map(brief)).toEqual(['E 42501', 'Z I'])
    expect((await client.query('SELECT 1 AS one')).map(brief)).toEqual(['T one', 'D 1', 'C SELECT 1', 'Z I'])
    client.end()
  })

  test('one rejected statement rejects the whole text: nothing before it runs', async () => {
    const client = await open()
    expect((await client.query('SELECT 1; DELETE FROM transfers')).map(brief)).toEqual(['E 42501', 'Z I'])
    client.end()
  })

  test('several statements answer one after another', async () => {
    const client = await open()
    expect((await client.query('SELECT 1 AS a; SELECT ssn FROM customers WHERE id = 2')).map(brief)).toEqual([
      'T a',
      'D 1',
      'C SELECT 1',
      'T ssn',
      'D *******2222',
      'C SELECT 1',
      'Z I',
    ])
    client.end()
  })

  test('a denial within a transaction fails it, and only ROLLBACK ends that', async () => {
    const client = await open()
    await client.query('BEGIN')
    expect((await client.query('DELETE FROM transfers')).map(brief)).toEqual(['E 42501', 'Z E'])
    expect((await client.query('SELECT 1')).map(brief)).toEqual(['E 25P02', 'Z E'])
    expect((await client.query('COMMIT')).map(brief)).toEqual(['C ROLLBACK', 'Z I'])
    client.end()
  })

  test('an empty text, and one of comments alone, answers as the server does', async () => {
    const client = await open()
    for (const sql of ['', ' ;; -- nothing', '/* nothing */']) {
      expect((await client.query(sql)).map(brief)).toEqual(['emptyQueryResponse', 'Z I'])
    }
    client.end()
  })

  test('a syntax error is answered with its position', async () => {
    const client = await open()
    const [error] = await client.query('SELECT * FRM customers')
    expect(error).toMatchObject({ kind: 'errorResponse' })
    if (error?.kind !== 'errorResponse') throw new Error('no error')
    expect(Object.fromEntries(error.fields)).toMatchObject({ S: 'ERROR', V: 'ERROR', C: '42601', P: '10' })
    client.end()
  })
})

describe('extended query', () => {
  test('describes, binds and executes as the server does', async () => {
    const client = await open()
    expect(
      await answers(
        client,
        parse('SELECT id, ssn FROM customers WHERE id = 1'),
        bind(),
        describePortal,
        execute(),
        sync,
      ),
    ).toEqual(['parseComplete', 'bindComplete', 'T id,ssn', 'D 1,*******1111', 'C SELECT 1', 'Z I'])
    client.end()
  })

  test('a client that never describes gets masked rows all the same', async () => {
    const client = await open()
    expect(await answers(client, parse('SELECT ssn FROM customers WHERE id = 1'), bind(), execute(), sync)).toEqual([
      'parseComplete',
      'bindComplete',
      'D *******1111',
      'C SELECT 1',
      'Z I',
    ])
    client.end()
  })

  test('binary results are masked in their own format', async () => {
    const client = await open()
    const binary: FrontendMessage = {
      kind: 'bind',
      portal: '',
      statement: '',
      formats: [],
      parameters: [],
      resultFormats: [1],
    }
    client.send(parse('SELECT id, ssn, dob FROM customers WHERE id = 1'), binary, execute(), sync)
    const row = (await client.until('readyForQuery')).find((message) => message.kind === 'dataRow')
    expect(row?.values[0]).toEqual(Buffer.from([0, 0, 0, 1]))
    expect(row?.values[1]?.toString()).toBe('*******1111')
    const days = row?.values[2]?.readInt32BE() ?? 0
    expect(new Date(Date.UTC(2000, 0, 1) + days * 86_400_000).toISOString()).toMatch(/^1981-01-01/)
    client.end()
  })

  test('after a denial everything is discarded up to Sync, and the denied Parse is not there', async () => {
    const client = await open()
    expect(
      await answers(client, parse('DELETE FROM transfers', 'd'), bind('d'), execute(), parse('SELECT 1'), sync),
    ).toEqual(['E 42501', 'Z I'])
    expect(await answers(client, bind('d'), execute(), sync)).toEqual(['E 26000', 'Z I'])
    client.end()
  })

  test('a denial behind a write of the same batch takes that write back', async () => {
    const client = await open()
    const before = await direct(stack, 'SELECT count(*) FROM audit_log')
    const batch = [
      parse('BEGIN'),
      bind(),
      execute(),
      parse('SELECT 1'),
      bind(),
      execute(),
      parse('DELETE FROM transfers'),
      bind(),
      execute(),
      sync,
    ]
    const got = await answers(client, ...batch)
    expect(got.slice(-2)).toEqual(['E 42501', 'Z E'])
    expect(await direct(stack, 'SELECT count(*) FROM audit_log')).toEqual(before)
    client.end()
  })

  test('a Parse that the server skipped does not lend its harmless text to an older statement', async () => {
    const client = await open()
    expect(await answers(client, parse('SELECT ssn FROM customers WHERE id = 1', 's1'), sync)).toEqual([
      'parseComplete',
      'Z I',
    ])
    // The server fails at the division, skips Close and Parse, and keeps s1 as it was.
    const failing = [parse('SELECT 1/0'), bind(), execute(), close('s1'), parse("SELECT 'harmless'", 's1'), sync]
    const using = [bind('s1'), execute(), sync]
    const got = await answers(client, ...failing, ...using)
    expect(got.slice(-4)).toEqual(['bindComplete', 'D *******1111', 'C SELECT 1', 'Z I'])
    client.end()
  })

  test('pipelined batches answer in order', async () => {
    const client = await open()
    const got = await answers(
      client,
      ...Array.from({ length: 20 }, (_, n) => [parse(`SELECT ${n} AS n`), bind(), execute(), sync]).flat(),
    )
    expect(got.filter((line) => line.startsWith('D'))).toEqual(Array.from({ length: 20 }, (_, n) => `D ${n}`))
    client.end()
  })

  test('prepare alone, then use it: names outlive the batch', async () => {
    const client = await open()
    expect(
      await answers(client, parse('SELECT name FROM customers WHERE id = 1', 'n'), describeStatement('n'), sync),
    ).toEqual(['parseComplete', 'parameterDescription', 'T name', 'Z I'])
    expect(await answers(client, bind('n'), execute(), sync)).toEqual([
      'bindComplete',
      'D Alice Archer',
      'C SELECT 1',
      'Z I',
    ])
    client.end()
  })

  test('Flush brings answers without Sync', async () => {
    const client = await open()
    client.send(parse('SELECT 1 AS a'), describeStatement(), flush)
    expect((await client.until('rowDescription')).map(brief)).toEqual(['parseComplete', 'parameterDescription', 'T a'])
    client.send(bind(), execute(), flush)
    expect((await client.until('commandComplete')).map(brief)).toEqual(['bindComplete', 'D 1', 'C SELECT 1'])
    expect(await answers(client, sync)).toEqual(['Z I'])
    client.end()
  })

  test('a portal is suspended and goes on, masked all the way', async () => {
    const client = await open()
    const got = await answers(
      client,
      parse('SELECT ssn FROM customers ORDER BY id'),
      bind(),
      execute('', 2),
      execute('', 2),
      sync,
    )
    expect(got).toEqual([
      'parseComplete',
      'bindComplete',
      'D *******1111',
      'D *******2222',
      'portalSuspended',
      'D *******3333',
      'D *******4444',
      'portalSuspended',
      'Z I',
    ])
    client.end()
  })

  test('several commands in one Parse are a syntax error, as at the server', async () => {
    const client = await open()
    expect(await answers(client, parse('SELECT 1; SELECT 2'), sync)).toEqual(['E 42601', 'Z I'])
    client.end()
  })
})

describe('a Query, or a FunctionCall, where Sync would stand', () => {
  const call: FrontendMessage = { kind: 'functionCall', functionOid: 1598, rest: Buffer.from([0, 0, 0, 0, 0, 0]) }
  const run = (sql: string): FrontendMessage[] => [parse(sql), bind(), execute()]

  test.each<[string, readonly FrontendMessage[], number]>([
    ['behind a Parse', [parse('SELECT 1', 'held'), query('SELECT 2'), bind('held'), execute(), sync], 2],
    ['behind an Execute', [...run('SELECT 1'), query('SELECT 2'), query('SELECT 3')], 2],
    ['that is empty', [...run('SELECT 1'), query(''), ...run('SELECT 2'), sync], 2],
    ['behind an error: discarded up to Sync', [...run('SELECT 1/0'), query('SELECT 2'), sync, query('SELECT 3')], 2],
    ['that fails', [...run('SELECT 1'), query('SELECT 1/0'), query('SELECT 2')], 2],
    ['within a transaction that the batch began', [...run('BEGIN'), query('SELECT 1'), query('ROLLBACK')], 2],
  ])('%s answers as at the server', async (_, messages, ready) => {
    const [client, server] = await Promise.all([open(), openDirect(stack)])
    const seen: string[][] = []
    for (const peer of [client, server]) {
      peer.send(...messages)
      const came: string[] = []
      for (let count = 0; count < ready; count += 1) came.push(...(await peer.until('readyForQuery')).map(brief))
      seen.push(came)
      peer.end()
    }
    expect(seen[0]).toEqual(seen[1])
  })

  test.each<[string, FrontendMessage, string]>([
    ['Query', query('DELETE FROM transfers'), 'E 42501'],
    ['FunctionCall', call, 'E 0A000'],
  ])('a refused %s takes back what the batch did', async (_, message, refused) => {
    const client = await open()
    const transaction = [...run('BEGIN'), ...run('SELECT 1'), message]
    client.send(...transaction)
    expect((await client.until('readyForQuery')).map(brief).slice(-2)).toEqual([refused, 'Z E'])
    expect(await answers(client, query('ROLLBACK'), ...run('SELECT 2'), sync)).toContain('D 2')
    client.end()
  })
})

describe('what is refused', () => {
  test.each([
    ['a role in the startup message', { role: 'postgres' }],
    ['a search_path in options', { options: '-c search_path=private' }],
    ['replication', { replication: 'database' }],
  ])('%s', async (_, parameters) => {
    const client = await WireClient.connect(stack.line.gateway)
    client.startup({
      kind: 'startup',
      minor: 0,
      parameters: new Map(Object.entries({ user: 'x', database: 'bank', ...parameters })),
    })
    expect((await client.untilClosed()).map(brief)).toEqual(['E 08P01'])
  })

  test('a wrong token, before the server hears of it', async () => {
    await expect(WireClient.open(stack.line.gateway, { token: 'nonsense', database: 'bank' })).rejects.toThrow(
      /E 28P01/,
    )
  })

  test('a database that is not offered', async () => {
    await expect(
      WireClient.open(stack.line.gateway, { token: stack.line.principals.agent.token, database: 'postgres' }),
    ).rejects.toThrow(/E 3D000/)
  })

  test('FunctionCall, with the session usable after it', async () => {
    const client = await open()
    client.send({ kind: 'functionCall', functionOid: 1598, rest: Buffer.from([0, 0, 0, 0, 0, 0]) })
    expect((await client.until('readyForQuery')).map(brief)).toEqual(['E 0A000', 'Z I'])
    client.end()
  })

  test('COPY from the client, DO, LISTEN, and what PREPARE would hide: the session goes on', async () => {
    const client = await open()
    for (const sql of [
      'COPY customers FROM STDIN',
      'DO $$BEGIN END$$',
      'LISTEN x',
      'PREPARE p AS SELECT ssn FROM private.customers',
      'PREPARE p AS SELECT bank.close_account(1)',
    ]) {
      const [error, ready, ...more] = (await client.query(sql)).map(brief)
      expect([sql, error, ready, more]).toEqual([sql, expect.stringMatching(/^E (42501|0A000)$/), 'Z I', []])
    }
    expect((await client.query('EXECUTE p')).map(brief)).toEqual(['E 26000', 'Z I']) // none of them came to be
    client.end()
  })

  test('SQL PREPARE of what may not run: each EXECUTE is decided as what it stands for', async () => {
    const client = await open()
    expect((await client.query('PREPARE p AS DELETE FROM transfers')).map(brief)).toEqual(['C PREPARE', 'Z I'])
    expect((await client.query('EXECUTE p')).map(brief)).toEqual(['E 42501', 'Z I'])
    expect((await client.query('EXPLAIN ANALYZE EXECUTE p')).map(brief)).toEqual([
      expect.stringMatching(/^E (42501|0A000)$/),
      'Z I',
    ])
    client.end()
  })

  test('a frame of an unknown type, or of an impossible length, ends the connection', async () => {
    for (const bytes of [
      Buffer.from('?\0\0\0\x04', 'latin1'),
      Buffer.from('Q\0\0\0\x03', 'latin1'),
      Buffer.from('Q\x7f\xff\xff\xff', 'latin1'),
    ]) {
      const client = await open()
      client.raw(bytes)
      expect((await client.untilClosed()).map(brief)).toEqual(['E 08P01'])
    }
  })

  test('more bytes behind SSLRequest are dropped with the connection', async () => {
    const client = await WireClient.connect(stack.line.gateway)
    client.raw(Buffer.concat([Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]), Buffer.alloc(64, 0x16)]))
    const came = await client.untilClosed().catch(() => [])
    expect(came.filter((message) => message.kind === 'readyForQuery')).toEqual([])
  })
})

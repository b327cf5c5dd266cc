import { afterEach, describe, expect, test, vi } from 'vitest'
import type { BackendMessage, ErrorFields } from '../../../../planes/postgres/codec/backend-messages.ts'
import type { FrontendMessage } from '../../../../planes/postgres/codec/frontend-messages.ts'
import { errorFields } from '../../../support/scripted-statements.ts'
import { openRig, type Rig, type RigScript } from '../../../support/scripted-session.ts'
import { CANARY } from '../../../support/scripted-statements.ts'
import { brief } from '../../../support/wire-client.ts'

const rigs: Rig[] = []
afterEach(() => {
  for (const rig of rigs.splice(0)) rig.close()
})

async function rigOf(script: Partial<RigScript> = {}): Promise<Rig> {
  const rig = await openRig({ server: {}, ...script })
  rigs.push(rig)
  return rig
}

const AT_ONCE = (): Promise<void> => Promise.resolve()
const NEVER = (): Promise<void> => new Promise(() => undefined)
const SYNC: FrontendMessage = { kind: 'sync' }
const query = (sql: string): FrontendMessage => ({ kind: 'query', sql })
const parse = (sql: string, name = ''): FrontendMessage => ({ kind: 'parse', name, sql, parameterTypes: [] })
const execute: FrontendMessage = { kind: 'execute', portal: '', maxRows: 0 }
const bind = (statement = ''): Extract<FrontendMessage, { kind: 'bind' }> => ({
  kind: 'bind',
  portal: '',
  statement,
  formats: [],
  parameters: [],
  resultFormats: [],
})
const run = (sql: string): FrontendMessage[] => [parse(sql), bind(), execute]

/** Sends and gives, as one line each, what came once every ReadyForQuery is there or the connection has ended. */
async function ask(rig: Rig, ...messages: readonly FrontendMessage[]): Promise<string[]> {
  const from = rig.client.received.length
  await rig.client.play(messages, [], AT_ONCE)
  await rig.client.settled()
  return rig.client.received.slice(from).map(brief)
}

function lastError({ client: { received } }: Rig): ErrorFields {
  const error = received.findLast((message) => message.kind === 'errorResponse')
  return error?.kind === 'errorResponse' ? error.fields : new Map()
}

/** Nothing in it waits for time: two turns of the loop after what it waits for, it has happened or won't. */
async function quiet(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20))
}

const sees = (rig: Rig): boolean => Buffer.concat(rig.client.bytes).includes(CANARY)

describe('names', () => {
  test('a refused Parse does not bring back what the name meant before the last one that went up', async () => {
    const rig = await rigOf({ server: { buffered: false } })
    await ask(rig, parse('read open #1'), SYNC)
    // The server gets #2 under the unnamed name; #3 is refused and never sent. What runs is #2, so #2 must be judged.
    await ask(
      rig,
      parse('write open #2'),
      { kind: 'flush' },
      ...run('denied write open #3'),
      SYNC,
      bind(),
      execute,
      SYNC,
    )
    expect(rig.server.executed).toEqual([{ sql: 'write open #2', parameters: [] }])
    const [judged] = rig.engine.decisions.filter(({ verdict, prepareOnly }) => verdict !== 'reject' && !prepareOnly)
    expect(judged?.sql).toBe('write open #2')
  })

  test('the unnamed statement outlives the refusal of a named one', async () => {
    const rig = await rigOf()
    await ask(rig, ...run('read open #1'), SYNC)
    await ask(rig, ...run('read open #2'), parse('denied read open #3', 's1'), bind('s1'), execute, SYNC)
    expect(await ask(rig, bind(), execute, SYNC)).toContain('D read open #2')
  })
})

describe('an error of the server’s', () => {
  test('while the next statement is still being decided ends the batch, once, and the session goes on', async () => {
    let slow = false
    const pause = (): Promise<void> => (slow ? quiet() : Promise.resolve())
    const rig = await rigOf({ server: { buffered: false }, pause })
    await rig.client.play(run('fail open #1'), [], AT_ONCE)
    slow = true
    const answers = await ask(rig, ...run('write open #2'), ...run('denied read open #3'), SYNC)
    expect(rig.client.received.map(brief)).toEqual(['parseComplete', 'bindComplete', 'E 22P02', 'Z I'])
    expect(answers.at(-1)).toBe('Z I')
    expect(rig.server.executed.map(({ sql }) => sql)).toEqual(['fail open #1'])
    expect(await ask(rig, query('read open #4'))).toContain('C SELECT 3')
  })

  test('at the end of a transaction that wrote to a labelled table says its code alone', async () => {
    const rig = await rigOf()
    expect(await ask(rig, ...run('late secret #1'), SYNC)).toContain('E 23505')
    expect([...lastError(rig).keys()].toSorted()).toEqual(['C', 'M', 'S', 'V'])
    await ask(rig, query('begin #2; late secret #3'))
    expect(await ask(rig, query('commit #4'))).toEqual(['E 23505', 'Z I'])
    expect(sees(rig)).toBe(false)
  })

  test('behind the last answer of a batch that touched a labelled table is withheld as well', async () => {
    // A server that says a statement is done, and then what went wrong with it.
    const outbursts = [{ after: 5, says: [{ kind: 'commandComplete', tag: 'SELECT 1' }] }] as const
    const rig = await rigOf({ server: { buffered: false, cuts: [], outbursts } })
    const describeIt: FrontendMessage = { kind: 'describe', target: 'statement', name: '' }
    await rig.client.play(
      [query('read open #1'), parse('fail secret #2'), describeIt, bind(), execute, SYNC],
      [],
      AT_ONCE,
    )
    await vi.waitFor(() => expect(rig.client.received.map(brief)).toContain('E 22P02'))
    expect(sees(rig)).toBe(false)
  })

  test('while nothing is owed ends the session, unless it says goodbye', async () => {
    const rig = await rigOf()
    rig.server.interject({ kind: 'errorResponse', fields: errorFields('XX000', CANARY) })
    await rig.client.ended()
    expect(rig.client.received.map(brief)).toEqual(['E 08P01'])
    expect(sees(rig)).toBe(false)
    const other = await rigOf()
    const fields = new Map([...errorFields('57P01', 'bye'), ['V', 'FATAL']])
    other.server.interject({ kind: 'errorResponse', fields })
    await vi.waitFor(() => expect(other.client.received.map(brief)).toEqual(['E 57P01']))
  })

  test('may come once a batch', async () => {
    const rig = await rigOf({ server: { pause: NEVER } })
    await rig.client.play([...run('read secret #1'), SYNC], [], AT_ONCE)
    await vi.waitFor(() => expect(rig.engine.decisions).toHaveLength(1))
    rig.server.interject({ kind: 'errorResponse', fields: errorFields('XX000', 'one') })
    rig.server.interject({ kind: 'errorResponse', fields: errorFields('XX000', CANARY) })
    await rig.client.ended()
    expect(sees(rig)).toBe(false)
    expect(lastError(rig).get('C')).toBe('08P01')
  })
})

describe('an answer that contradicts lineage', () => {
  const labelled: BackendMessage = {
    kind: 'rowDescription',
    fields: [{ name: 'x', tableOid: 16_500, attnum: 2, typeOid: 25, typeSize: -1, typeModifier: -1, format: 0 }],
  }
  const row: BackendMessage = { kind: 'dataRow', values: [Buffer.from(CANARY)] }

  test.each([
    ['', [query('read open #1')]],
    [', with the client’s goodbye right behind its question', [query('read open #1'), { kind: 'terminate' as const }]],
  ])('is withheld%s', async (_, asked) => {
    const rig = await rigOf({ server: { pause: NEVER } })
    await rig.client.play(asked, [], AT_ONCE)
    await vi.waitFor(() => expect(rig.engine.decisions).toHaveLength(1))
    await quiet()
    rig.server.interject(labelled)
    await quiet()
    rig.server.interject(row)
    await rig.ended
    await rig.client.ended()
    expect(sees(rig)).toBe(false)
    expect(rig.log).toEqual([{ event: 'session_failed', code: 'ERR_OBLIGATION_UNENFORCEABLE' }])
    expect(rig.engine.decisions[0]?.outcomes).toMatchObject([{ status: 'unknown' }])
    expect(rig.engine.withheld).toEqual([expect.stringContaining('a labelled column where none was expected')])
    expect(rig.engine.afterClose).toEqual([])
  })

  test.each([
    ['rows before their description', row],
    ['a row with no body', { kind: 'dataRow', values: [] } as const],
  ])('%s end the session', async (_, message) => {
    const rig = await rigOf({ server: { pause: NEVER } })
    await rig.client.play([query('read open #1')], [], AT_ONCE)
    await vi.waitFor(() => expect(rig.engine.decisions).toHaveLength(1))
    await quiet()
    rig.server.interject(message)
    await rig.client.ended()
    expect(rig.client.received.map(brief)).toEqual(['E 08P01'])
  })

  test.each(['client_encoding', 'search_path', 'session_authorization', 'is_superuser', 'standard_conforming_strings'])(
    'so does a server that changes %s',
    async (name) => {
      const rig = await rigOf()
      rig.server.interject({ kind: 'parameterStatus', name, value: 'another' })
      await rig.client.ended()
      expect(rig.client.received.map(brief)).toEqual(['E 42501'])
      expect(rig.log).toEqual([{ event: 'session_failed', code: 'ERR_OBLIGATION_UNENFORCEABLE' }])
    },
  )
})

describe('durability', () => {
  test('not even a description leaves before the decision is on disk', async () => {
    const disk = Promise.withResolvers<void>()
    let records = 0
    const pause = (): Promise<void> => ((records += 1) > 4 ? disk.promise : Promise.resolve())
    const rig = await rigOf({ server: { buffered: false }, pause })
    const described: FrontendMessage = { kind: 'describe', target: 'portal', name: '' }
    await rig.client.play([parse('read open #1'), bind(), described, execute, SYNC], [], AT_ONCE)
    await vi.waitFor(() => expect(rig.server.executed).toHaveLength(1))
    await quiet()
    expect(rig.engine.decisions).toMatchObject([{ durable: false }])
    expect(rig.client.received).toEqual([])
    disk.resolve()
    await rig.client.settled()
    expect(rig.client.received.at(0)?.kind).toBe('parseComplete')
  })

  test('a disk that says no: not one byte of an answer, and a FATAL that says so', async () => {
    const rig = await rigOf()
    expect(await ask(rig, query('read open #1'))).toContain('C SELECT 3')
    rig.engine.breakDisk()
    expect(await ask(rig, query('read open #2'))).toEqual(['E 58030'])
    expect(await rig.ended).toBeUndefined()
  })
})

describe('the end of a session', () => {
  test('a client that goes while its statement is being named: nothing is decided for it', async () => {
    const naming = Promise.withResolvers<void>()
    const rig = await rigOf({ pause: () => naming.promise })
    await rig.client.play([query('write open #1')], [], AT_ONCE)
    await quiet()
    rig.client.destroy()
    await quiet()
    naming.resolve()
    await rig.ended
    await quiet()
    expect(rig.engine.decisions).toEqual([])
    expect(rig.engine.afterClose).toEqual([])
    expect(rig.server.received).toEqual([])
  })

  test('a client that had gone before the session began', async () => {
    const rig = await rigOf({ gone: 'client' })
    await rig.ended
    expect(rig.engine.closed).toBe(1)
  })

  test('a server that had gone before the session began', async () => {
    const rig = await rigOf({ gone: 'server' })
    await rig.ended
    await rig.client.ended()
    expect(rig.client.received.map(brief)).toEqual(['E 57P01'])
  })

  test('a shut-down waits until the end is recorded', async () => {
    const rig = await rigOf()
    await ask(rig, query('read open #1'))
    await rig.session.shutDown()
    expect(rig.engine.closed).toBe(1)
    await rig.client.ended()
    expect(rig.client.received.map(brief).at(-1)).toBe('E 57P01')
  })
})

describe('a client that does not read', () => {
  const OUTBOX = 16 * 1024
  const LONG = 50_000

  /** 30 MB of answers: more than the kernel takes over a loopback connection. */
  test.each([
    ['the server’s', (index: number) => [query(`read open #${String(index).padStart(LONG, '7')}`)], 200],
    ['our own', () => [bind('x'.repeat(LONG)), SYNC], 600],
  ])('is not given %s answers out of our memory, and gets the rest when it reads again', async (_, asks, count) => {
    const rig = await rigOf({ options: { outboxBytes: OUTBOX } })
    rig.client.pause()
    const many = Array.from({ length: count }, (_unused, index) => asks(index)).flat()
    await rig.client.play(many, [], () => new Promise(setImmediate))
    await settles(() => rig.socket.bytesWritten)
    expect(rig.socket.bytesWritten).toBeGreaterThan(OUTBOX)
    expect(rig.socket.writableLength).toBeLessThan(OUTBOX + 4 * LONG)
    expect(rig.socket.bytesRead).toBeLessThan(count * LONG)
    rig.client.resume()
    await rig.client.settled()
    expect(rig.client.ready).toBe(count)
    expect(rig.log).toEqual([])
  })
})

/** Until a number that grows has grown, and then stopped. */
async function settles(count: () => number): Promise<void> {
  for (let last = 0, calm = 0; calm < 3; calm = count() > 0 && count() === last ? calm + 1 : 0) {
    last = count()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describe('what a client leaves lying about', () => {
  test('an open transaction that nothing comes for ends the session', async () => {
    const rig = await rigOf({ options: { idleTransactionMs: 20 } })
    expect(await ask(rig, query('begin #1'))).toEqual(['C BEGIN', 'Z T'])
    await rig.client.ended()
    expect(lastError(rig).get('C')).toBe('25P03')
    await rig.server.closed
  })

  test('a session outside a transaction may say nothing for as long as it likes', async () => {
    const rig = await rigOf({ options: { idleTransactionMs: 1 } })
    await ask(rig, query('begin #1; commit #2'))
    await quiet()
    expect(await ask(rig, query('read open #3'))).toContain('C SELECT 3')
  })

  test('one prepared statement, or portal, too many is refused, and the others stand', async () => {
    const rig = await rigOf({ options: { kept: { names: 2, bytes: 1000 } } })
    await ask(rig, parse('read open #1', 'a'), parse('read open #2', 'b'), SYNC)
    expect(await ask(rig, parse('read open #3', 'c'), bind('c'), execute, SYNC)).toEqual(['E 54000', 'Z I'])
    const named = (portal: string): FrontendMessage => ({ ...bind('a'), portal })
    expect(await ask(rig, named('p'), named('q'), named('r'), SYNC)).toEqual([
      'bindComplete',
      'bindComplete',
      'E 54000',
      'Z I',
    ])
    expect(await ask(rig, bind('b'), execute, SYNC)).toContain('D read open #2')
    await ask(rig, { kind: 'close', target: 'statement', name: 'a' }, SYNC)
    expect(await ask(rig, ...run('read open #4'), SYNC)).toContain('D read open #4')
  })

  test('one batch may use the unnamed statement and portal any number of times', async () => {
    const rig = await rigOf({ options: { kept: { names: 2, bytes: 1000 } } })
    const answers = await ask(rig, ...[1, 2, 3, 4, 5].flatMap((n) => run(`read open #${n}`)), SYNC)
    expect(answers.filter((answer) => answer.startsWith('C'))).toHaveLength(5)
    const failing = [...run('fail open #6'), ...[7, 8, 9].flatMap((n) => run(`read open #${n}`)), SYNC]
    expect((await ask(rig, ...failing)).slice(-2)).toEqual([expect.stringMatching(/^E /), 'Z I'])
  })

  test('messages that no Sync follows are decided as if Flush had come', async () => {
    const rig = await rigOf()
    const many = Array.from({ length: 1500 }, (_, n) => parse(`read open #${n}`))
    await rig.client.play(many, [], AT_ONCE)
    await vi.waitFor(() => expect(rig.server.received).toHaveLength(1000), { timeout: 20_000 })
    expect(await ask(rig, SYNC)).toContain('Z I')
    expect(rig.server.received).toHaveLength(1500)
  })
})

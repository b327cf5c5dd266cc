import { describe, expect, test } from 'vitest'
import type { Reconciliation } from '../../../../planes/postgres/index.ts'
import { NINE, TwoAccounts, type Backend } from './two-accounts.ts'

const GATEWAY: Backend = { pid: 4242, port: 50_000, started: NINE + 1000 }

/** Both were there before anything happened. */
function begin(accounts: TwoAccounts): void {
  accounts.now = NINE - 30_000
  accounts.record({ event: 'writer.opened' })
  accounts.logged({ pid: 1, port: 1, started: NINE - 60_000 }, 'checkpoint starting: time')
}

/** A session of the gateway's with some statements, and time around it. */
function ordinary(accounts: TwoAccounts): void {
  begin(accounts)
  accounts.session('s1', GATEWAY)
  for (let n = 0; n < 10; n += 1) accounts.both(GATEWAY, 's1', `d${n}`, `SELECT ${'abc'.charAt(n % 3)}`)
}

async function judge(
  accounts: TwoAccounts,
  options: Parameters<TwoAccounts['reconcile']>[0] = {},
): Promise<Reconciliation> {
  accounts.now += 600_000
  accounts.record({ event: 'log.checkpoint' })
  accounts.logged({ pid: 1, port: 1, started: NINE - 60_000 }, 'checkpoint complete')
  return accounts.reconcile(options)
}

test('two accounts of the same match', async () => {
  using accounts = new TwoAccounts()
  ordinary(accounts)
  expect(await judge(accounts)).toMatchObject({ status: 'matched', matched: 10, unjudged: [] })
})

test.each<[string, Partial<Backend>, string | null]>([
  ['who gets the same process id and port when the session has ended', { started: NINE + 3000 }, 'that is'],
  ['who gets the same process id from another port', { port: 50_001, started: NINE + 3000 }, '10.0.0.1:50001'],
  ['who gets the same process id and port an hour later', { started: NINE + 3_600_000 }, 'started 3599 s after'],
  ['who comes from another host', { address: '10.0.0.9', started: NINE + 3000 }, 'from 10.0.0.9:50000'],
  ['who has another role', { user: 'dba', started: NINE + 3000 }, 'as role dba'],
  ['who has another process id', { pid: 77 }, null],
])('%s is not the gateway, even with its own words', async (_, other, note) => {
  using accounts = new TwoAccounts()
  ordinary(accounts)
  const intruder = { ...GATEWAY, ...other }
  accounts.now = Math.max(accounts.now, intruder.started) + 100
  accounts.logged(intruder, 'execute <unnamed>: SELECT a')
  const report = await judge(accounts)
  expect(report.around).toHaveLength(1)
  expect(report.around[0]?.note ?? '').toContain(note ?? '')
  expect(report.matched).toBe(10)
  expect(report.status).toBe('unmatched')
})

test('a session that takes the place of one whose rows are gone is not it', async () => {
  using accounts = new TwoAccounts()
  begin(accounts)
  accounts.session('s1', GATEWAY)
  accounts.decided('s1', 'd1', 'SELECT a')
  accounts.now += 20_000
  accounts.logged({ ...GATEWAY, started: accounts.now }, 'execute <unnamed>: SELECT a')
  const report = await judge(accounts)
  expect(report.around).toHaveLength(1)
  expect(report.unlogged).toHaveLength(1)
})

test('one more of the same within the gateway’s session is named', async () => {
  using accounts = new TwoAccounts()
  ordinary(accounts)
  accounts.logged(GATEWAY, 'statement: SELECT c')
  const report = await judge(accounts)
  expect(report.around).toMatchObject([{ text: 'SELECT c', note: expect.stringContaining('no record of it') }])
})

test('clocks that are apart are compared, and too far apart is said', async () => {
  using accounts = new TwoAccounts()
  accounts.skew = 3000
  ordinary(accounts)
  const report = await judge(accounts)
  expect(report).toMatchObject({ status: 'matched', matched: 10 })
  expect(report.clocks).toEqual({ least: 3, most: 3 })

  using far = new TwoAccounts()
  far.skew = 60_000
  ordinary(far)
  const lost = await judge(far)
  expect(lost.status).toBe('unmatched')
  expect(lost.around[0]?.note).toContain('60 s after')
  expect(await far.reconcile({ skewMs: 61_000 })).toMatchObject({ matched: 10, around: [] })
})

test('translated addresses are compared only where that is not said', async () => {
  using accounts = new TwoAccounts()
  const seen = { ...GATEWAY, port: 999, address: '192.168.0.1' }
  accounts.record({ event: 'writer.opened' })
  accounts.session('s1', GATEWAY)
  accounts.decided('s1', 'd1', 'SELECT a')
  accounts.logged(seen, 'statement: SELECT a')
  expect((await judge(accounts)).around).toHaveLength(1)
  expect(await accounts.reconcile({ translated: true })).toMatchObject({ matched: 1, around: [] })
})

test('texts that retention erased match by their place', async () => {
  using accounts = new TwoAccounts()
  begin(accounts)
  accounts.session('s1', GATEWAY)
  for (let n = 0; n < 3; n += 1) {
    accounts.decided('s1', `d${n}`, null)
    accounts.logged(GATEWAY, `execute <unnamed>: SELECT ${n}`)
  }
  expect(await judge(accounts)).toMatchObject({ status: 'matched', untold: 3 })
})

test('a log by duration may leave out what was quick: that is not judged', async () => {
  using accounts = new TwoAccounts()
  begin(accounts)
  accounts.session('s1', GATEWAY)
  accounts.decided('s1', 'd1', 'SELECT a')
  accounts.logged(GATEWAY, 'duration: 0.1 ms  parse <unnamed>: SELECT a')
  accounts.logged(GATEWAY, 'duration: 0.1 ms  bind <unnamed>: SELECT a')
  accounts.logged(GATEWAY, 'duration: 0.1 ms  execute <unnamed>: SELECT a')
  accounts.decided('s1', 'd2', 'SELECT b')
  const report = await judge(accounts)
  expect(report).toMatchObject({ status: 'incomplete', matched: 1, unlogged: [] })
  expect(report.unjudged[0]?.reason).toContain('how long they took')
})

test('pgAudit’s lines: one statement each, however many tables, texts and functions are in it', async () => {
  using accounts = new TwoAccounts()
  begin(accounts)
  accounts.session('s1', GATEWAY)
  for (const [index, text] of ['SELECT $1', 'SELECT $1, $2', 'SELECT x FROM t, u'].entries())
    accounts.decided('s1', `d${index}`, text)
  const both = 'SELECT 1; SELECT 2, 3'
  accounts.logged(GATEWAY, `AUDIT: SESSION,1,1,READ,SELECT,,,"${both}",<none>`)
  accounts.logged(GATEWAY, `AUDIT: SESSION,2,1,READ,SELECT,,,"${both}",<none>`)
  accounts.logged(GATEWAY, 'AUDIT: SESSION,3,1,READ,SELECT,TABLE,public.t,"SELECT x FROM t, u",<none>')
  accounts.logged(GATEWAY, 'AUDIT: SESSION,3,1,READ,SELECT,TABLE,public.u,"SELECT x FROM t, u",<none>')
  accounts.logged(GATEWAY, 'AUDIT: SESSION,3,2,READ,SELECT,,,SELECT 9,<none>')
  expect(await judge(accounts)).toMatchObject({ status: 'matched', matched: 3, around: [] })
})

test('where pgAudit tells again what log_statement has told, nothing is counted twice', async () => {
  using accounts = new TwoAccounts()
  ordinary(accounts)
  accounts.decided('s1', 'dx', 'SELECT x')
  accounts.logged(GATEWAY, 'statement: SELECT x')
  accounts.logged(GATEWAY, 'AUDIT: SESSION,1,1,READ,SELECT,,,SELECT x,<none>')
  accounts.logged({ ...GATEWAY, pid: 5 }, 'statement: SELECT ssn FROM t')
  accounts.logged({ ...GATEWAY, pid: 5 }, 'AUDIT: SESSION,1,1,READ,SELECT,,,SELECT ssn FROM t,<none>')
  const report = await judge(accounts)
  expect(report).toMatchObject({ matched: 11, aroundCount: 1 })
})

test('logging turned down while the server ran leaves a doubt', async () => {
  using accounts = new TwoAccounts()
  ordinary(accounts)
  accounts.logged({ pid: 1, port: 1, started: NINE - 60_000 }, 'parameter "log_statement" changed to "none"')
  expect(await judge(accounts)).toMatchObject({
    status: 'incomplete',
    unjudged: [{ reason: expect.stringContaining('log_statement') }],
  })
})

test('a period that one of the two doesn’t cover is not judged whole', async () => {
  using accounts = new TwoAccounts()
  ordinary(accounts)
  const report = await judge(accounts, { from: NINE - 3_600_000, to: NINE + 7_200_000 })
  const reasons = report.unjudged.map(({ reason }) => reason)
  expect(reasons).toContain('evidence begins after the period does')
  expect(reasons).toContain('the log ends before the period does')
  expect(report.status).toBe('incomplete')
})

test('an intruder with more to say than anyone can read is counted whole and told in part', async () => {
  using accounts = new TwoAccounts()
  ordinary(accounts)
  for (let n = 0; n < 3000; n += 1) accounts.logged({ ...GATEWAY, pid: 9 }, `statement: SELECT ${n}`)
  const report = await judge(accounts)
  expect([report.aroundCount, report.around.length]).toEqual([3000, 1000])
})

describe('a read that the server has and evidence has not, of a gateway that died', () => {
  const other: Backend = { pid: 4343, port: 50_001, started: NINE + 1500 }

  /** `before`: milliseconds from that read to the gateway's last record, which is of another session, or of its own. */
  async function died(before: number, last: 's1' | 's2'): Promise<Reconciliation> {
    using accounts = new TwoAccounts()
    ordinary(accounts)
    accounts.session('s2', other)
    accounts.logged(GATEWAY, 'execute <unnamed>: SELECT z')
    accounts.now += before
    accounts.both(last === 's1' ? GATEWAY : other, last, 'd-last', 'SELECT b')
    accounts.now += 1000
    accounts.record({ event: 'writer.recovered', writer_id: 'gw.2', detail: { writer_id: 'gw.1' } })
    return await judge(accounts)
  }

  test('was on its way, though others were recorded while its record waited', async () => {
    const report = await died(40, 's2')
    expect(report.around).toEqual([])
    expect(report.unjudged).toMatchObject([{ reason: expect.stringContaining('on its way when the gateway died') }])
  })

  test('is one around the gateway where its record had long been due', async () => {
    expect((await died(400, 's2')).around).toMatchObject([{ text: 'SELECT z' }])
  })

  test('is one around the gateway where its own session recorded another behind it', async () => {
    expect((await died(40, 's1')).around).toMatchObject([{ text: 'SELECT z' }])
  })
})

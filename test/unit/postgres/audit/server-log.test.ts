import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { csvRow, parseCsvRow } from '../../../../planes/postgres/audit/csv.ts'
import { LogClock } from '../../../../planes/postgres/audit/log-clock.ts'
import type { LogLine } from '../../../../planes/postgres/audit/log-line.ts'
import { LogRows } from '../../../../planes/postgres/audit/log-rows.ts'
import { changedSetting, statementOf } from '../../../../planes/postgres/audit/log-statement.ts'
import { openServerLog, readServerLog } from '../../../../planes/postgres/audit/server-log.ts'

const directory = mkdtempSync(join(tmpdir(), 'countersign-log-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const START = Date.parse('2026-11-25T09:00:00Z')

/** One row of csvlog as PostgreSQL 18 writes it. */
function row(number: number, message: string, more: Partial<Record<number, string>> = {}): string {
  const fields: (string | null)[] = Array.from({ length: 26 }, () => null)
  const seconds = Math.floor(START / 1000)
  fields[0] = '2026-11-25 09:00:01.500 UTC'
  fields[1] = 'gateway'
  fields[2] = 'bank'
  fields[3] = String(0x2a)
  fields[4] = '10.0.0.1:50000'
  fields[5] = `${seconds.toString(16)}.2a`
  fields[6] = String(number)
  fields[8] = '2026-11-25 09:00:00 UTC'
  fields[11] = 'LOG'
  fields[12] = '00000'
  fields[13] = message
  for (const [index, text] of Object.entries(more)) fields[Number(index)] = text ?? null
  return `${csvRow(fields)}\n`
}

async function read(...texts: string[]): Promise<{ lines: LogLine[]; damaged: number[]; torn: boolean[] }> {
  const paths = texts.map((text, index) => {
    const path = join(directory, `${index}.log`)
    writeFileSync(path, text)
    return path
  })
  const all: { lines: LogLine[]; damaged: number[]; torn: boolean[] } = { lines: [], damaged: [], torn: [] }
  for await (const { lines, damaged, torn } of readServerLog(await openServerLog(paths))) {
    all.lines.push(...lines)
    all.damaged.push(...damaged)
    all.torn.push(torn)
  }
  return all
}

const messages = fc.array(fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', 'é', ' ') }), { maxLength: 20 })

describe('rows', () => {
  test('any text comes back, however the bytes are cut', () => {
    const property = fc.property(messages, fc.array(fc.nat(400)), (texts, cuts) => {
      const bytes = Buffer.from(texts.map((text, index) => row(index + 1, text)).join(''))
      const found: string[] = []
      const rows = new LogRows('csv', ({ text }) => {
        found.push(parseCsvRow(text)?.[13] ?? 'unreadable')
        return true
      })
      const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].toSorted((a, b) => a - b)
      for (const [index, place] of places.slice(1).entries()) rows.push(bytes.subarray(places[index], place))
      expect(rows.end()).toBe(false)
      expect(found).toEqual(texts)
    })
    fc.assert(property)
  })

  test('lines are counted as an editor counts them', async () => {
    const { lines } = await read(row(1, 'a\nb\nc') + row(2, 'd') + row(3, 'e'))
    expect(lines.map(({ line }) => line)).toEqual([1, 4, 5])
  })

  test('what a dying server left of a row hides none behind it', async () => {
    const whole = row(1, 'statement: SELECT 1')
    const half = row(2, 'statement: SELECT "half').slice(0, -40)
    const { lines, damaged } = await read(
      `${whole}${half}\n${row(3, 'statement: SELECT "3"')}${row(4, 'statement: SELECT 4')}`,
    )
    expect(lines.map(({ number }) => number)).toEqual([1, 3, 4])
    expect(damaged.length).toBeGreaterThan(0)
  })

  test('every cut of a file is torn at its end or whole', async () => {
    const text = row(1, "statement: SELECT 'a\n\"b'") + row(2, 'statement: SELECT 2')
    const first = row(1, "statement: SELECT 'a\n\"b'").length
    for (let end = first; end < text.length; end += 7) {
      const { lines, damaged } = await read(text.slice(0, end))
      expect(lines.map(({ number }) => number)).toEqual([1])
      expect(damaged).toEqual([])
    }
  })

  test('a row that claims another process than its session does is none', async () => {
    const { lines, damaged } = await read(row(1, 'one') + row(2, 'two', { 3: '43' }))
    expect([lines.length, damaged]).toEqual([1, [2]])
  })

  test('files are put in the order of their times, empty ones aside', async () => {
    const later = row(2, 'later', { 0: '2026-11-25 10:00:00.000 UTC' })
    const { lines } = await read(later, '', row(1, 'sooner'))
    expect(lines.map(({ message }) => message)).toEqual(['sooner', 'later'])
  })
})

describe('times', () => {
  test('an abbreviation means what the sessions of the log show', () => {
    const clock = new LogClock()
    clock.learn('2026-07-01 12:00:00 IST', Date.parse('2026-07-01T06:30:00Z'))
    expect(clock.read('2026-07-01 12:00:01.250 IST')).toBe(Date.parse('2026-07-01T06:30:01.250Z'))
    expect(clock.read('2026-07-01 12:00:00.000 UTC')).toBe(Date.parse('2026-07-01T12:00:00Z'))
    expect(clock.read('2026-07-01 12:00:00.000 +05')).toBe(Date.parse('2026-07-01T07:00:00Z'))
    expect(clock.read('2026-07-01 12:00:00.000 -0330')).toBe(Date.parse('2026-07-01T15:30:00Z'))
    expect(clock.read('yesterday')).toBeUndefined()
  })
})

/** A row of which only this is read. */
function line(message: string, severity = 'LOG'): LogLine {
  const nothing = { time: 0, user: '', database: '', pid: 0, client: null, session: '', number: 1, started: 0 }
  return { ...nothing, severity, sqlstate: '00000', message, query: '', application: '', line: 1 }
}

describe('what a message tells', () => {
  test.each([
    ['statement: SELECT 1', 'SELECT 1'],
    ['execute <unnamed>: SELECT $1', 'SELECT $1'],
    ['execute s1/portal: SELECT $1', 'SELECT $1'],
    ['execute fetch from <unnamed>/c: SELECT $1', 'SELECT $1'],
    ['duration: 0.123 ms  statement: SELECT 1', 'SELECT 1'],
    ['duration: 0.123 ms  execute <unnamed>: SELECT 1', 'SELECT 1'],
    ['AUDIT: SESSION,1,1,READ,SELECT,,,"select 1, ""x""",<none>', 'select 1, "x"'],
    ['fastpath function call: "lo_open" (OID 952)', 'fastpath function call: "lo_open" (OID 952)'],
    ['received replication command: BASE_BACKUP', 'received replication command: BASE_BACKUP'],
    ['duration: 0.123 ms', undefined],
    ['duration: 0.123 ms  parse <unnamed>: SELECT 1', undefined],
    ['duration: 0.123 ms  bind <unnamed>: SELECT 1', undefined],
    ['connection authorized: user=a database=b', undefined],
    ['checkpoint starting: time', undefined],
  ])('%s', (message, text) => {
    expect(statementOf(line(message))?.text).toBe(text)
  })

  test('an error is no statement, whatever its text', () => {
    expect(statementOf(line('statement: SELECT 1', 'ERROR'))).toBeUndefined()
  })

  test('logging that is turned down is told', () => {
    expect(changedSetting(line('parameter "log_statement" changed to "none"'))).toBe('log_statement')
    expect(changedSetting(line('parameter "work_mem" changed to "8MB"'))).toBeUndefined()
  })
})

describe('pgAudit’s own lines (1.7, under PostgreSQL 15.18)', () => {
  test.each(['csv', 'json'])('in %slog', async (form) => {
    const files = await openServerLog([`test/fixtures/pgaudit/pgaudit.${form}`])
    const told: string[] = []
    for await (const { lines, damaged, torn } of readServerLog(files)) {
      expect([damaged, torn]).toEqual([[], false])
      for (const each of lines) {
        const statement = statementOf(each)
        if (statement?.told === 'pgaudit') told.push(`${statement.statementId} ${statement.nested} ${statement.text}`)
      }
    }
    expect(told).toHaveLength(52)
    expect(told).toContain("3 false insert into t values (1,'a');")
    expect(told).toContain('32 true SELECT 1')
    expect(told.slice(-3)).toEqual([1, 2, 3].map((id) => `${id} false select 1; select 2; select 1`))
  })
})

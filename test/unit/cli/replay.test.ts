import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { main } from '../../../cli/main.ts'
import { COLOURED, endLines, headLines, PLAIN, sessionTable, stepLines } from '../../../cli/replay-text.ts'
import { cells, wrapped } from '../../../cli/wrap.ts'
import { verifierText } from '../../../engine/evidence/index.ts'
import { collectSession, entriesOf, replayOf, type Replay, type Step } from '../../../engine/replay/index.ts'
import { logSigner } from '../evidence/signed.ts'
import { recordedDirectory, SESSION } from '../replay/recorded-session.ts'

const KEY = verifierText(logSigner().verifier)

async function run(argv: readonly string[], terminal: object = {}) {
  let stdout = ''
  let stderr = ''
  const io = {
    stdout: { write: (text: string) => (stdout += text), ...terminal },
    stderr: { write: (text: string) => (stderr += text) },
  }
  const code = await main(['replay', ...argv], { ...io, env: {} })
  return { code, stdout, stderr }
}

let files = ''
beforeAll(() => {
  files = mkdtempSync(join(tmpdir(), 'countersign-replay-'))
})
afterAll(() => rmSync(files, { recursive: true }))

describe('countersign replay', () => {
  test('without a session lists them', async () => {
    const { code, stdout } = await run([await recordedDirectory()])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^SESSION +OPENED +WHO +STATEMENTS +REJECTED +MASKED +HELD +END\n/)
    expect(stdout).toMatch(
      new RegExp(`${SESSION}  2026-04-18 09:00:00.\\d{3} UTC  reconciler \\(olivia\\)  5 +1 +1 +1 +2026`),
    )
  })

  test('plays one, and says that it holds', async () => {
    const { code, stdout, stderr } = await run([await recordedDirectory(), '--session', SESSION, '--log-key', KEY])
    expect(code).toBe(0)
    expect(stdout).toContain('who           │ reconciler, agent of olivia, through olivia\n')
    expect(stdout).toMatch(
      /2 {2}masked {2}postgres\.select on public\.accounts\n {14}│ SELECT name, ssn FROM customers LIMIT \$1\n/,
    )
    expect(stdout).toContain('│ name  ssn (last4)\n')
    expect(stdout).toContain('│ Ann   *******1111\n')
    expect(stdout).toContain('│ held for 1 of payments: approved, and used once\n')
    expect(stdout).toContain('│ ann approved at 1970-01-01 00:00:04.000 UTC: checked by phone\n')
    expect(stdout).toMatch(/HOLDS: every line of this session is what the log says\.\n$/)
    expect(stderr).toContain('a plain directory: nothing is noted in it')
  })

  test('without the log’s key says which it takes', async () => {
    const { code, stdout } = await run([await recordedDirectory(), '--session', SESSION])
    expect(code).toBe(0)
    expect(stdout).toContain('? signature   │ not checked: give the public key of bank.example/gw-1 that you hold\n')
    expect(stdout).toMatch(/HOLDS AS FAR AS IT IS CHECKED\.\n$/)
  })

  test('by another key ends with 1', async () => {
    const other = verifierText(logSigner(8).verifier)
    const { code, stdout } = await run([await recordedDirectory(), '--session', SESSION, '--log-key', other])
    expect(code).toBe(1)
    expect(stdout).toMatch(/DOES NOT HOLD/)
  })

  test('shows only what is asked for', async () => {
    const { stdout } = await run([
      await recordedDirectory(),
      '--session',
      SESSION,
      '--only',
      'rejected',
      '--only',
      'held',
    ])
    expect(stdout).toContain('DELETE FROM transfers')
    expect(stdout).toContain('INSERT INTO transfers')
    expect(stdout).not.toContain('SELECT name')
  })

  test('waits on a terminal as the session did, faster if asked, and colours what it shows', async () => {
    const terminal = { isTTY: true, columns: 80 }
    const { stdout } = await run([await recordedDirectory(), '--session', SESSION, '--speed', '1000'], terminal)
    expect(stdout).toContain('\u001b[31mrejected\u001b[0m')
  })

  test('as JSON is the replay and its check', async () => {
    const { stdout } = await run([await recordedDirectory(), '--session', SESSION, '--json', '--log-key', KEY])
    const told: { readonly steps: readonly unknown[]; readonly check: object } = JSON.parse(stdout)
    expect(told.steps).toHaveLength(5)
    expect(told.check).toMatchObject({ state: 'ok', faults: {} })
  })

  test('makes files for their owner alone, and never over one that is there', async () => {
    const directory = await recordedDirectory()
    const cast = join(files, 'session.cast')
    const html = join(files, 'session.html')
    expect(await run([directory, '--session', SESSION, '--cast', cast, '--html', html])).toMatchObject({
      code: 0,
      stdout: '',
    })
    expect([cast, html].map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600])
    const again = await run([directory, '--session', SESSION, '--cast', cast])
    expect(again.code).toBe(64)
    expect(again.stderr).toContain('EEXIST')
  })

  test.each([
    [['DIRECTORY', '--session', 'none'], 66, 'holds no session "none"'],
    [[], 64, 'expected one directory, or --config'],
    [['DIRECTORY', 'another'], 64, 'expected one directory'],
    [['DIRECTORY', '--only', 'maskd'], 64, '--only: expected one of those below; found "maskd"'],
    [['DIRECTORY', '--speed', '0'], 64, '--speed: expected a number above 0; found "0"'],
    [['DIRECTORY', '--log-key', 'nonsense'], 64, 'a key: expected name+id+key'],
    [['/no/such/directory'], 70, 'ENOENT'],
  ])('%j ends with %i', async (argv, code, said) => {
    const directory = await recordedDirectory()
    const ended = await run(argv.map((word) => (word === 'DIRECTORY' ? directory : word)))
    expect([ended.code, ended.stdout]).toEqual([code, ''])
    expect(ended.stderr).toContain(said)
  })

  test('reads a key out of its file', async () => {
    const file = join(files, 'log.pub')
    writeFileSync(file, `${KEY}\n`)
    const { stdout } = await run([await recordedDirectory(), '--session', SESSION, '--log-key', file])
    expect(stdout).toContain('✓ signature')
  })
})

test('an asciicast has marks where something was rejected, masked or approved, and an end', async () => {
  const cast = join(files, 'marks.cast')
  await run([await recordedDirectory(), '--session', SESSION, '--cast', cast])
  const [header, ...events]: unknown[] = readFileSync(cast, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(header).toEqual({
    version: 3,
    term: { cols: 120, rows: 40 },
    timestamp: Math.floor(Date.UTC(2026, 3, 18, 9) / 1000),
    title: `reconciler, session ${SESSION}`,
  })
  const marks = events.filter((event) => Array.isArray(event) && event[1] === 'm')
  expect(marks.map((event) => Reflect.get(Object(event), 2))).toEqual([
    '2. masked: postgres.select',
    '3. rejected: postgres.delete',
    '4. approved: postgres.select',
  ])
  expect(events.at(-1)).toEqual([0, 'x', '0'])
})

/** A replay in which every text of the agent's is this one. */
function filled(replay: Replay, text: string): Replay {
  const fill = (step: Step): Step => ({
    ...step,
    action: text,
    statement: text,
    parameters: [text, null],
    resources: [{ type: 'table', name: text, parts: [] }],
    reasons: [{ rule: text, message: text, controls: [text] }],
    answer: {
      columns: [{ name: text, mask: null }],
      rows: [[{ kind: 'text', text }]],
      count: 1,
      bytes: 1,
      digest: text,
      kept: 'whole',
      end: text,
      error: null,
      erased: [],
    },
  })
  const viewings = [{ event: 'replay.viewed', at: '2026-04-18T09:00:00.000Z', by: text, reason: text, record: text }]
  return {
    ...replay,
    who: { ...replay.who, id: text, source: text, client: { user: text } },
    steps: replay.steps.map(fill),
    viewings,
  }
}

describe('whatever an agent wrote', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.constantFrom(
      `${'x'.repeat(30)}\u{1f4a9}yy`,
      '\u001b[2J\u001b[H',
      'a\r\nHOLDS: every line',
      '\u202edrop',
      '\u0007\u0008',
      'x'.repeat(500),
      '漢'.repeat(200),
      '\u2028✓ signature   │ signed',
    ),
  )

  test('moves no cursor, hides nothing, and stands behind our bar on every line that a terminal shows', async () => {
    const check = { state: 'ok', checks: [{ name: 'bytes', state: 'ok', found: '' }], faults: new Map() } as const
    const evidence = await collectSession(await recordedDirectory(), SESSION)
    if (evidence === null) throw new Error('no such session')
    const honest = replayOf(SESSION, entriesOf(evidence))
    fc.assert(
      fc.property(hostile, fc.integer({ min: 40, max: 200 }), (text, columns) => {
        const replay = filled(honest, text)
        const options = { paint: COLOURED, columns, rows: 5 }
        const lines = [
          ...headLines(replay, options),
          ...replay.steps.flatMap((step) => stepLines(step, options)),
          ...endLines(replay, check, options),
        ]
        const ours = /\u001b\[(?:\d+)m/g // eslint-disable-line no-control-regex
        for (const line of lines) {
          const bare = line.replaceAll(ours, '')
          expect(bare).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
          expect(cells(bare)).toBeLessThanOrEqual(Math.max(columns, 80))
        }
      }),
      { numRuns: 60 },
    )
  })

  test('breaks into pieces that are no wider than asked, and lose nothing', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 400 }),
        fc.integer({ min: 4, max: 120 }),
        (text, columns) => {
          const pieces = wrapped(text, columns)
          expect(pieces.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''))
          for (const piece of pieces) expect(cells(piece)).toBeLessThanOrEqual(columns)
        },
      ),
      { examples: [['\u2e80\u2028\u2e80', 4]] },
    )
  })

  test('is shown by its code points in the list as well', () => {
    const none = { owner: null, plane: '', closedAt: null, statements: 0, rejected: 0, masked: 0, held: 0 }
    const [, line] = sessionTable([{ session: 's', who: 'a\u001b[2J', openedAt: '2026-04-18T09:00:00.000Z', ...none }])
    expect(line).toContain(String.raw`a\u{1b}[2J`)
  })
})

test('without colours nothing is painted', () => {
  expect(PLAIN('reject', 'rejected')).toBe('rejected')
})

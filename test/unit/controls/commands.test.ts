import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { main } from '../../../cli/main.ts'
import { verifierText } from '../../../engine/evidence/index.ts'
import { logSigner } from '../evidence/signed.ts'
import { scratch } from '../evidence/workbench.ts'
import { ACTIVATED, decision, outcome, signedLog } from './signed-log.ts'

interface Said {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function run(...argv: readonly string[]): Promise<Said> {
  const said = { stdout: '', stderr: '' }
  const stdout = { write: (text: string) => (said.stdout += text) }
  const stderr = { write: (text: string) => (said.stderr += text) }
  const status = await main(argv, { stdout, stderr, env: {} })
  return { status, ...said }
}

const USAGE = 64
const KEY = verifierText(logSigner().verifier)
const log = (): Promise<string> =>
  signedLog([ACTIVATED, decision('forward', 'd'), outcome('d'), decision('reject', 'e')])

describe('controls list', () => {
  test('has what may be cited, by framework, and says whose the labels are', async () => {
    const { status, stdout } = await run('controls', 'list')
    expect(status).toBe(0)
    expect(stdout.match(/^ {2}\S+ +(?:direct|partial|supporting)/gm)).toHaveLength(67)
    expect(stdout).toContain('(its documents number nothing: the ids are labels of ours)')
    expect(stdout).not.toContain('withdrawn')
  })

  test('has all of it on request', async () => {
    const { stdout } = await run('controls', 'list', '--all', '--json')
    const { controls }: { controls: readonly unknown[] } = JSON.parse(stdout)
    expect(controls).toHaveLength(99)
  })
})

describe('controls show', () => {
  test('tells source, certainty, what is measured and what is not shown', async () => {
    const { status, stdout } = await run('controls', 'show', 'AUTH.Scope')
    expect(status).toBe(0)
    for (const said of [
      'labels of ours',
      'V2: secondary sources agree',
      'static secrets = 0',
      'customer authentication',
      'agent.registered',
    ]) {
      expect(stdout).toContain(said)
    }
  })

  test('of an id that isn’t there, suggests the one that was meant', async () => {
    expect(await run('controls', 'show', 'IS.II.C.7c')).toMatchObject({
      status: USAGE,
      stderr: expect.stringContaining('did you mean IS.II.C.7(c)?'),
    })
  })
})

describe('controls coverage', () => {
  test('without evidence, says that none was looked for', async () => {
    const { status, stdout } = await run('controls', 'coverage', '--policy', 'policies/dist/starter.tar.gz')
    expect(status).toBe(0)
    expect(stdout).toContain('67 controls: 67 not looked for')
    expect(stdout).toMatch(/hold-transfer \(1 test\)/)
    expect(stdout).toMatch(/unlisted-relation \(NO TEST\)/)
  })

  test('counts tests in cases and in Rego, and puts first what has no evidence', async () => {
    const given = ['--policy', 'policies/dist/starter.tar.gz', '--tests', 'policies', '--tests', 'test/golden/policies']
    const { stdout } = await run('controls', 'coverage', ...given, '--evidence', await log())
    expect(stdout).not.toContain('NO TEST')
    expect(stdout.indexOf('NO EVIDENCE')).toBeLessThan(stdout.indexOf('Evidenced or supported'))
    expect(stdout).toMatch(
      /IS\.II\.C\.18 .*\n(?: {4}.*\n)+? {4}evidences +3 records, 2 decisions, 2 because a rule names it/,
    )
    expect(stdout).not.toMatch(/compl(?:ies|iant)/i)
  })

  test('looks at a period alone', async () => {
    const { stdout } = await run('controls', 'coverage', '--evidence', await log(), '--from', '2030-01-01', '--json')
    const { controls, period }: { controls: readonly { records: number }[]; period: unknown } = JSON.parse(stdout)
    expect(period).toEqual({ from: '2030-01-01T00:00:00.000Z', to: null })
    expect(controls.every(({ records }) => records === 0)).toBe(true)
  })

  test('of tests that can’t be read, says so', async () => {
    expect(await run('controls', 'coverage', '--tests', '/nowhere')).toMatchObject({
      status: 78,
      stderr: expect.stringContaining('/nowhere: expected a directory'),
    })
  })
})

describe('report', () => {
  test.each(['html', 'pdf', 'csv', 'json'])('writes .%s, the same again', async (format) => {
    const [directory, out] = [await log(), join(scratch(), `report.${format}`)]
    const options = ['--evidence', directory, '--log-key', KEY, '--control', 'IS.II.C.18', '-o', out]
    const first = await run('report', ...options)
    expect(first).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/1 control, 6 records of 6, sha256 [0-9a-f]{64}/),
    })
    const bytes = await readFile(out)
    expect(await run('report', ...options)).toEqual(first)
    expect((await readFile(out)).equals(bytes)).toBe(true)
  })

  test('without a key says that nobody’s signature was checked', async () => {
    const out = join(scratch(), 'r.csv')
    expect(await run('report', '--evidence', await log(), '-o', out)).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('pass --log-key'),
    })
  })

  test('with another key, or without a checkpoint, writes nothing', async () => {
    const out = join(scratch(), 'r.csv')
    const other = verifierText(logSigner(8).verifier)
    const wrong = await run('report', '--evidence', await log(), '--log-key', other, '-o', out)
    expect(wrong).toMatchObject({ status: 74, stderr: expect.stringContaining('ERR_EVIDENCE_TAMPERED') })
    const none = await run('report', '--evidence', scratch(), '-o', out)
    expect(none).toMatchObject({ status: 74, stderr: expect.stringContaining('needs a signed log') })
    await expect(readFile(out)).rejects.toThrow('ENOENT')
  })

  test.each([
    [['-o', 'x.txt', '--evidence', '.'], /expected \.html, \.pdf, \.csv or \.json; found x\.txt/],
    [['--evidence', '.'], /-o: expected a file/],
    [['-o', 'x.pdf'], /--evidence DIR or --config FILE; found neither/],
    [['-o', 'x.pdf', '--evidence', '.', '--from', 'yesterday'], /--from: expected a day or a time/],
    [['-o', 'x.pdf', '--evidence', '.', '--from', '2026-02-31'], /--from: expected a day or a time/],
    [['-o', 'x.pdf', '--evidence', '.', '--to', '2026-01-01T10:00'], /with its zone/],
    [['-o', 'x.pdf', '--evidence', '.', '--control', 'IS.II.C.99'], /no control "IS\.II\.C\.99"/],
    [
      ['-o', 'x.pdf', '--evidence', '.', '--control', 'D3.PC.Am.B.1'],
      /withdrawn framework; ask for .*IS\.II\.C\.7\(b\)/,
    ],
    [['-o', 'x.pdf', '--evidence', '.', '--log-key', 'nonsense'], /--log-key: expected name\+id\+key/],
  ])('refuses %j', async (argv, says) => {
    expect(await run('report', ...argv)).toMatchObject({ status: USAGE, stderr: expect.stringMatching(says) })
  })

  test('leaves what stood there when it fails', async () => {
    const out = join(scratch(), 'r.csv')
    await writeFile(out, 'mine')
    await run('report', '--evidence', scratch(), '-o', out)
    expect(await readFile(out, 'utf8')).toBe('mine')
  })
})

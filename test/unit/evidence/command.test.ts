import { describe, expect, it, test } from 'vitest'
import { main } from '../../../cli/main.ts'
import { crashCopy, fileOf, intent, openLog, scratch, writeSession } from './workbench.ts'

async function run(...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' }
  const to = (name: 'stdout' | 'stderr') => ({ write: (text: string) => (written[name] += text) })
  const code = await main(['evidence', ...argv], { stdout: to('stdout'), stderr: to('stderr'), env: {} })
  return { code, ...written }
}

async function finished(): Promise<string> {
  const directory = scratch()
  const log = await openLog(directory)
  await writeSession(log, 's-1', 2)
  await log.close()
  return directory
}

test.each([
  [[], 'what?\n'],
  [['shov'], 'no command "shov"'],
  [['verifi'], 'did you mean verify?'],
  [['verify'], 'verify needs the directory'],
  [['verify', 'a', 'b'], 'verify takes one directory, found 2'],
  [['verify', 'a', '--jsn'], "Unknown option '--jsn'"],
])('%j is wrong usage', async (argv, why) => {
  const { code, stdout, stderr } = await run(...argv)
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain(why)
  expect(stderr).toContain('usage: countersign evidence ')
})

it('prints its usage when asked', async () => {
  expect(await run('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('usage:'), stderr: '' })
})

describe('exit codes', () => {
  it('0: says what was checked, and what that can’t show', async () => {
    const { code, stdout } = await run('verify', await finished())
    expect(code).toBe(0)
    expect(stdout).toMatch(/records 1–8, 2 frames, closed/)
    expect(stdout).toMatch(/8 records: bytes, leaf hashes, sequence, chain/)
    expect(stdout).toMatch(/decisions: 2 forward\n {2}outcomes: 2 ok\n {2}approvals: none/)
    expect(stdout).toMatch(
      /\nOK: nothing was changed and nothing is missing up to the last record\.\n.*end was cut off/s,
    )
  })

  it('1: names file and line, expected and found', async () => {
    const directory = await finished()
    const file = fileOf(directory, 'records')
    file.write(Buffer.from(file.read().toString().replace('reconciler', 'recanciler')))
    const { code, stdout } = await run('verify', directory)
    expect(code).toBe(1)
    expect(stdout).toMatch(
      / {2}TAMPERED {2}records\/gw-1\.\S+\.ndjson:2 {2}the line was changed\n {4}expected {2}leaf hash \S+ of its own bytes\n {4}found {5}leaf hash/,
    )
    expect(stdout).toContain('\nTAMPERED: ')
  })

  it('2: lists what is in doubt', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    await log.append(intent('d-1')).durable
    const { code, stdout } = await run('verify', crashCopy(directory))
    await log.close()
    expect(code).toBe(2)
    expect(stdout).toMatch(
      /In doubt: .*\n {2}2026-04-18T\S+ {2}decision d-1 {2}postgres\.select by reconciler {2}\(record gw-1\.\S+:2\)/,
    )
    expect(stdout.match(/^ {2}INCOMPLETE /gm)).toHaveLength(1)
    expect(stdout).toContain('\nINCOMPLETE: ')
  })

  it('3: says why not', async () => {
    const { code, stdout } = await run('verify', '/nowhere/at/all')
    expect(code).toBe(3)
    expect(stdout).toContain('ENOENT')
    expect(stdout).toContain("\nCAN'T VERIFY: ")
  })
})

it('gives the report as JSON', async () => {
  const directory = await finished()
  const { code, stdout } = await run('verify', directory, '--json')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    status: 'ok',
    directory,
    records: 8,
    writers: [{ state: 'clean' }],
    findings: [],
  })
})

it('lets no text from a record move the cursor or forge a line', async () => {
  const directory = scratch()
  const log = await openLog(directory)
  await log.append(intent('\u001b[2J\nOK: nothing was changed')).durable
  const { stdout } = await run('verify', crashCopy(directory))
  await log.close()
  expect(stdout).not.toContain('\u001b')
  expect(stdout).not.toMatch(/^OK: /m)
  expect(stdout).toContain(String.raw`\u{1b}[2J\u{a}OK: nothing`)
})

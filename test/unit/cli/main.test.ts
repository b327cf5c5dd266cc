import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { main } from '../../../cli/main.ts'

interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function run(...argv: string[]): Promise<Said> {
  let stdout = ''
  let stderr = ''
  const io = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
  }
  const code = await main(argv, { ...io, env: {} })
  return { code, stdout, stderr }
}

let directory = ''
const file = (name: string, text: string): string => {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'countersign-cli-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const CONFIG = `instance: gw-1
evidence: { directory: ./evidence }
state: { file: ./state.db }
policy: { bundle: ./bundle.tar.gz, verify: none }
identity: { issuers: [{ issuer: 'http://127.0.0.1:1', audience: countersign, algorithms: [RS256] }] }
planes:
  postgres:
    listen: { host: 127.0.0.1, port: 0 }
    plaintext: loopback
    upstream: { host: 127.0.0.1, port: 1, user: gateway, tls: off }
    databases: [bank]
`

describe('a command line that is wrong ends with 64 and says how it goes', () => {
  test.each([
    [['srve'], 'there is no command "srve"; did you mean serve?'],
    [['aprovals', 'list'], 'did you mean approvals?'],
    [['xyz'], '`countersign --help` lists them'],
    [['serve'], '--config: expected a file; found nothing'],
    [['serve', '--config', 'x', '--drain', 'soon'], '--drain: expected a duration such as 10s; found soon'],
    [['serve', '--confg', 'x'], "'--confg'"],
    [['serve', 'x'], "'x'"],
    [['check'], '--config: expected a file; found nothing'],
    [['evidence', 'verfy', 'x'], 'no command "verfy"'],
    [['approvals', 'aprove'], 'aprove'],
    [[], 'usage: countersign <command>'],
  ])('%j', async (argv, expected) => {
    const said = await run(...argv)
    expect(said.code).toBe(64)
    expect(said.stderr).toContain(expected)
    expect(said.stdout).toBe('')
  })

  test('a command named as something that every object has', async () => {
    expect((await run('constructor')).code).toBe(64)
    expect((await run('__proto__')).code).toBe(64)
  })
})

describe('a gateway that can’t start says why and opens nothing', () => {
  test.each([
    [
      'no file',
      () => join(directory, 'nowhere.yaml'),
      78,
      /nowhere\.yaml: expected a readable YAML file; found no such file/,
    ],
    [
      'an unknown plane',
      () => file('a.yaml', CONFIG.replace('postgres:', 'postgers:')),
      78,
      /a\.yaml:7:3: planes\.postgers: there is no such plane; did you mean postgres\?/,
    ],
    [
      'a plane named as something that every object has',
      () => file('b.yaml', CONFIG.replace('postgres:', 'toString:')),
      78,
      /planes\.toString: there is no such plane/,
    ],
    [
      'a fault in a plane’s section',
      () => file('c.yaml', CONFIG.replace('port: 0', 'port: many')),
      78,
      /c\.yaml:8:38: planes\.postgres\.listen\.port: expected a TCP port/,
    ],
    [
      'a password in the file',
      () => file('d.yaml', CONFIG.replace('user: gateway', 'user: gateway, password: hunter2')),
      78,
      /planes\.postgres\.upstream\.password: expected/,
    ],
    ['no bundle', () => file('e.yaml', CONFIG), 78, /bundle\.tar\.gz/],
  ])('%s', async (_, config, code, message) => {
    const said = await run('serve', '--config', config())
    expect(said.code).toBe(code)
    expect(said.stderr).toMatch(message)
    expect(said.stderr).toMatch(/\(ERR_(CONFIG|POLICY)_[A-Z]+\)/)
    expect(said.stderr).not.toContain('hunter2')
    expect(said.stdout).toBe('')
  })
})

describe('check', () => {
  test('stops at a configuration that can’t be read', async () => {
    const said = await run('check', '--config', file('f.yaml', 'instance: [}'))
    expect(said.code).toBe(1)
    expect(said.stdout).toMatch(/^FAIL {2}configuration {2}.*f\.yaml:1:\d+: /)
  })

  test('goes on after each fault and fails for any', async () => {
    const said = await run('check', '--config', file('g.yaml', CONFIG))
    expect(said.code).toBe(1)
    expect(
      said.stdout
        .split('\n')
        .map((line) => line.slice(0, 20).trimEnd())
        .filter((line) => /^\S/.test(line)),
    ).toEqual([
      'ok    configuration',
      'ok    planes',
      'FAIL  policy',
      'FAIL  identity',
      'ok    evidence',
      'ok    state',
      'FAIL  postgres',
    ])
  })
})

describe('what is asked for in the right way', () => {
  test.each([['--help'], ['-h'], ['help']])('%s lists every command', async (flag) => {
    const said = await run(flag)
    expect(said.code).toBe(0)
    for (const command of ['serve', 'check', 'approvals', 'evidence']) expect(said.stdout).toContain(`\n  ${command} `)
  })

  test.each(['serve', 'check', 'approvals', 'evidence'])('%s --help', async (command) => {
    const said = await run(command, '--help')
    expect(said.code).toBe(0)
    expect(said.stdout).toContain(`usage: countersign ${command}`)
  })

  test('--version', async () => {
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

import { execFileSync } from 'node:child_process'
import { beforeAll, expect, test } from 'vitest'
import { countersign } from '../../support/command.ts'

let script: string
beforeAll(async () => {
  script = (await countersign('completion', 'bash')).out
})

/** What a real bash offers for these words, the last of them under the cursor. */
function offered(...words: readonly string[]): string[] {
  const ask = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _countersign; printf '%s\\n' "\${COMPREPLY[@]}"`
  const args = ['--norc', '-c', `${script}\n${ask}`, 'bash', 'countersign', ...words]
  return execFileSync('bash', args, { encoding: 'utf8' }).trim().split('\n')
}

test('commands, their verbs and their options, as bash completes them', () => {
  expect(offered('app')).toEqual(['approvals'])
  expect(offered('')).toEqual(expect.arrayContaining(['serve', 'request', 'grants', 'completion', '--help']))
  expect(offered('approvals', '')).toEqual(expect.arrayContaining(['list', 'show', 'approve', 'deny', 'watch']))
  expect(offered('approvals', 'approve', '--r')).toEqual(['--reason'])
  expect(offered('request', '--b')).toEqual(['--break-glass'])
  expect(offered('policy', 'rep')).toEqual(['replay'])
  expect(offered('nothing', '')).toEqual([''])
})

test('every command of the program is in each shell’s script', async () => {
  const { out: usage } = await countersign('--help')
  const names = [...usage.matchAll(/^ {2}([a-z][a-z-]*) {2,}/gm)].map(([, name = '']) => name)
  expect(names.length).toBeGreaterThan(12)
  const [zsh, fish] = await Promise.all([countersign('completion', 'zsh'), countersign('completion', 'fish')])
  for (const name of names) {
    for (const listing of [script, zsh.out]) expect(listing).toMatch(new RegExp(`offered='(?:.* )?${name} `))
    expect(fish.out).toContain(` -a ${name} `)
  }
})

test('an apostrophe in a summary ends no quote in fish', async () => {
  const { out } = await countersign('completion', 'fish')
  expect(out).toContain(String.raw`-d 'credentials for the gateway\'s queues`)
  for (const line of out.split('\n').slice(1)) {
    expect(line.replaceAll(/\\[\\']/g, '').split("'").length % 2).toBe(1)
  }
})

test('another shell is wrong usage', async () => {
  expect(await countersign('completion', 'powershell')).toMatchObject({ code: 64 })
  expect(await countersign('completion')).toMatchObject({ code: 64 })
})

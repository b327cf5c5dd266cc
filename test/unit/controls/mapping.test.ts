import { execFileSync } from 'node:child_process'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isCitable, loadControlPack, SHIPPED_CONTROLS } from '../../../engine/controls/index.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

let home: ReturnType<typeof temporaryDirectory>
const at = (name: string): string => join(home.path, name)

beforeEach(async () => {
  home = temporaryDirectory()
  await cp(SHIPPED_CONTROLS, home.path, { recursive: true })
})
afterEach(() => home[Symbol.dispose]())

/** The shipped pack with one text changed in one file. */
async function changed(name: string, from: string | RegExp, to: string): Promise<void> {
  const text = await readFile(at(name), 'utf8')
  const next = text.replace(from, to)
  expect(next).not.toBe(text)
  await writeFile(at(name), next)
}

describe('the pack that comes with the gateway', () => {
  test('has 99 controls of six frameworks, 67 of which may be cited', async () => {
    const pack = await loadControlPack()
    expect(pack.controls.size).toBe(99)
    expect(pack.frameworks).toHaveLength(6)
    expect([...pack.controls.values()].filter(isCitable)).toHaveLength(67)
  })

  test('has the digest that sha256sum prints, as its index documents', async () => {
    const { digest } = await loadControlPack()
    const names = ['pack.yaml', ...(await readFile(at('pack.yaml'), 'utf8')).matchAll(/^ {2}- (\S+)$/gm)].map((name) =>
      typeof name === 'string' ? name : (name[1] ?? ''),
    )
    const command = `sha256sum ${names.join(' ')} | sha256sum`
    expect(execFileSync('sh', ['-c', command], { cwd: home.path, encoding: 'utf8' })).toBe(`${digest}  -\n`)
  })

  test('says of every current control what is not shown, and of every direct one what is measured', async () => {
    const { controls } = await loadControlPack()
    const current = [...controls.values()].filter(({ status }) => status === 'current')
    expect(current.filter(({ notShown }) => notShown === null)).toEqual([])
    expect(current.filter(({ strength, metric }) => strength === 'direct' && metric === null)).toEqual([])
    expect(current).toHaveLength(69)
  })

  test('has ids and titles alone where the wording is licensed', async () => {
    const { controls } = await loadControlPack()
    const licensed = [...controls.values()].filter(({ framework }) => framework.startsWith('Cyber Risk Institute'))
    expect(licensed.map(({ paraphrase }) => paraphrase)).toEqual([null, null, null])
  })

  test('tells which ids are labels of ours', async () => {
    const { controls } = await loadControlPack()
    const ours = [...controls.values()].filter(({ identifiers }) => identifiers === 'ours').map(({ id }) => id)
    expect(ours.every((id) => /^(?:AUTH|GLBA)\./.test(id))).toBe(true)
    expect(ours).toHaveLength(10)
  })
})

describe('a pack is refused when', () => {
  const wrongs: readonly (readonly [why: string, file: string, from: string | RegExp, to: string, says: RegExp])[] = [
    ['it has an id twice', 'glba.yaml', 'id: GLBA.III.D', 'id: IS.II.C.18', /glba\.yaml: .*IS\.II\.C\.18 again/],
    ['an event is none of ours', 'glba.yaml', 'session.recorded', 'session.taped', /GLBA\..*session\.taped/],
    ['a direct control has no metric', 'nist-csf-2.yaml', /^ {4}metric: .*\n/m, '', /controls\/0.*metric/],
    ['what is not shown is hidden', 'nist-csf-2.yaml', /^ {4}not_shown: .*\n/m, '', /not_shown/],
    ['a member is nobody’s', 'glba.yaml', 'status: current', 'status: current\nverdict: complies', /"verdict"/],
    ['a key stands twice', 'glba.yaml', 'status: current', 'status: current\nstatus: legacy', /glba\.yaml.*unique/i],
    ['the index names a path', 'pack.yaml', '- glba.yaml', '- ../glba.yaml', /files\/2/],
    ['the index forgets a file', 'pack.yaml', '  - glba.yaml\n', '', /no glba\.yaml/],
    ['a file is gone', 'pack.yaml', '- glba.yaml', '- other.yaml', /no glba\.yaml|other\.yaml/],
    ['the index has no version', 'pack.yaml', /version: .*\n/, '', /version/],
    ['it is no YAML', 'glba.yaml', 'controls:', 'controls: [', /YAML/],
  ]
  test.for(wrongs)('%s', async ([, file, from, to, says]) => {
    await changed(file, from, to)
    await expect(loadControlPack(home.path)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_CONTROLS', message: expect.stringMatching(says) }),
    )
  })

  test('it is not there', async () => {
    await expect(loadControlPack(at('nowhere'))).rejects.toMatchObject({ code: 'ERR_CONFIG_CONTROLS' })
    await rm(at('glba.yaml'))
    await expect(loadControlPack(home.path)).rejects.toMatchObject({ code: 'ERR_CONFIG_CONTROLS' })
  })
})

test('any change of any byte is another digest', async () => {
  const { digest } = await loadControlPack(home.path)
  await changed('cat-legacy.yaml', /^# /, '#  ')
  expect((await loadControlPack(home.path)).digest).not.toBe(digest)
})

import { access, cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test, type TestContext } from 'vitest'
import { openBundle } from '../../../engine/policy/index.ts'
import { readJson, regoc, ROOT, scratchPack, type Run } from './compiler.ts'

const RULE = `package countersign.postgres

import data.countersign.lib

# METADATA
# title: Some rule
# custom:
#   id: some-rule
#   controls: [IS.II.C.18]
forward contains lib.tagged(rego.metadata.rule(), {}) if input.action.class == "read"
`

async function build(
  context: TestContext,
  pack: string,
  ...more: readonly string[]
): Promise<Run & { readonly out: string }> {
  const out = join(dirname(pack), 'out', 'bundle.tar.gz')
  return { ...(await regoc(context, ['build', '--pack', pack, '--out', out, ...more])), out }
}

const written = async (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

describe('build refuses, and writes nothing, when', () => {
  test('check does', async (context) => {
    const { code, report, out } = await build(
      context,
      await scratchPack(context, { 'a.rego': RULE.replace('18]', '99]') }),
    )
    expect(code).toBe(1)
    expect(report?.findings).toEqual([expect.objectContaining({ code: 'unknown_control' })])
    expect(await written(out)).toBe(false)
  })

  test('a self-test vector wants another answer than the policy gives', async (context) => {
    const vector = Object(await readJson('policies/bank/self-test/forward-read.json'))
    const files = {
      'a.rego': RULE,
      'self/one.json': JSON.stringify({ ...vector, result: { ...vector.result, verdict: 'mask' } }),
    }
    const { code, stderr, out } = await build(context, await scratchPack(context, files, { self_test: 'case/self' }))
    expect(code).toBe(2)
    expect(stderr).toMatch(/one\.json: the policy answers \{.*"verdict":"forward"/)
    expect(await written(out)).toBe(false)
  })

  test('a vector carries a result that it does not check', async (context) => {
    const files = { 'a.rego': RULE, 'self/one.json': '{"plane":"postgres","input":{"action":{"class":"read"}}}' }
    const { code } = await build(context, await scratchPack(context, files, { self_test: 'case/self' }))
    expect(code).toBe(2)
  })

  test('self-tests are promised and there are none', async (context) => {
    const { code, stderr } = await build(
      context,
      await scratchPack(context, { 'a.rego': RULE }, { self_test: 'case/self' }),
    )
    expect(code).toBe(2)
    expect(stderr).toContain('at least one')
  })

  test('a source is a link, which could lead anywhere', async (context) => {
    const pack = await scratchPack(context, { 'a.rego': RULE })
    await symlink('/etc/hostname', join(dirname(pack), 'case', 'b.rego'))
    const { code, stderr } = await build(context, pack)
    expect(code).toBe(2)
    expect(stderr).toContain('b.rego: expected a regular file')
  })

  test('data would take the place of rules', async (context) => {
    const files = { 'a.rego': RULE, 'data/a.yaml': 'countersign: { postgres: { reject: [] } }' }
    const { code, stderr } = await build(context, await scratchPack(context, files))
    expect(code).toBe(2)
    expect(stderr).toContain('"countersign" is already taken')
  })
})

describe('a bundle', () => {
  test('has the same bytes wherever and whenever it is built', async (context) => {
    const home = await mkdtemp(join(tmpdir(), 'countersign-elsewhere-'))
    context.onTestFinished(() => rm(home, { recursive: true, force: true }))
    const { planes } = Object(await readJson('policies/starter.json'))
    const schemas = planes.map(({ schema }: { readonly schema: string }) => join('policies', schema))
    for (const path of ['policies', 'compliance-mappings', ...schemas]) {
      await cp(join(ROOT, path), join(home, path), { recursive: true })
    }
    const { out, code } = await build(context, join(home, 'policies', 'starter.json'))
    expect(code).toBe(0)
    const committed = await readFile(join(ROOT, 'policies/dist/starter.tar.gz'))
    expect(committed.equals(await readFile(out))).toBe(true)
  })

  test('tells its compiler, capabilities, rules and, only when told, its commit', async (context) => {
    const pack = await scratchPack(context, { 'a.rego': RULE })
    const plain = await build(context, pack)
    const { metadata, reference } = await openBundle(plain.out, { kind: 'unsigned' })
    expect(reference.revision).toMatch(/^scratch-[0-9a-f]{32}$/)
    expect(metadata).toMatchObject({ pack: 'scratch', compiler: 'opa 1.22.2', self_test: [] })
    expect(metadata).not.toHaveProperty('source')
    expect(metadata.rules).toContainEqual({
      id: 'some-rule',
      verdict: 'forward',
      title: 'Some rule',
      controls: ['IS.II.C.18'],
      file: 'case/a.rego',
      line: 10,
    })
    const told = await build(context, pack, '--revision', 'r7', '--git-revision', 'abc', '--git-dirty')
    const second = await openBundle(told.out, { kind: 'unsigned' })
    expect(second.reference.revision).toBe('r7')
    expect(second.metadata.source).toEqual({ revision: 'abc', dirty: true })
  })

  test('keeps its data outside the module, so that new data can be set', async (context) => {
    const rule = RULE.replace('input.action.class == "read"', 'input.principal.id in data.friends')
    const { out } = await build(
      context,
      await scratchPack(context, { 'a.rego': rule, 'data/friends.yaml': 'friends: [canary-7f3a]' }),
    )
    const { data } = await openBundle(out, { kind: 'unsigned' })
    expect(data.friends).toEqual(['canary-7f3a'])
    expect((await readFile(out)).toString('latin1').split('canary-7f3a')).toHaveLength(2)
  })

  test('leaves a bundle that is there alone when the next one fails', async (context) => {
    const pack = await scratchPack(context, { 'a.rego': RULE })
    const { out } = await build(context, pack)
    const before = await readFile(out)
    await writeFile(join(dirname(pack), 'case', 'a.rego'), `${RULE}\nx := input.nothing\n`)
    expect((await build(context, pack)).code).toBe(1)
    expect((await readFile(out)).equals(before)).toBe(true)
  })
})

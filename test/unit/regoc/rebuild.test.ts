import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { regoc, ROOT } from './compiler.ts'

describe('policies/dist is what policies/ compiles to, byte for byte:', () => {
  test.for(['starter', 'allow-all'])('%s', async (name, context) => {
    const home = await mkdtemp(join(tmpdir(), 'countersign-rebuild-'))
    context.onTestFinished(() => rm(home, { recursive: true, force: true }))
    const built = join(home, 'bundle.tar.gz')
    const { code, stderr } = await regoc(context, ['build', '--pack', `policies/${name}.json`, '--out', built])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const committed = await readFile(join(ROOT, 'policies', 'dist', `${name}.tar.gz`))
    expect(
      committed.equals(await readFile(built)),
      `policies/dist/${name}.tar.gz is stale: node tools/regoc.ts build --pack policies/${name}.json --out policies/dist/${name}.tar.gz`,
    ).toBe(true)
  })
})

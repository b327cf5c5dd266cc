import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { GoMissingError, regocBinary } from '../../../tools/regoc.ts'
import { FIXTURES, contentOf, filesOf, fixture } from './bundles.ts'

describe('code and data of a fixture are what its sources compile to, byte for byte:', () => {
  test.for(['toy', 'traps', 'slow', 'missing-builtin'])('%s', async (name, context) => {
    const compiler = await regocBinary().catch((error: unknown) => {
      if (error instanceof GoMissingError && process.env.CI !== 'true') return context.skip(error.message)
      throw error
    })
    const home = await mkdtemp(join(tmpdir(), 'countersign-fixture-'))
    context.onTestFinished(() => rm(home, { recursive: true, force: true }))
    const built = join(home, 'bundle.tar.gz')
    const pack = join(FIXTURES, name, 'pack.json')
    await promisify(execFile)(compiler, ['build', '--pack', pack, '--out', built, '--revision', `${name}-1`])
    // The manifest also names the control pack and the capabilities, which change without the fixture's sources.
    const [mine, committed] = await Promise.all([filesOf(built), filesOf(fixture(name))])
    for (const file of ['policy.wasm', 'data.json']) {
      expect({ file, same: contentOf(mine, file).equals(contentOf(committed, file)) }).toEqual({ file, same: true })
    }
  })
})

import { appendFileSync, cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { MANIFEST } from '../../../engine/evidence/bundle/manifest.ts'
import { verifyBundle, type Query } from '../../../engine/evidence/index.ts'
import { verifyInPython } from '../../unit/evidence/bundle/python.ts'
import { reseal } from '../../unit/evidence/bundle/reseal.ts'
import { contentOf, exportTo, richDirectory, trust } from '../../unit/evidence/bundle/workbench.ts'
import { scratch } from '../../unit/evidence/workbench.ts'

type Files = ReadonlyMap<string, Buffer>

/** One change of a bundle. `at`, `byte` and `other` are numbers that it makes of what it likes; false: it changed nothing. */
type Change = (bundle: string, files: Files, name: string, pick: Pick) => boolean

interface Pick {
  readonly at: number
  readonly byte: number
  readonly other: string
}

const CHANGES: Readonly<Record<string, Change>> = {
  flip: (bundle, files, name, { at, byte }) => {
    const bytes = Buffer.from(files.get(name) ?? '')
    const index = Math.floor(at * bytes.length)
    if (bytes.length === 0) return false
    bytes[index] = (bytes[index] ?? 0) ^ byte
    writeFileSync(join(bundle, name), bytes)
    return true
  },
  insert: (bundle, files, name, { at, byte }) => {
    const bytes = files.get(name) ?? Buffer.alloc(0)
    const index = Math.floor(at * (bytes.length + 1))
    writeFileSync(join(bundle, name), Buffer.concat([bytes.subarray(0, index), Buffer.of(byte), bytes.subarray(index)]))
    return true
  },
  truncate: (bundle, files, name, { at }) => {
    const bytes = files.get(name) ?? Buffer.alloc(0)
    if (bytes.length === 0) return false
    writeFileSync(join(bundle, name), bytes.subarray(0, Math.floor(at * bytes.length)))
    return true
  },
  append: (bundle, _, name, { byte }) => {
    appendFileSync(join(bundle, name), Buffer.of(byte))
    return true
  },
  'append a newline': (bundle, _, name) => {
    appendFileSync(join(bundle, name), '\n')
    return true
  },
  'double a line': (bundle, files, name, { at }) => changedLines(bundle, files, name, at, (line) => [line, line]),
  'drop a line': (bundle, files, name, { at }) => changedLines(bundle, files, name, at, () => []),
  remove: (bundle, _, name) => {
    rmSync(join(bundle, name))
    return true
  },
  add: (bundle, _, name, { byte }) => {
    writeFileSync(join(bundle, `${name}${byte}`), '')
    return true
  },
  'add a folder': (bundle, _, name) => {
    mkdirSync(join(bundle, dirname(name), 'extra'))
    return true
  },
  rename: (bundle, _, name, { byte }) => {
    renameSync(join(bundle, name), join(bundle, `${name}${byte}`))
    return true
  },
  swap: (bundle, files, name, { other }) => {
    const [one, two] = [files.get(name) ?? Buffer.alloc(0), files.get(other) ?? Buffer.alloc(0)]
    writeFileSync(join(bundle, name), two)
    writeFileSync(join(bundle, other), one)
    return !one.equals(two)
  },
}

function changedLines(
  bundle: string,
  files: Files,
  name: string,
  at: number,
  change: (line: string) => readonly string[],
): boolean {
  const lines = (files.get(name) ?? Buffer.alloc(0)).toString('latin1').split('\n').slice(0, -1)
  if (lines.length === 0) return false
  const index = Math.floor(at * lines.length)
  const changed = lines.flatMap((line, each) => (each === index ? change(line) : [line]))
  writeFileSync(join(bundle, name), Buffer.from(changed.map((line) => `${line}\n`).join(''), 'latin1'))
  return true
}

const QUERIES: readonly Partial<Query>[] = [{}, { from: '2026-04-18T09:00:00.020Z' }, { agent: 'collector' }]

/** Bundles of each kind, and any single change to one of them. */
async function arbitraryChange() {
  const directory = await richDirectory()
  const bundles = await Promise.all(QUERIES.map((query) => exportTo(directory, query)))
  const made = bundles.map(({ out }) => ({ out, files: contentOf(out) }))
  return fc.constantFrom(...made).chain(({ out, files }) => {
    const name = fc.constantFrom(...files.keys())
    const pick = fc.record({
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      byte: fc.integer({ min: 1, max: 255 }),
      other: name,
    })
    return fc.record({
      out: fc.constant(out),
      files: fc.constant(files),
      name,
      how: fc.constantFrom(...Object.keys(CHANGES)),
      pick,
    })
  })
}

/** A copy of a bundle with one thing changed; undefined where the change would have been none. */
function changed({
  out,
  files,
  name,
  how,
  pick,
}: {
  out: string
  files: Files
  name: string
  how: string
  pick: Pick
}): string | undefined {
  const copy = join(scratch(), 'bundle')
  cpSync(out, copy, { recursive: true })
  return CHANGES[how]?.(copy, files, name, pick) === true ? copy : undefined
}

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 40)

it('any single change to any file of a bundle is found', { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(await arbitraryChange(), async (change) => {
      const copy = changed(change)
      if (copy === undefined) return
      const { status } = await verifyBundle(copy, trust)
      rmSync(copy, { recursive: true })
      expect(status).not.toBe('ok')
    }),
    { numRuns: RUNS },
  )
})

it(
  'any single change is found even when the manifest is made to fit and signed again',
  { timeout: 600_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(await arbitraryChange(), async (change) => {
        const copy = change.name === MANIFEST || change.pick.other === MANIFEST ? undefined : changed(change)
        if (copy === undefined || change.how === 'add a folder') return
        reseal(copy)
        const { status } = await verifyBundle(copy, trust)
        const { name, how, pick } = change
        expect({ name, how, pick, status }).not.toMatchObject({ status: 'ok' })
        rmSync(copy, { recursive: true })
      }),
      { numRuns: RUNS },
    )
  },
)

it('and by the verifier in Python', { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(await arbitraryChange(), async (change) => {
      const copy = changed(change)
      if (copy === undefined) return
      const { code } = verifyInPython(copy)
      rmSync(copy, { recursive: true })
      expect(code).not.toBe(0)
    }),
    { numRuns: Math.ceil(RUNS / 8) },
  )
})

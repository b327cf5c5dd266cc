import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, test } from 'vitest'
import { DRILL, makeItem, type DrillTrust } from '../../support/evidence-drill.ts'
import { parseCosignatureVerifier, parseVerifier, verifyEvidence, type Trust } from '../../../engine/evidence/index.ts'
import { scratch } from './workbench.ts'

const VECTORS = fileURLToPath(new URL('../../../docs/evidence-vectors/', import.meta.url))
const SCRIPT = fileURLToPath(new URL('../../../docs/verify.py', import.meta.url))
const EXIT = { ok: 0, tampered: 1, incomplete: 2, cannot: 3 } as const

/** One published vector: what verifiers are given, and what they must answer. */
interface Vector {
  readonly name: string
  readonly directory: string
  readonly log_key: string | null
  readonly witness_keys: readonly string[]
  readonly since: string | null
  readonly exit: 0 | 1 | 2 | 3
  readonly says: string | null
}

const PUBLISHED: readonly Vector[] = JSON.parse(readFileSync(join(VECTORS, 'vectors.json'), 'utf8'))

function filesIn(directory: string): Readonly<Record<string, string>> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name)).toSorted()
  return Object.fromEntries(paths.map((path) => [path.slice(directory.length), readFileSync(path, 'base64')]))
}

async function ours({ log_key, witness_keys, since, directory, says }: Vector): Promise<unknown> {
  const trust: Trust = {
    ...(log_key === null ? {} : { logKey: expectKey(parseVerifier(log_key)) }),
    ...(witness_keys.length === 0
      ? {}
      : { witnessKeys: witness_keys.map((key) => expectKey(parseCosignatureVerifier(key))) }),
    ...(since === null ? {} : { since: readFileSync(join(VECTORS, since), 'utf8') }),
  }
  const { status, findings } = await verifyEvidence(join(VECTORS, directory), trust)
  const said = says === null ? findings.length === 0 : findings.some(({ message }) => message.includes(says))
  return { exit: EXIT[status], said: said ? 'it' : findings }
}

function expectKey<Key>(key: Key | undefined): Key {
  if (key === undefined) throw new Error('not a key')
  return key
}

async function python({ log_key, witness_keys, since, directory, says }: Vector): Promise<unknown> {
  const keys = [
    ...(log_key === null ? [] : ['--log-key', log_key]),
    ...witness_keys.flatMap((key) => ['--witness-key', key]),
  ]
  const args = [SCRIPT, join(VECTORS, directory), ...keys, ...(since === null ? [] : ['--since', join(VECTORS, since)])]
  return new Promise((resolve) => {
    execFile('python3', args, (error, stdout, stderr) => {
      const said = says === null ? !/^(?:TAMPERED|INCOMPLETE|CAN NOT VERIFY) {2}/m.test(stdout) : stdout.includes(says)
      resolve({ exit: error === null ? 0 : error.code, said: said && stderr === '' ? 'it' : stdout + stderr })
    })
  })
}

describe('the tamper drill: both verifiers say the same of', () => {
  test.each(PUBLISHED)('$name: exit $exit, $says', async (vector) => {
    const expected = { exit: vector.exit, said: 'it' }
    const [byUs, byPython] = await Promise.all([ours(vector), python(vector)])
    expect({ byUs, byPython }).toEqual({ byUs: expected, byPython: expected })
  })

  it('nothing that is altered passes, and each alteration has its own words', () => {
    const wrong = PUBLISHED.filter(({ exit }) => exit === 1)
    expect(wrong.length).toBeGreaterThan(25)
    const same = ['payload-taken-out', 'put-back-behind-a-witness'] // as a payload replaced, and a log put back
    const words = wrong.filter(({ name }) => !same.includes(name)).map(({ says }) => says)
    expect(new Set(words).size).toBe(words.length)
    expect(words.every((each) => each !== null)).toBe(true)
  })
})

describe('the published vectors', () => {
  test.each(DRILL.map((item) => [item.name, item] as const))('%s is what the log writes', async (name, item) => {
    const home = scratch()
    const trust: DrillTrust = await makeItem(item, home)
    expect(filesIn(join(home, name))).toEqual(filesIn(join(VECTORS, name)))
    const vector = PUBLISHED.find((each) => each.name === name)
    expect(vector).toMatchObject({
      exit: item.exit,
      says: item.words,
      log_key: trust.logKey,
      witness_keys: trust.witnessKeys,
    })
  })

  it('are all of them', () => {
    const names = DRILL.map(({ name }) => name).toSorted()
    expect(
      readdirSync(VECTORS)
        .filter((name) => !name.includes('.'))
        .toSorted(),
    ).toEqual(names)
    expect(PUBLISHED.map(({ name }) => name).toSorted()).toEqual(names)
  })
})

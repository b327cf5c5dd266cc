import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import { expect, test } from 'vitest'

const POLICIES = 'policies'

async function json(...path: readonly string[]): Promise<Record<string, unknown>> {
  return Object(JSON.parse(await readFile(join(...path), 'utf8')))
}

async function schemasOf(pack: string): Promise<ReadonlyMap<string, ValidateFunction>> {
  const { planes } = Object(await json(POLICIES, `${pack}.json`))
  const found = new Map<string, ValidateFunction>()
  for (const { id, schema } of planes) found.set(id, new Ajv({ allErrors: true }).compile(await json(POLICIES, schema)))
  return found
}

test.for([
  ['starter', 'bank'],
  ['allow-all', 'allow-all'],
] as const)('every vector of the pack %s is a request as its plane’s schema has them', async ([pack, source]) => {
  const schemas = await schemasOf(pack)
  const asked = new Set<string>()
  const home = join(POLICIES, source, 'self-test')
  for (const name of await readdir(home)) {
    const { plane, input } = await json(home, name)
    const valid = schemas.get(String(plane))
    const faults = valid === undefined ? 'no such plane' : valid(input) ? [] : valid.errors
    expect({ name, faults }).toEqual({ name, faults: [] })
    asked.add(String(plane))
  }
  expect([...asked].toSorted()).toEqual([...schemas.keys()].toSorted())
})

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { openBundle, UNHURRIED } from '../../../engine/policy/index.ts'
import { readJson, ROOT } from './compiler.ts'

interface Control {
  readonly id: string
}

interface Mapping {
  readonly status: string
  readonly controls: readonly Control[]
}

const HOME = join(ROOT, 'compliance-mappings')

let index: { version: string; files: string[] }
let valid: ValidateFunction<Mapping>
const mappings = new Map<string, Mapping>()

beforeAll(async () => {
  valid = new Ajv({ allErrors: true }).compile<Mapping>(Object(await readJson('compliance-mappings/schema.json')))
  index = parse(await readFile(join(HOME, 'pack.yaml'), 'utf8'))
  for (const name of index.files) {
    const mapping: unknown = parse(await readFile(join(HOME, name), 'utf8'))
    if (!valid(mapping)) throw new Error(`${name}: ${JSON.stringify(valid.errors, null, 2)}`)
    mappings.set(name, mapping)
  }
})

const control = (more: object): object => ({
  id: 'X.1',
  title: 'Title',
  source: { document: 'Document', section: '1' },
  events: ['decision.reject'],
  tags: ['masking'],
  strength: 'partial',
  not_shown: 'the rest',
  certainty: 'V1',
  ...more,
})

describe('the schema refuses', () => {
  const refused: readonly (readonly [title: string, more: object])[] = [
    ['a direct control without a metric', { strength: 'direct' }],
    ['a current control that hides what is not shown', { not_shown: undefined }],
    ['an event that is no event name', { events: ['decided'] }],
    ['an unknown certainty', { certainty: 'sure' }],
    ['a field of nobody’s', { verdict: 'complies' }],
  ]
  test.for(refused)('%s', ([, more]) => {
    const whole = JSON.parse(JSON.stringify({ framework: 'F', status: 'current', controls: [control(more)] }))
    expect(valid(whole)).toBe(false)
  })

  test('and takes what is in order', () => {
    expect(valid({ framework: 'F', status: 'current', controls: [control({})] })).toBe(true)
    expect(valid({ framework: 'F', status: 'current', controls: [control({ strength: 'direct', metric: 'm' })] })).toBe(
      true,
    )
  })
})

describe('the control pack', () => {
  test('has every file of its directory, and each control once', async () => {
    const files = (await readdir(HOME)).filter((name) => name.endsWith('.yaml') && name !== 'pack.yaml')
    expect(files.toSorted()).toEqual(index.files.toSorted())
    const ids = [...mappings.values()].flatMap((mapping) => mapping.controls.map(({ id }) => id))
    expect(ids).toHaveLength(99)
    expect(new Set(ids).size).toBe(99)
  })

  test('keeps the withdrawn framework apart', () => {
    const legacy = [...mappings].filter(([, { status }]) => status === 'legacy').map(([name]) => name)
    expect(legacy).toEqual(['cat-legacy.yaml'])
  })

  test('every bundle names its version, and a digest that sha256sum alone recomputes', async () => {
    const lines = await Promise.all(
      ['pack.yaml', ...index.files].map(async (name) => `${sha256(await readFile(join(HOME, name)))}  ${name}\n`),
    )
    for (const name of ['starter', 'allow-all']) {
      const { control_pack: pack } = await committedMetadata(name)
      expect(pack).toEqual({ version: index.version, digest: sha256(lines.join('')) })
    }
  })

  test('has every control that a bundle’s rules cite', async () => {
    const known = new Set([...mappings.values()].flatMap(({ controls }) => controls.map(({ id }) => id)))
    const { rules } = await committedMetadata('starter')
    const cited = rules.flatMap(({ controls }) => controls)
    expect(cited.length).toBeGreaterThan(20)
    expect(cited.filter((id) => !known.has(id))).toEqual([])
  })
})

async function committedMetadata(
  name: string,
): Promise<{ readonly control_pack: unknown; readonly rules: readonly { readonly controls: readonly string[] }[] }> {
  const { metadata } = await openBundle(
    join(ROOT, 'policies', 'dist', `${name}.tar.gz`),
    { kind: 'unsigned' },
    UNHURRIED,
  )
  return JSON.parse(JSON.stringify(metadata))
}

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex')
}

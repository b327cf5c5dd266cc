import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import { openBundle, signBundle } from '../../../engine/policy/index.ts'
import { CUSTOMERS, contentOf, filesOf, fixture, onDisk, pack, requestOf, withFile, withoutFile } from './bundles.ts'

const toy = await filesOf(fixture('toy'))
const manifest = JSON.parse(contentOf(toy, '.manifest').toString())
const unsigned = { kind: 'unsigned' } as const

const opened = async (files: Parameters<typeof pack>[0]) => openBundle(await onDisk(pack(files)), unsigned)
const withManifest = (change: object) => withFile(toy, '.manifest', JSON.stringify({ ...manifest, ...change }))
const refused = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) })

const digest = async (files: Parameters<typeof pack>[0]) => (await opened(files)).reference.digest

describe('a bundle that is refused', () => {
  test('because it is not there', async () => {
    await expect(openBundle('/nowhere/bundle.tar.gz', unsigned)).rejects.toThrow(
      refused('ERR_POLICY_BUNDLE', "the policy bundle at /nowhere/bundle.tar.gz can't be read"),
    )
  })

  test.each([
    ['nothing', Buffer.alloc(0), 'is not gzip'],
    ['text', Buffer.from('policy'), 'is not gzip'],
    ['gzip of nothing', gzipSync(''), 'is cut short'],
    ['half an archive', gzipSync('x'.repeat(100_000)).subarray(0, 60), 'is damaged'],
    ['gzip of text', gzipSync('x'.repeat(2000)), 'damaged header'],
    ['what unpacks to too much', gzipSync(Buffer.alloc(33 * 1024 * 1024)), 'unpacks to too much'],
    ['what is too large as it is', Buffer.alloc(17 * 1024 * 1024), 'is larger than 16777216 bytes'],
  ])('because it is %s', async (_what, bytes, message) => {
    await expect(openBundle(await onDisk(bytes), unsigned)).rejects.toThrow(refused('ERR_POLICY_BUNDLE', message))
  })

  test.each(['policy.wasm', 'data.json', '.manifest'])('because it lacks %s', async (name) => {
    await expect(opened(withoutFile(toy, name))).rejects.toThrow(refused('ERR_POLICY_BUNDLE', `holds no ${name}`))
  })

  test.each(['other.wasm', 'sub/data.json', 'data.yaml', 'sub/.manifest', '.signatures', 'patch.json'])(
    'because it holds %s',
    async (name) => {
      await expect(opened(withFile(toy, name, '{}'))).rejects.toThrow(refused('ERR_POLICY_BUNDLE', `holds ${name}`))
    },
  )

  test('because its data is too large', async () => {
    const data = JSON.stringify({ x: 'x'.repeat(2 * 1024 * 1024) })
    await expect(opened(withFile(toy, 'data.json', data))).rejects.toThrow(
      refused('ERR_POLICY_BUNDLE', 'holds a data.json of more than 2097152 bytes'),
    )
  })

  test.each(['', 'null', '[]', '{"a": 9007199254740993}', '{}x'])('because its data is %j', async (data) => {
    await expect(opened(withFile(toy, 'data.json', data))).rejects.toMatchObject({ code: 'ERR_POLICY_DATA' })
  })

  test('because its module is none', async () => {
    await expect(opened(withFile(toy, 'policy.wasm', 'x'))).rejects.toMatchObject({ code: 'ERR_POLICY_MODULE' })
  })

  test.each([[''], [undefined], [1]])('because its revision is %j', async (revision) => {
    await expect(opened(withManifest({ revision }))).rejects.toThrow(refused('ERR_POLICY_BUNDLE', 'has no revision'))
  })

  test.each<[string, unknown]>([
    ['no entrypoint', []],
    ['nothing about entrypoints', undefined],
    ['another entrypoint', [{ entrypoint: 'countersign/other/verdict', module: '/policy.wasm' }]],
    ['one entrypoint more', [...manifest.wasm, { entrypoint: 'countersign/other/verdict', module: '/policy.wasm' }]],
    ['another module', [{ entrypoint: 'countersign/toy/verdict', module: '/other.wasm' }]],
    ['an entrypoint that is null', [null]],
  ])('because its manifest names %s', async (_what, wasm) => {
    await expect(opened(withManifest({ wasm }))).rejects.toThrow(
      refused('ERR_POLICY_ENTRYPOINT', 'its module has [countersign/toy/verdict]'),
    )
  })

  test('a missing builtin at load: the bundle is refused, naming it', async () => {
    await expect(openBundle(fixture('missing-builtin'), unsigned)).rejects.toThrow(
      refused('ERR_POLICY_BUILTIN', 'the policy uses opa.runtime, which the gateway does not provide'),
    )
  })
})

describe('a bundle that opens', () => {
  test('tells its revision, data and metadata, and nothing of it can be changed', async () => {
    const policy = await openBundle(fixture('toy'), unsigned)
    expect(policy.reference).toEqual({ revision: 'toy-1', digest: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(policy.data).toMatchObject({ labels: { toy: { customers: { ssn: ['pii'] } } } })
    expect(policy.metadata).toMatchObject({ pack: 'toy', compiler: 'opa 1.22.2' })
    expect([policy, policy.reference, policy.data, policy.data.labels, policy.metadata].every(Object.isFrozen)).toBe(
      true,
    )
  })

  test.each([
    ['read', { kind: 'mask', fields: [{ field: 'customers.ssn', method: 'last4' }] }],
    ['destroy', { kind: 'reject' }],
    ['control', { kind: 'reject' }],
    [
      'write',
      {
        kind: 'hold',
        terms: { approvers: ['payments'], quorum: 1, expires_in: 900, reason_required: true },
        fields: [{ field: 'customers.ssn', method: 'last4' }],
      },
    ],
  ] as const)('decides: %s', async (action, verdict) => {
    const policy = await openBundle(fixture('toy'), unsigned)
    expect(policy.evaluate('toy', requestOf({ class: action, resources: [CUSTOMERS] }), 0).verdict).toEqual(verdict)
  })

  test('has a digest that follows its content, not its spelling', async () => {
    const data = JSON.parse(contentOf(toy, 'data.json').toString())
    const same = await digest(toy)
    expect(await digest(withFile(toy, 'data.json', JSON.stringify(data, undefined, 2)))).toBe(same)
    expect(await digest(toy.toReversed())).toBe(same)
    expect(await digest(withFile(toy, 'data.json', JSON.stringify({ ...data, more: 1 })))).not.toBe(same)
    expect(await digest(withFile(toy, 'more.rego', 'package more'))).not.toBe(same)
    expect(await digest(withManifest({ revision: 'toy-2' }))).not.toBe(same)
  })

  test('signed with keys of Web Crypto opens', async () => {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA')
    const path = await onDisk(await signBundle(await readFile(fixture('toy')), privateKey, 'EdDSA', 'k'))
    await expect(openBundle(path, { kind: 'signed', key: publicKey, algorithm: 'EdDSA' })).resolves.toHaveProperty(
      'reference.revision',
      'toy-1',
    )
  })
})

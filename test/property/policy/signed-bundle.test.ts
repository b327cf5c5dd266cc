import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { PolicyError } from '../../../engine/errors.ts'
import { openBundle, signBundle } from '../../../engine/policy/index.ts'
import { verifySignature } from '../../../engine/policy/signature.ts'
import { readTar } from '../../../engine/policy/tar.ts'
import type { ArchiveFile } from '../../../engine/policy/tar.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const trust = { kind: 'signed', key: publicKey, algorithm: 'EdDSA', keyId: 'bank' } as const
const directory = await mkdtemp(join(tmpdir(), 'countersign-flipped-'))
afterAll(async () => rm(directory, { recursive: true }))

const signed = await signBundle(
  await readFile(join(import.meta.dirname, '../../fixtures/policy/toy.tar.gz')),
  privateKey,
  'EdDSA',
  'bank',
)
const original = join(directory, 'original.tar.gz')
await writeFile(original, signed)
const { reference } = await openBundle(original, trust)

const REFUSED = 'refused'

function flipped(bytes: Uint8Array, at: number, mask: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ mask
  return copy
}

const aByte = (length: number) => fc.record({ at: fc.nat({ max: length - 1 }), mask: fc.integer({ min: 1, max: 255 }) })

describe('a byte flipped anywhere in a signed bundle', () => {
  // Nothing: time and system in gzip's header, the bits behind deflate's end.
  test('is refused, or says nothing: what takes effect is what was signed', async () => {
    const path = join(directory, 'flipped.tar.gz')
    await fc.assert(
      fc.asyncProperty(aByte(signed.length), async ({ at, mask }) => {
        await writeFile(path, flipped(signed, at, mask))
        const outcome = await openBundle(path, trust).then((policy) => policy.reference, refusal)
        expect([REFUSED, reference]).toContainEqual(outcome)
      }),
      { numRuns: 60 },
    )
  })

  test('of the archive inside is refused, whatever gzip’s own checksum says', async () => {
    const archive = gunzipSync(signed)
    await fc.assert(
      fc.asyncProperty(aByte(archive.length), async ({ at, mask }) => {
        expect(await openTar(flipped(archive, at, mask)).catch(refusal)).toBe(REFUSED)
      }),
      { numRuns: 400 },
    )
  })

  test('of any file is refused, or the file says the same as before', async () => {
    const files = readTar(gunzipSync(signed))
    const anyFile = fc
      .constantFrom(...files)
      .chain((file) => fc.record({ file: fc.constant(file), flip: aByte(file.content.length) }))
    await fc.assert(
      fc.asyncProperty(anyFile, async ({ file, flip }) => {
        const content = flipped(file.content, flip.at, flip.mask)
        const changed = files.map((one) => (one === file ? { ...file, content } : one))
        const outcome = await verifySignature(changed, trust).catch(refusal)
        // White space in a JSON document is no part of what it says.
        expect(outcome === REFUSED || sameDocument(file, content)).toBe(true)
      }),
      { numRuns: 400 },
    )
  })
})

async function openTar(archive: Uint8Array): Promise<void> {
  await verifySignature(readTar(archive), trust)
}

function sameDocument(file: ArchiveFile, content: Uint8Array): boolean {
  return file.name !== 'policy.wasm' && textOf(file.content) === textOf(content)
}

function textOf(bytes: Uint8Array): string {
  return JSON.stringify(JSON.parse(Buffer.from(bytes).toString()))
}

function refusal(error: unknown): string {
  return error instanceof PolicyError ? REFUSED : String(error)
}

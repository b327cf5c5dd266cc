import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseCheckpoint } from '../../../engine/evidence/checkpoint.ts'
import { verifyEvidence } from '../../../engine/evidence/index.ts'
import { GrowingTree, leafHash, nodeHash } from '../../../engine/evidence/merkle.ts'
import { consistencyProof, inclusionProof, provesConsistency, provesInclusion } from '../../../engine/evidence/proof.ts'
import { cosigner, witnessedNote } from '../../unit/evidence/cosigned.ts'
import { logSigner, openSigned, signedDirectory } from '../../unit/evidence/signed.ts'
import { stepClock } from '../../unit/evidence/workbench.ts'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 60)

const logKey = logSigner().verifier
const witnessKeys = [cosigner().verifier]
const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

it('any single byte changed, put in or taken out of the log’s own files is found', { timeout: 600_000 }, async () => {
  const directory = await signedDirectory(70)
  const rotating = await openSigned(directory, {
    ...stepClock(Date.UTC(2026, 3, 9)),
    signer: logSigner(8),
    previousSigner: logSigner(),
  })
  await rotating.close()
  const checkpoint = parseCheckpoint(readFileSync(join(directory, 'log/checkpoint'), 'utf8'))
  if (checkpoint === undefined) throw new Error('no checkpoint')
  writeFileSync(join(directory, 'log/witnessed'), witnessedNote(checkpoint, logSigner(8), cosigner()))
  expect(await verifyEvidence(directory, { logKey, witnessKeys })).toMatchObject({ status: 'ok', findings: [] })
  const entries = readdirSync(join(directory, 'log'), { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  expect(files.length).toBeGreaterThan(4)
  const change = fc.oneof(fc.integer({ min: 1, max: 255 }), fc.constantFrom('put', 'take'))
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...files), fraction, change, async (file, at, how) => {
      const bytes = readFileSync(file)
      const index = Math.floor(at * bytes.length)
      const kept = bytes.subarray(index + (how === 'put' ? 0 : 1))
      const put = how === 'take' ? [] : [how === 'put' ? 0x31 : (bytes[index] ?? 0) ^ how]
      writeFileSync(file, Buffer.concat([bytes.subarray(0, index), Buffer.from(put), kept]))
      const { status } = await verifyEvidence(directory, { logKey, witnessKeys })
      writeFileSync(file, bytes)
      expect(status).not.toBe('ok')
    }),
    { numRuns: RUNS },
  )
})

const LEAVES = Array.from({ length: 600 }, (_, index) => Buffer.from(leafHash(`record ${index}`), 'hex'))

/** A whole subtree, pair by pair from its leaves, with none of the code that grows a tree. */
async function direct(height: number, index: number): Promise<Buffer> {
  let row: readonly Buffer[] = LEAVES.slice(index * 2 ** height, (index + 1) * 2 ** height)
  while (row.length > 1) {
    row = row.flatMap((node, at) => (at % 2 === 0 ? [nodeHash(node, row[at + 1] ?? Buffer.alloc(0))] : []))
  }
  return row[0] ?? Buffer.alloc(0)
}

function flip(proof: readonly Buffer[], at: number): readonly Buffer[] {
  return proof.map((hash, index) => (index === Math.floor(at * proof.length) ? Buffer.alloc(32, 1) : hash))
}

it('every proof proves its own root, and with any hash of it changed none', async () => {
  const roots = [new GrowingTree().root()]
  const tree = new GrowingTree()
  for (const leaf of LEAVES) {
    tree.append(leaf)
    roots.push(tree.root())
  }
  const sized = (size: number) => ({ size, root: roots[size] ?? Buffer.alloc(0) })
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 600 }), fraction, fraction, async (size, where, at) => {
      const index = Math.floor(where * size)
      const inclusion = await inclusionProof(index, size, direct)
      const leaf = LEAVES[index] ?? Buffer.alloc(0)
      const [old, now] = [sized(index), sized(size)]
      const consistency = await consistencyProof(index, size, direct)
      expect(provesInclusion(leaf, index, size, inclusion, now.root)).toBe(true)
      expect(provesConsistency(old, now, consistency)).toBe(true)
      expect(provesInclusion(leaf, index, size, flip(inclusion, at), now.root)).toBe(inclusion.length === 0)
      expect(provesConsistency(old, now, flip(consistency, at))).toBe(consistency.length === 0)
    }),
    { numRuns: RUNS },
  )
})

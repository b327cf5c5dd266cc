import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  MultiproofError,
  MultiproofMaker,
  multiproofRoot,
  type ProvedLeaf,
} from '../../../engine/evidence/bundle/multiproof.ts'
import { GrowingTree, leafHash } from '../../../engine/evidence/merkle.ts'

const leaf = (index: number): Buffer => Buffer.from(leafHash(`record ${index}`), 'hex')

function prove(size: number, shown: ReadonlySet<number>) {
  const hashes: Buffer[] = []
  const tree = new GrowingTree()
  const maker = new MultiproofMaker((hash) => hashes.push(hash))
  for (let index = 0; index < size; index += 1) {
    tree.append(leaf(index))
    maker.append(leaf(index), shown.has(index))
  }
  const leaves = [...shown].toSorted((one, other) => one - other).map((index) => ({ index, leaf: leaf(index) }))
  return { root: maker.end(), tree: tree.root(), hashes, leaves }
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

/** The root; null where leaves and hashes don't fit each other. */
async function derive(size: number, leaves: readonly ProvedLeaf[], hashes: readonly Buffer[]): Promise<Buffer | null> {
  try {
    return await multiproofRoot(size, each(leaves), each(hashes))
  } catch (error) {
    if (error instanceof MultiproofError) return null
    throw error
  }
}

const selection = fc
  .integer({ min: 1, max: 300 })
  .chain((size) => fc.record({ size: fc.constant(size), shown: fc.uniqueArray(fc.nat({ max: size - 1 })) }))

it('leaves and hashes lead to the tree’s own root, whichever leaves they are', async () => {
  await fc.assert(
    fc.asyncProperty(selection, async ({ size, shown }) => {
      const { root, tree, hashes, leaves } = prove(size, new Set(shown))
      expect(root.equals(tree)).toBe(true)
      expect((await derive(size, leaves, hashes))?.equals(tree)).toBe(true)
    }),
    { numRuns: 300 },
  )
})

it('and to no root that is the tree’s when one is left out, added, moved or exchanged', async () => {
  const change = fc.constantFrom('leaf out', 'leaf moved', 'leaf changed', 'hash out', 'hash changed', 'hash added')
  await fc.assert(
    fc.asyncProperty(selection, fc.nat(), change, async ({ size, shown }, at, how) => {
      const { tree, hashes, leaves } = prove(size, new Set(shown))
      const [leafAt, hashAt] = [at % Math.max(leaves.length, 1), at % Math.max(hashes.length, 1)]
      const other = Buffer.alloc(32, 1)
      const changedLeaves = leaves.flatMap((each, index) => {
        if (index !== leafAt || !how.startsWith('leaf')) return [each]
        if (how === 'leaf out') return []
        return [how === 'leaf moved' ? { ...each, index: (each.index + 1) % size } : { ...each, leaf: other }]
      })
      const changedHashes = hashes.flatMap((each, index) => {
        if (index !== hashAt || !how.startsWith('hash')) return [each]
        return how === 'hash out' ? [] : how === 'hash changed' ? [other] : [each, other]
      })
      const same = how.startsWith('leaf')
        ? leaves.length === 0 || (how === 'leaf moved' && size === 1)
        : hashes.length === 0
      if (same) return
      const root = await derive(size, changedLeaves, changedHashes)
      expect(root?.equals(tree) ?? false).toBe(false)
    }),
    { numRuns: 300 },
  )
})

it('a stretch takes two hashes a level at most, however long it is', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.nat(), fc.nat(), (size, one, other) => {
      const [first, last] = [one % size, other % size].toSorted((a, b) => a - b)
      const shown = new Set(Array.from({ length: (last ?? 0) - (first ?? 0) + 1 }, (_, at) => (first ?? 0) + at))
      expect(prove(size, shown).hashes.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(size)))
    }),
    { numRuns: 100 },
  )
})

import { describe, expect, it, test } from 'vitest'
import { GrowingTree, leafHash } from '../../../engine/evidence/merkle.ts'
import { parseNote, parseVerifier, signedBy, verifierText } from '../../../engine/evidence/signed-note.ts'
import { tilePath } from '../../../engine/evidence/tile.ts'

/** The entries and roots that Certificate Transparency's own implementations are tested with. */
const ENTRIES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
const ROOTS: readonly (readonly [number, string])[] = [
  [0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  [1, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
  [2, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
  [3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
  [7, 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'],
  [8, '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'],
]

test.each(ROOTS)('the root over the first %i entries of Certificate Transparency’s tests', (size, root) => {
  const tree = new GrowingTree()
  for (const hex of ENTRIES.slice(0, size))
    tree.append(Buffer.from(leafHash(Buffer.from(hex, 'hex').toString('latin1')), 'hex'))
  expect(tree.root().toString('hex')).toBe(root)
})

describe('the signed note of Go’s own documentation', () => {
  const key = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
  const text =
    'If you think cryptography is the answer to your problem,\nthen you don’t know what your problem is.\n'.replace(
      '’',
      "'",
    )
  const signature =
    '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'

  it('is verified by its key, which reads as it is written', () => {
    const verifier = parseVerifier(key)
    const note = parseNote(`${text}\n${signature}`)
    expect(verifier && verifierText(verifier)).toBe(key)
    expect(verifier && note && signedBy(note, verifier)).toBe(true)
  })

  it('is not, with another text', () => {
    const verifier = parseVerifier(key)
    const note = parseNote(`${text.replace('answer', 'Answer')}\n${signature}`)
    expect(note).toBeDefined()
    expect(verifier && note && signedBy(note, verifier)).toBe(false)
  })
})

test.each([
  [0, 0, 256, '0/000'],
  [0, 1_234_067, 256, '0/x001/x234/067'],
  [1, 273, 112, '1/273.p/112'],
])('C2SP’s path of tile %i, %i, %i wide', (level, index, width, path) => {
  expect(tilePath({ level, index, width })).toBe(path)
})

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../../engine/evidence/index.ts'
import { GrowingTree, leafHash } from '../../../engine/evidence/merkle.ts'
import { inclusionProof, provesInclusion } from '../../../engine/evidence/proof.ts'
import { parseNote, parseVerifier, signedBy } from '../../../engine/evidence/signed-note.ts'
import { leadsToRoot } from '../../../engine/replay/inclusion.ts'
import { canonicalText, type JsonValue } from '../../../engine/replay/json.ts'
import { readNote, readPublicKey, signedBy as signedByInBrowser } from '../../../engine/replay/note.ts'

/**
 * The browser's verifier and the engine's are two programs that must say the same: each case here goes to both. They run
 * here under Node, whose WebCrypto is the browser's interface.
 */

describe('canonical JSON is the same bytes', () => {
  test('of any JSON', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        const value: JsonValue = JSON.parse(text)
        let expected: string
        try {
          expected = canonicalJson(value)
        } catch {
          return // a lone surrogate, which no record holds
        }
        expect(canonicalText(value)).toBe(expected)
      }),
    )
  })

  test.each([
    [{ b: 1, a: [null, true, 1e21, -0, 0.1] }],
    [{ '\u20ac': 1, '\ud83d\ude00': 2, '\ufb33': 3, '\r': 4 }],
    ['\u0000\u001f"\\</script>\u2028'],
  ])('of %j', (value) => {
    expect(canonicalText(value)).toBe(canonicalJson(value))
  })
})

describe('a proof leads to the root, or doesn’t, for both', () => {
  const leaves = Array.from({ length: 70 }, (_, at) => Buffer.from(leafHash(String(at)), 'hex'))

  function treeOf(size: number): GrowingTree {
    const tree = new GrowingTree()
    for (const leaf of leaves.slice(0, size)) tree.append(leaf)
    return tree
  }

  async function proofOf(index: number, size: number): Promise<readonly Buffer[]> {
    return inclusionProof(index, size, (height, at) => {
      const tree = new GrowingTree()
      for (const leaf of leaves.slice(at * 2 ** height, (at + 1) * 2 ** height)) tree.append(leaf)
      return Promise.resolve(tree.root())
    })
  }

  const cases = fc.integer({ min: 1, max: 70 }).chain((size) => fc.tuple(fc.constant(size), fc.nat(size - 1)))

  test('every honest one does', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ([size, index]) => {
        const [leaf, proof, root] = [leaves[index] ?? Buffer.of(), await proofOf(index, size), treeOf(size).root()]
        expect(provesInclusion(leaf, index, size, proof, root)).toBe(true)
        expect(await leadsToRoot(leaf, index, size, proof, root)).toBe(true)
      }),
    )
  })

  test('and for any other index, size or proof they agree', async () => {
    const changed = fc.record({ index: fc.nat(80), size: fc.nat(80), drop: fc.nat(8), flip: fc.nat(8) })
    await fc.assert(
      fc.asyncProperty(cases, changed, async ([size, index], other) => {
        const proof = (await proofOf(index, size)).toSpliced(other.drop, other.flip % 2)
        const leaf = leaves[index] ?? Buffer.of()
        const root = treeOf(size).root()
        const engine = provesInclusion(leaf, other.index, other.size, proof, root)
        expect(await leadsToRoot(leaf, other.index, other.size, proof, root)).toBe(engine)
      }),
    )
  })
})

describe('the signed note of Go’s own documentation', () => {
  const key = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
  const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
  const signature =
    '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'

  test.each([
    ['as it stands', `${text}\n${signature}`, true],
    ['with another text', `${text.replace('answer', 'Answer')}\n${signature}`, false],
    ['with another name', `${text}\n${signature.replace('Peter', 'Petra')}`, false],
    ['with another key id', `${text}\n${signature.replace('x08g', 'x08h')}`, false],
    ['twice', `${text}\n${signature}${signature}`, false],
  ])('%s', async (_name, note, holds) => {
    const [parsed, verifier] = [parseNote(note), parseVerifier(key)]
    expect(parsed !== undefined && verifier !== undefined && signedBy(parsed, verifier)).toBe(holds)
    const [read, publicKey] = [readNote(note), await readPublicKey(key)]
    const signed = read === undefined || publicKey === undefined ? null : await signedByInBrowser(read, publicKey)
    expect(signed?.state === 'signed').toBe(holds)
  })

  test.each([
    ['without its end', `${text}\n${signature.trimEnd()}`],
    ['without an empty line', `${text}${signature}`],
    ['with base64 of another spelling', `${text}\n${signature.replace('nAM=', 'nAN=')}`],
    ['with a line that signs nothing', `${text}\n${signature}— \n`],
  ])('%s is no note', (_name, note) => {
    expect(parseNote(note)).toBeUndefined()
    expect(readNote(note)).toBeUndefined()
  })
})

test('a key whose id is not its own is none', async () => {
  const key = 'PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
  expect(parseVerifier(key)).toBeUndefined()
  expect(await readPublicKey(key)).toBeUndefined()
})

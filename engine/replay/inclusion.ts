import { joined, same, sha256 } from './bytes.ts'

const NODE = Uint8Array.of(1)

/**
 * RFC 9162, 2.1.3.2, with the platform's digest: whether a proof leads from leaf `index` to the root of `size` leaves.
 * The counterpart of `provesInclusion` in proof.ts, and held against the same cases.
 */
export async function leadsToRoot(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): Promise<boolean> {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) return false
  let node = leaf
  let [at, last] = [index, size - 1]
  for (const step of proof) {
    if (last === 0) return false
    if (isOdd(at) || at === last) {
      node = await nodeHash(step, node)
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)]
    } else node = await nodeHash(node, step)
    ;[at, last] = [half(at), half(last)]
  }
  return last === 0 && same(node, root)
}

function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return sha256(joined(NODE, left, right))
}

function isOdd(number: number): boolean {
  return number % 2 === 1
}

// Bit operators would end at 2^31.
function half(number: number): number {
  return Math.floor(number / 2)
}

import { nodeHash } from './merkle.ts'

/** The node of height `height` over the leaves from `index` × 2^height on, all of which there are. */
export type ReadNode = (height: number, index: number) => Promise<Buffer>

/** RFC 6962, 2.1: the hash of the tree over the leaves from `from` to before `to`; `from` must be where a subtree begins. */
export async function rangeRoot(from: number, to: number, read: ReadNode): Promise<Buffer> {
  const height = Math.log2(to - from)
  if (Number.isInteger(height)) return read(height, from / 2 ** height)
  const middle = from + split(to - from)
  return nodeHash(await rangeRoot(from, middle, read), await rangeRoot(middle, to, read))
}

/** RFC 6962, 2.1.1: what leads from leaf `index` to the root of the first `size` leaves, lowest first. */
export async function inclusionProof(index: number, size: number, read: ReadNode): Promise<readonly Buffer[]> {
  const path: Buffer[] = []
  let from = 0
  let to = size
  while (to - from > 1) {
    const middle = from + split(to - from)
    path.unshift(index < middle ? await rangeRoot(middle, to, read) : await rangeRoot(from, middle, read))
    if (index < middle) to = middle
    else from = middle
  }
  return path
}

/** RFC 6962, 2.1.2: what shows that the first `size` leaves begin with the first `old`. Empty for 0 and for `size` itself. */
export async function consistencyProof(old: number, size: number, read: ReadNode): Promise<readonly Buffer[]> {
  if (old === 0 || old === size) return []
  const path: Buffer[] = []
  let from = 0
  let to = size
  while (to > old) {
    const middle = from + split(to - from)
    path.unshift(old <= middle ? await rangeRoot(middle, to, read) : await rangeRoot(from, middle, read))
    if (old <= middle) to = middle
    else from = middle
  }
  return from === 0 ? path : [await rangeRoot(from, to, read), ...path]
}

/** RFC 9162, 2.1.3.2. */
export function provesInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (index >= size) return false
  let node: Uint8Array = leaf
  let [at, last] = [index, size - 1]
  for (const step of proof) {
    if (last === 0) return false
    if (isOdd(at) || at === last) {
      node = nodeHash(step, node)
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)]
    } else node = nodeHash(node, step)
    ;[at, last] = [half(at), half(last)]
  }
  return last === 0 && same(node, root)
}

/** RFC 9162, 2.1.4.2, and what it leaves out: any tree is consistent with the empty one, and with itself by no proof. */
export function provesConsistency(
  old: { readonly size: number; readonly root: Uint8Array },
  now: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (old.size > now.size) return false
  if (old.size === 0) return proof.length === 0
  if (old.size === now.size) return proof.length === 0 && same(old.root, now.root)
  const steps = Number.isInteger(Math.log2(old.size)) ? [old.root, ...proof] : proof
  const [first, ...rest] = steps
  if (proof.length === 0 || first === undefined) return false
  let [at, last] = [old.size - 1, now.size - 1]
  while (isOdd(at)) [at, last] = [half(at), half(last)]
  let [before, after] = [first, first]
  for (const step of rest) {
    if (last === 0) return false
    if (isOdd(at) || at === last) {
      ;[before, after] = [nodeHash(step, before), nodeHash(step, after)]
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)]
    } else after = nodeHash(after, step)
    ;[at, last] = [half(at), half(last)]
  }
  return last === 0 && same(before, old.root) && same(after, now.root)
}

// The largest power of two below `size`. Bit operators would end at 2^31.
function split(size: number): number {
  return 2 ** (Math.ceil(Math.log2(size)) - 1)
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}

function isOdd(number: number): boolean {
  return number % 2 === 1
}

function half(number: number): number {
  return Math.floor(number / 2)
}

import { EMPTY_ROOT, nodeHash } from '../merkle.ts'

/** A node of the tree while it grows: `shown` when a leaf beneath it is one of those that are proved. */
interface Node {
  readonly hash: Buffer
  readonly height: number
  readonly shown: boolean
}

/**
 * Proves any set of leaves at once, for one root: the hashes of the largest subtrees that hold none of them, from the left.
 * Whoever has the leaves, their indexes and the tree's size derives the root from these, and no leaf fits anywhere else. A
 * contiguous stretch takes about two hashes a level, however long it is. Keeps a node a level.
 */
export class MultiproofMaker {
  readonly #onHash: (hash: Buffer) => void
  readonly #edge: Node[] = []
  #size = 0

  /** `onHash` gets the hashes in their order. */
  constructor(onHash: (hash: Buffer) => void) {
    this.#onHash = onHash
  }

  get size(): number {
    return this.#size
  }

  /** The next leaf. Everything to the left of a leaf that is shown is a sibling on its way to the root. */
  append(leaf: Buffer, shown: boolean): void {
    if (shown) this.#settle()
    let node: Node = { hash: leaf, height: 0, shown }
    for (let left = this.#edge.at(-1); left?.height === node.height; left = this.#edge.at(-1)) {
      this.#edge.pop()
      node = this.#join(left, node)
    }
    this.#edge.push(node)
    this.#size += 1
  }

  /** The root, once all leaves are in; the last hashes come with it. */
  end(): Buffer {
    let right = this.#edge.pop()
    if (right === undefined) return EMPTY_ROOT
    for (let left = this.#edge.pop(); left !== undefined; left = this.#edge.pop()) right = this.#join(left, right)
    if (!right.shown) this.#onHash(right.hash)
    return right.hash
  }

  #settle(): void {
    for (const [at, node] of this.#edge.entries()) {
      if (node.shown) continue
      this.#onHash(node.hash)
      this.#edge[at] = { ...node, shown: true }
    }
  }

  // A right subtree without a leaf that is shown, beside a left one with: nothing larger can take its place any more.
  #join(left: Node, right: Node): Node {
    if (left.shown && !right.shown) this.#onHash(right.hash)
    const shown = left.shown || right.shown
    return { hash: nodeHash(left.hash, right.hash), height: left.height + 1, shown }
  }
}

export interface ProvedLeaf {
  readonly index: number
  readonly leaf: Buffer
}

/** Where a proof did not fit the leaves it came with. */
export class MultiproofError extends Error {}

/**
 * The root that leaves (in the order of their indexes) and a multiproof's hashes lead to. Pulls both as it goes and keeps
 * a hash a level. Throws MultiproofError when hashes or leaves are left over, or missing.
 */
export async function multiproofRoot(
  size: number,
  leaves: AsyncIterator<ProvedLeaf>,
  hashes: AsyncIterator<Buffer>,
): Promise<Buffer> {
  const walk = new Walk(leaves, hashes)
  await walk.advance()
  const root = size === 0 ? EMPTY_ROOT : await walk.node(0, size)
  await walk.end(size)
  return root
}

class Walk {
  readonly #leaves: AsyncIterator<ProvedLeaf>
  readonly #hashes: AsyncIterator<Buffer>
  #next: ProvedLeaf | undefined

  constructor(leaves: AsyncIterator<ProvedLeaf>, hashes: AsyncIterator<Buffer>) {
    this.#leaves = leaves
    this.#hashes = hashes
  }

  async advance(): Promise<void> {
    const { value, done } = await this.#leaves.next()
    this.#next = done === true ? undefined : value
  }

  async node(from: number, to: number): Promise<Buffer> {
    const next = this.#next
    if (next === undefined || next.index >= to) return this.#hash()
    if (to - from === 1) {
      if (next.index !== from) throw new MultiproofError(`leaf ${next.index} comes twice or out of order`)
      await this.advance()
      return next.leaf
    }
    // RFC 6962, 2.1: the largest power of two below the number of leaves.
    const middle = from + 2 ** (Math.ceil(Math.log2(to - from)) - 1)
    const left = await this.node(from, middle)
    return nodeHash(left, await this.node(middle, to))
  }

  async end(size: number): Promise<void> {
    if (this.#next !== undefined) throw new MultiproofError(`leaf ${this.#next.index} of a tree of ${size}`)
    if ((await this.#hashes.next()).done !== true) throw new MultiproofError('more hashes than the tree has')
  }

  async #hash(): Promise<Buffer> {
    const { value, done } = await this.#hashes.next()
    if (done === true) throw new MultiproofError('fewer hashes than the tree has')
    return value
  }
}

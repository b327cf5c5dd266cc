import { hash } from 'node:crypto'

/** What the first entry of a chain names as the one before it. */
export const NO_LEAF: string = '0'.repeat(64)

/**
 * RFC 6962, 2.1: the hash of one log entry, SHA-256(0x00 || entry), hex. The leading zero byte keeps an entry from being
 * passed off as an inner node of the tree.
 */
export function leafHash(entry: string): string {
  return hash('sha256', `\u0000${entry}`, 'hex')
}

/** RFC 6962, 2.1: the hash of an inner node, SHA-256(0x01 || left || right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  PAIR.set(left, 1)
  PAIR.set(right, 33)
  return Buffer.from(hash('sha256', PAIR, 'hex'), 'hex') // half of what a digest as a buffer costs
}

/** 0x01 and two hashes, for no longer than that call. */
const PAIR: Buffer = Buffer.alloc(65, 1)
/** RFC 6962, 2.1: the root of a tree without leaves. */
export const EMPTY_ROOT: Buffer = hash('sha256', '', 'buffer')

/** Hashes in one tile of full width: C2SP tlog-tiles, tiles of height 8. */
export const TILE_WIDTH = 256

/** A piece of one level of the tree: `hashes` holds `width` nodes of height 8 × `level`, from `index` × 256 on. */
export interface Tile {
  readonly level: number
  readonly index: number
  readonly width: number
  readonly hashes: Buffer
}

/** By height: the roots of the full subtrees that a tree is made of. */
export type Edge = readonly (Buffer | undefined)[]

/** RFC 6962, 2.1: the root of the tree with this right edge. */
export function rootOf(edge: Edge): Buffer {
  let root: Buffer | undefined
  for (const node of edge) {
    if (node !== undefined) root = root === undefined ? node : nodeHash(node, root)
  }
  return root ?? EMPTY_ROOT
}

interface Row {
  index: number
  hashes: Buffer[]
}

/**
 * A tree that only grows: leaves go in, full tiles come out, once each. It keeps the right edge alone, 64 nodes and a
 * partial tile a level, however large the tree is.
 */
export class GrowingTree {
  readonly #edge: (Buffer | undefined)[] = []
  readonly #rows: Row[] = []
  #full: Tile[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  append(leaf: Buffer): void {
    let node = leaf
    let height = 0
    this.#put(0, leaf)
    for (let left = this.#edge[0]; left !== undefined; left = this.#edge[height]) {
      node = nodeHash(left, node)
      this.#edge[height] = undefined
      height += 1
      if (height % 8 === 0) this.#put(height / 8, node)
    }
    this.#edge[height] = node
    this.#size += 1
  }

  root(): Buffer {
    return rootOf(this.#edge)
  }

  /** The right edge as it is now: `rootOf` makes the root of it when somebody asks, later. */
  edge(): Edge {
    return [...this.#edge]
  }

  /** The tiles that have become full since the last call. */
  takeFull(): readonly Tile[] {
    return this.#full.splice(0)
  }

  /** The tiles at the right edge that are not full: those that C2SP calls partial, for the tree as it is now. */
  partial(): readonly Tile[] {
    return this.#rows.flatMap((row, level) => (row.hashes.length === 0 ? [] : [tileOf(level, row)]))
  }

  #put(level: number, node: Buffer): void {
    const row = (this.#rows[level] ??= { index: 0, hashes: [] })
    row.hashes.push(node)
    if (row.hashes.length < TILE_WIDTH) return
    this.#full.push(tileOf(level, row))
    this.#rows[level] = { index: row.index + 1, hashes: [] }
  }
}

function tileOf(level: number, { index, hashes }: Row): Tile {
  return { level, index, width: hashes.length, hashes: Buffer.concat(hashes) }
}

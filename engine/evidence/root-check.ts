import { tilesIn } from './file-store.ts'
import type { Finding } from './finding.ts'
import { EMPTY_ROOT, rootOf, type Edge, type GrowingTree } from './merkle.ts'
import { rangeRoot } from './proof.ts'
import { nodesIn } from './tile.ts'

/** A root that somebody says the tree had at a size. */
export interface Pin {
  readonly size: number
  readonly root: string
  readonly where: Pick<Finding, 'file' | 'line'>
  readonly message: string
}

/** How far back roots are made of what is remembered; a record nearly always names a checkpoint just before it. */
const REMEMBERED = 512

/**
 * Holds roots that are named against the tree while it grows: those ahead when it gets there, those just behind by its
 * right edge then, older ones by the tiles on disk, which are held against the records themselves.
 */
export class RootCheck {
  readonly #directory: string
  readonly #wrong: (pin: Pin, found: string | null) => void
  readonly #ahead = new Map<number, Pin[]>()
  readonly #edges: Edge[] = [[]]
  #behind: Pin[] = []
  #size = 0
  #signed = 0

  /** `wrong`: told of each that is another root; null: the tree never got there. */
  constructor(directory: string, wrong: (pin: Pin, found: string | null) => void) {
    this.#directory = directory
    this.#wrong = wrong
  }

  /** The tree whose tiles are on disk. */
  signed(size: number): void {
    this.#signed = size
  }

  /** For a size that the tree has not reached yet; few of them. */
  expect(pin: Pin): void {
    this.#ahead.set(pin.size, [...(this.#ahead.get(pin.size) ?? []), pin])
  }

  /** For a size that is signed; named by a record, and so behind it or nowhere. */
  pin(pin: Pin): void {
    if (pin.size > this.#size) this.expect(pin)
    else if (this.#size - pin.size >= REMEMBERED) this.#behind.push(pin)
    else this.#compare(pin, rootOf(this.#edges[pin.size % REMEMBERED] ?? []).toString('hex'))
  }

  /** The tree is one leaf larger, or is as it begins. */
  async grown(tree: GrowingTree): Promise<void> {
    this.#size = tree.size
    this.#edges[tree.size % REMEMBERED] = tree.edge()
    const pins = this.#ahead.get(tree.size)
    if (pins !== undefined) {
      const root = tree.root().toString('hex')
      for (const pin of pins) this.#compare(pin, root)
      this.#ahead.delete(tree.size)
    }
    if (this.#behind.length > 0) await this.#lookBack()
  }

  async end(): Promise<void> {
    await this.#lookBack()
    for (const pins of this.#ahead.values()) for (const pin of pins) this.#wrong(pin, null)
  }

  async #lookBack(): Promise<void> {
    const read = nodesIn(tilesIn(this.#directory), this.#signed)
    for (const pin of this.#behind) {
      // A tile that is gone or too short is told of where tiles are.
      const root = pin.size === 0 ? EMPTY_ROOT : await rangeRoot(0, pin.size, read).catch(() => null)
      if (root !== null) this.#compare(pin, root.toString('hex'))
    }
    this.#behind = []
  }

  #compare(pin: Pin, found: string): void {
    if (found !== pin.root) this.#wrong(pin, found)
  }
}

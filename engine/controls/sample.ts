import { hash } from 'node:crypto'

/** Records of a population that a report shows one by one. */
export const SAMPLE_SIZE = 25

/**
 * The place of a record in the draw: SHA-256 over the log's root and the record's leaf hash. Nobody can steer it while
 * records are still being made, since the root isn't known yet; and anybody can draw again, with sha256sum alone.
 */
export function drawOf(root: Uint8Array, leaf: string): string {
  return hash('sha256', Buffer.concat([root, Buffer.from(leaf, 'hex')]), 'hex')
}

/** The records with the smallest draws, whatever the order they come in; holds no more than it hands out. */
export class Sample<Item> {
  readonly #items: { readonly draw: string; readonly item: Item }[] = []

  /** `item` is made only when it is taken. */
  offer(draw: string, item: () => Item): void {
    const full = this.#items.length === SAMPLE_SIZE
    if (full && draw >= (this.#items.at(-1)?.draw ?? '')) return
    if (full) this.#items.pop()
    const place = this.#items.findIndex((each) => draw < each.draw)
    this.#items.splice(place < 0 ? this.#items.length : place, 0, { draw, item: item() })
  }

  /** Smallest draw first. */
  drawn(): readonly { readonly draw: string; readonly item: Item }[] {
    return this.#items
  }
}

import { opendir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { tilesIn } from './file-store.ts'
import type { Report } from './finding.ts'
import { TILE_WIDTH, type Tile } from './merkle.ts'
import { tilePath } from './tile.ts'

/**
 * Holds the tiles of a directory against the tree of its records, each when it is derived: what is kept of them is
 * nothing. `size`: the tree that was signed, whose tiles have to be there.
 */
export class TileCheck {
  readonly #folder: string
  readonly #size: number
  readonly #report: Report

  constructor(directory: string, size: number, report: Report) {
    this.#folder = tilesIn(directory)
    this.#size = size
    this.#report = report
  }

  /** A tile that the records make; those beyond the signed tree need not be there. */
  async derived(tile: Tile): Promise<void> {
    if (!this.#isSigned(tile)) return
    const found = await this.#read(tile)
    if (found?.equals(tile.hashes) === true) return
    const message = found === undefined ? 'a tile is gone' : 'a tile was changed'
    const expected = 'the hashes of its records'
    this.#tampered(tilePath(tile), message, expected, found === undefined ? 'no such file' : 'others')
  }

  /** What else is among the tiles. A crash leaves some of a tree that was never signed, or that a later one replaced. */
  async strays(unsigned: boolean): Promise<void> {
    for await (const path of this.#files()) {
      const tile = parseTilePath(path)
      if (tile === undefined) this.#tampered(path, 'not a tile', 'the path of a tile', 'another')
      else if (!this.#isSigned(tile) && !unsigned && !(await this.#isPart(tile))) {
        this.#tampered(path, 'a tile that no checkpoint has', 'tiles of the signed size', 'one more')
      }
    }
  }

  #isSigned({ level, index, width }: Position): boolean {
    return this.#widthOf(level, index) === width
  }

  /** How many hashes the tile at this place has in the signed tree. */
  #widthOf(level: number, index: number): number {
    const nodes = Math.floor(this.#size / TILE_WIDTH ** level)
    return Math.max(0, Math.min(TILE_WIDTH, nodes - index * TILE_WIDTH))
  }

  // A narrower form of a tile that is there, as an earlier checkpoint had it.
  async #isPart(tile: Position): Promise<boolean> {
    const width = this.#widthOf(tile.level, tile.index)
    if (width <= tile.width) return false
    const [part, whole] = [await this.#read(tile), await this.#read({ ...tile, width })]
    return part?.length === tile.width * 32 && whole?.subarray(0, part.length).equals(part) === true
  }

  async #read(tile: Position): Promise<Buffer | undefined> {
    try {
      return await readFile(join(this.#folder, tilePath(tile)))
    } catch {
      return undefined
    }
  }

  async *#files(): AsyncGenerator<string> {
    try {
      for await (const entry of await opendir(this.#folder, { recursive: true })) {
        if (!entry.isFile() || entry.name.endsWith('.new')) continue
        yield relative(this.#folder, join(entry.parentPath, entry.name))
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }

  #tampered(path: string, message: string, expected: string, found: string): void {
    this.#report({ severity: 'tampered', file: `log/tile/${path}`, line: null, message, expected, found })
  }
}

type Position = Pick<Tile, 'level' | 'index' | 'width'>

/** The other way round as `tilePath`; undefined for what that never makes. */
function parseTilePath(path: string): Position | undefined {
  const [, level, groups, last, partial] = /^(\d{1,2})\/((?:x\d{3}\/)*)(\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path) ?? []
  if (level === undefined || groups === undefined || last === undefined) return undefined
  const index = Number(`${groups.replaceAll(/[x/]/g, '')}${last}`)
  const tile = { level: Number(level), index, width: partial === undefined ? TILE_WIDTH : Number(partial) }
  return tilePath(tile) === path ? tile : undefined
}

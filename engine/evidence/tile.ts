import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EvidenceError } from '../errors.ts'
import { nodeHash, TILE_WIDTH, type Tile } from './merkle.ts'
import type { ReadNode } from './proof.ts'

/** C2SP tlog-tiles: `0/x001/067`, or `0/x001/067.p/3` for a partial tile, beneath `tile/`. */
export function tilePath({ level, index, width }: Pick<Tile, 'level' | 'index' | 'width'>): string {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0')
  const groups = digits.match(/\d{3}/g) ?? []
  const name = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/')
  return width === TILE_WIDTH ? `${level}/${name}` : `${level}/${name}.p/${width}`
}

/** All tiles of a tree of this size, with the paths that C2SP gives them. */
export function* tilesOf(size: number): Generator<Pick<Tile, 'level' | 'index' | 'width'>> {
  for (let level = 0, nodes = size; nodes > 0; level += 1, nodes = Math.floor(nodes / TILE_WIDTH)) {
    const full = Math.floor(nodes / TILE_WIDTH)
    for (let index = 0; index < full; index += 1) yield { level, index, width: TILE_WIDTH }
    if (nodes % TILE_WIDTH > 0) yield { level, index: full, width: nodes % TILE_WIDTH }
  }
}

/** Reads a whole tile by its path; undefined when it isn't there. */
export type ReadTile = (path: string) => Promise<Buffer | undefined>

/** Reads nodes of a tree of `size` leaves out of its tiles in a directory. Throws EvidenceError ERR_EVIDENCE_TAMPERED. */
export function nodesIn(directory: string, size: number): ReadNode {
  return nodesOf((path) => readIfThere(join(directory, path)), directory, size)
}

/** As nodesIn, from tiles wherever they are; `where` names that in errors. */
export function nodesOf(readTile: ReadTile, where: string, size: number): ReadNode {
  return async (height, index) => {
    const level = Math.floor(height / 8)
    const count = 2 ** (height % 8)
    const first = index * count
    const tile = Math.floor(first / TILE_WIDTH)
    const width = Math.min(TILE_WIDTH, Math.floor(size / TILE_WIDTH ** level) - tile * TILE_WIDTH)
    const hashes = await wholeTile(readTile, where, { level, index: tile, width })
    return subtree(hashes, first % TILE_WIDTH, count)
  }
}

/** The root over `count` (a power of two) nodes that stand side by side. */
export function subtree(hashes: Buffer, from: number, count: number): Buffer {
  if (count === 1) return hashes.subarray(from * 32, from * 32 + 32)
  const half = count / 2
  return nodeHash(subtree(hashes, from, half), subtree(hashes, from + half, half))
}

async function wholeTile(
  readTile: ReadTile,
  where: string,
  tile: Pick<Tile, 'level' | 'index' | 'width'>,
): Promise<Buffer> {
  const path = tilePath(tile)
  const hashes = await readTile(path)
  if (hashes?.length === tile.width * 32) return hashes
  const found = hashes === undefined ? 'no such file' : `${hashes.length} bytes`
  const message = `${join(where, path)}: expected a tile of ${tile.width} hashes; found ${found}; keep a copy and run countersign evidence verify`
  throw new EvidenceError('ERR_EVIDENCE_TAMPERED', message, { fatal: true })
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

import { spawnSync } from 'node:child_process'
import { closeSync, cpSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A filesystem of a few megabytes over a directory, that can be filled to its last byte. */
export interface SmallDisk {
  fill(): void
  /** Gives back what `fill` took. */
  free(): void
  /** Takes the filesystem away, and with it all that is on it. */
  unmount(): void
}

/** Over `directory`, whose files move onto it; null, with a word of why, where this user may not mount. */
export function mountSmallDisk(directory: string, megabytes: number): SmallDisk | null {
  const aside = mkdtempSync(join(tmpdir(), 'countersign-aside-'))
  try {
    cpSync(directory, aside, { recursive: true })
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', directory])
    if (mounted.status !== 0) {
      process.stderr.write(`a full disk can't be tried here: mount says ${String(mounted.stderr ?? mounted.error)}\n`)
      return null
    }
    cpSync(aside, directory, { recursive: true })
  } finally {
    rmSync(aside, { recursive: true })
  }
  const ballast = join(directory, 'ballast')
  return {
    fill: () => fillDisk(ballast),
    free: () => rmSync(ballast),
    unmount: () => void spawnSync('umount', ['-l', directory]),
  }
}

function fillDisk(path: string): void {
  const file = openSync(path, 'a')
  try {
    for (const bytes of [Buffer.alloc(4096), Buffer.alloc(1)]) {
      while (takes(file, bytes)); // whole pages, then what is left of the last
    }
  } finally {
    closeSync(file)
  }
}

function takes(file: number, bytes: Buffer): boolean {
  try {
    return writeSync(file, bytes) > 0
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false
    throw error
  }
}

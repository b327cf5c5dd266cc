import { open } from 'node:fs/promises'

/** A payload that is to go: of the line `seq`, which begins at byte `at` of its file; `start` and `length` in that line. */
export interface PayloadPlace {
  readonly seq: number
  readonly at: number
  readonly start: number
  readonly length: number
}

/** Overwrites within files that are there; never makes one longer or shorter. Tests give a failing one. */
export interface Overwriter {
  open(path: string): Promise<OverwrittenFile>
}

export interface OverwrittenFile {
  /** All of the bytes, at this place. */
  write(bytes: Uint8Array, offset: number): Promise<void>
  /** fdatasync. */
  datasync(): Promise<void>
  close(): Promise<void>
}

/** Nothing moves: `null` where the payload was, and spaces up to where it ended. Durable when it resolves. */
export async function overwrite(
  path: string,
  places: readonly PayloadPlace[],
  overwriter: Overwriter = localOverwriter,
): Promise<void> {
  const file = await overwriter.open(path)
  try {
    for (const { at, start, length } of places) await file.write(Buffer.from('null'.padEnd(length)), at + start)
    await file.datasync()
  } finally {
    await file.close()
  }
}

const localOverwriter: Overwriter = {
  async open(path) {
    const file = await open(path, 'r+')
    return {
      async write(bytes, offset) {
        const { bytesWritten } = await file.write(bytes, 0, bytes.length, offset)
        if (bytesWritten !== bytes.length) throw new Error(`only ${bytesWritten} of ${bytes.length} bytes were written`)
      },
      datasync: () => file.datasync(),
      close: () => file.close(),
    }
  },
}

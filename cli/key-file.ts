import { writeFile } from 'node:fs/promises'
import { UsageError } from './exit.ts'

/** Writes a private key into a new file, for its owner's eyes. Throws UsageError where a file is there already. */
export async function writeKey(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, `${text}\n`, { flag: 'wx', mode: 0o600, flush: true })
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown'
    throw new UsageError(`--out: expected a new file; ${path} can't be made: ${reason}`)
  }
}

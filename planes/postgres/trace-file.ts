import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../../engine/index.ts'
import type { TraceSink } from './session/session-trace.ts'

/** What may wait for the disk; beyond that lines are left out, and their number told. */
const MOST_WAITING = 4 * 1024 * 1024

/** Makes the directory of traces, for its owner alone. */
export function makeTraceDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new ConfigError('ERR_CONFIG_PLANE', `planes.postgres.trace: can't make ${directory}`, { cause })
  }
}

/** One session's trace. It is no evidence: a disk that fails costs the trace and nothing else. */
export class TraceFile implements TraceSink {
  readonly #stream: ReturnType<typeof createWriteStream>
  #lost = 0

  constructor(directory: string, session: string, onError: (error: Error) => void) {
    this.#stream = createWriteStream(join(directory, `${session}.trace`), { flags: 'wx', mode: 0o600 })
    this.#stream.on('error', onError)
  }

  line(text: string): void {
    if (this.#stream.destroyed) return
    if (this.#stream.writableLength > MOST_WAITING) {
      this.#lost += 1
      return
    }
    if (this.#lost > 0) this.#stream.write(`(${this.#lost} lines are left out: the disk was too slow)\n`)
    this.#lost = 0
    this.#stream.write(`${text}\n`)
  }

  close(): void {
    this.#stream.end()
  }
}

import { createHash, type Hash } from 'node:crypto'
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Characters that wait before they are written. */
const BUFFER_LENGTH = 256 * 1024

/** A file that is written once, from its first byte to its last, and its digest with it. Holds one buffer. */
export class FileSink {
  readonly #file: FileHandle
  readonly #hash: Hash = createHash('sha256')
  #text = ''

  constructor(file: FileHandle) {
    this.#file = file
  }

  /** True when so much waits that `flush` has to be awaited before more comes. */
  add(text: string): boolean {
    this.#text += text
    return this.#text.length >= BUFFER_LENGTH
  }

  async flush(): Promise<void> {
    const bytes = Buffer.from(this.#text)
    this.#text = ''
    await this.write(bytes)
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, at)
      if (bytesWritten === 0) throw new Error('the disk takes no more bytes')
      at += bytesWritten
    }
  }

  /** On the disk when it resolves. The file's SHA-256, hex. */
  async end(): Promise<string> {
    await this.flush()
    await this.#file.sync()
    await this.#file.close()
    return this.#hash.digest('hex')
  }

  async abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined) // closed already
  }
}

/**
 * A folder that appears whole or not at all: everything is written beside it, under a name that ends in `.partial`, and
 * takes its own name when all of it is on the disk.
 */
export class FolderSink {
  readonly #path: string
  readonly #digests = new Map<string, string>()
  readonly #open = new Set<FileSink>()

  constructor(path: string) {
    this.#path = path
  }

  get #partial(): string {
    return `${this.#path}.partial`
  }

  /** Throws EEXIST where another one is being written, or was left by one that was killed. */
  async begin(): Promise<void> {
    await mkdir(this.#partial, { mode: 0o700 })
  }

  /** Where a file that is written already can be read again. */
  pathOf(name: string): string {
    return join(this.#partial, name)
  }

  async open(name: string): Promise<FileSink> {
    const path = this.pathOf(name)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const sink = new FileSink(await open(path, 'wx', 0o600))
    this.#open.add(sink)
    return sink
  }

  async close(name: string, sink: FileSink): Promise<void> {
    this.#digests.set(name, await sink.end())
    this.#open.delete(sink)
  }

  async put(name: string, content: string | Uint8Array): Promise<void> {
    const sink = await this.open(name)
    await sink.write(Buffer.from(content))
    await this.close(name, sink)
  }

  /** What was written so far: name and SHA-256, by name. */
  digests(): ReadonlyMap<string, string> {
    return new Map([...this.#digests].toSorted(([one], [other]) => (one < other ? -1 : 1)))
  }

  async publish(): Promise<void> {
    await rename(this.#partial, this.#path)
    const parent = await open(dirname(this.#path), 'r')
    try {
      await parent.sync()
    } finally {
      await parent.close()
    }
  }

  async abandon(): Promise<void> {
    for (const sink of this.#open) await sink.abandon()
    await rm(this.#partial, { recursive: true, force: true })
  }
}

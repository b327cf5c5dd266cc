import { createReadStream } from 'node:fs'
import { MAX_LINE_BYTES } from '../line.ts'

const NEWLINE = 0x0a
const CHUNK_BYTES: number = 256 * 1024
/** A line of the log with its index before it. */
const LIMIT: number = MAX_LINE_BYTES + 32

/** A file that is gone, that doesn't end with a newline, or has a line longer than any of ours. */
export class UnevenFile extends Error {
  readonly file: string
  readonly line: number

  constructor(file: string, line: number, message: string) {
    super(message)
    this.file = file
    this.line = line
  }
}

/** A file's lines, without their newlines, one chunk in memory. Whoever stops early closes the file. Throws UnevenFile. */
export async function* linesIn(path: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  let line = 1
  for await (const chunk of chunksOf(path)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      if (end - start > LIMIT) throw new UnevenFile(path, line, `${end - start} bytes`)
      yield bytes.subarray(start, end)
      start = end + 1
      line += 1
    }
    rest = bytes.subarray(start)
    if (rest.length > LIMIT) throw new UnevenFile(path, line, `more than ${LIMIT} bytes`)
  }
  if (rest.length > 0) throw new UnevenFile(path, line, `${rest.length} bytes without a newline`)
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: CHUNK_BYTES })
  try {
    yield* chunks
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    throw new UnevenFile(path, 1, 'no such file')
  }
}

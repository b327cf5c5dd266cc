import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { UpstreamError } from '../../../engine/index.ts'
import { LogClock } from './log-clock.ts'
import { csvLine, jsonLine, type LogLine } from './log-line.ts'
import { LogRows, type Row } from './log-rows.ts'

const CHUNK_BYTES: number = 256 * 1024
const BRACE = 0x7b

/** One file of the server's log. `.gz` is read as it lies. */
export interface LogFile {
  readonly path: string
  readonly form: 'csv' | 'json'
  /** Time of its first row. */
  readonly first: number
}

/** What a stretch of a file holds. */
export interface LogStretch {
  readonly file: LogFile
  readonly lines: readonly LogLine[]
  /** Lines of the file on which something begins that is no row. */
  readonly damaged: readonly number[]
  /** The file ends in the middle of a row. */
  readonly torn: boolean
}

/** Looks at the beginning of each file; in the order of time. Throws UpstreamError ERR_UPSTREAM_LOG. */
export async function openServerLog(paths: readonly string[]): Promise<readonly LogFile[]> {
  const files = await Promise.all(paths.map(async (path) => lookAt(path)))
  return files.filter((file) => file !== null).toSorted((one, other) => one.first - other.first)
}

/** All rows of the files, one after another, a stretch of them at a time. */
export async function* readServerLog(files: readonly LogFile[]): AsyncGenerator<LogStretch> {
  const clock = new LogClock()
  for (const file of files) yield* readFile(file, clock)
}

async function* readFile(file: LogFile, clock: LogClock): AsyncGenerator<LogStretch> {
  let lines: LogLine[] = []
  let damaged: number[] = []
  const rows = new LogRows(file.form, (row) => {
    const line = parse(file.form, row, clock)
    if (line === undefined) damaged.push(row.line)
    else lines.push(line)
    return line !== undefined
  })
  try {
    for await (const chunk of bytesOf(file.path)) {
      rows.push(chunk)
      if (lines.length > 0 || damaged.length > 0) yield { file, lines, damaged, torn: false }
      lines = []
      damaged = []
    }
  } catch (error) {
    throw unreadable(file.path, error)
  }
  const torn = rows.end()
  yield { file, lines, damaged, torn }
}

function parse(form: LogFile['form'], row: Row, clock: LogClock): LogLine | undefined {
  return form === 'csv' ? csvLine(row, clock) : jsonLine(row, clock)
}

/** null for an empty file, as the server makes one when it turns to the next. */
async function lookAt(path: string): Promise<LogFile | null> {
  const clock = new LogClock()
  let form: LogFile['form'] | undefined
  let first: number | undefined
  let rows: LogRows | undefined
  try {
    for await (const chunk of bytesOf(path)) {
      form ??= chunk[0] === BRACE ? 'json' : 'csv'
      const known = form
      rows ??= new LogRows(form, (row) => {
        first ??= parse(known, row, clock)?.time
        return true
      })
      rows.push(chunk)
      if (first !== undefined) return { path, form, first }
    }
  } catch (error) {
    throw unreadable(path, error)
  }
  if (form === undefined) return null
  throw unreadable(path, new Error('no row of csvlog or jsonlog (log_destination) in it'))
}

async function* bytesOf(path: string): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES })
  if (!path.endsWith('.gz')) {
    yield* file
    return
  }
  const unzipped = createGunzip({ chunkSize: CHUNK_BYTES })
  const copied = pipeline(file, unzipped).catch(() => undefined) // whoever reads hears of it from what he reads
  yield* unzipped
  await copied
}

function unreadable(path: string, cause: unknown): UpstreamError {
  if (cause instanceof UpstreamError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new UpstreamError('ERR_UPSTREAM_LOG', `${path}: expected the server's log; found: ${reason}`, {
    cause,
  })
}

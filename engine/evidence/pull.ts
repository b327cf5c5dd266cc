import { createReadStream } from 'node:fs'
import { open, readdir, readFile, truncate } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EvidenceError } from '../errors.ts'
import { parseCheckpoint } from './checkpoint.ts'
import {
  append,
  localFiles,
  logIn,
  publish,
  recordingFile,
  recordingsIn,
  recordsFile,
  recordsIn,
  sequenceFile,
  tilesIn,
  type AppendFile,
} from './file-store.ts'
import { splitLine, type EntryKind } from './line.ts'
import { eachLine } from './lines.ts'
import { runOf } from './postgres-order.ts'
import { assertMigrated } from './postgres-schema.ts'
import {
  inTransaction,
  openPostgresSession,
  placeOf,
  type PostgresAddress,
  type PostgresSession,
} from './postgres-session.ts'
import { joined, runLine } from './sequence.ts'

/** What a pull has brought over, beyond what was there. */
export interface Pulled {
  readonly writers: number
  readonly records: number
  readonly frames: number
  /** Records under the checkpoint; null where nothing is signed. */
  readonly signed: number | null
}

/** Lines fetched at a time. */
const FETCH = 200
const DOCUMENTS = ['checkpoint', 'witnessed']
const FILE_OF: Readonly<Record<EntryKind, (directory: string, writer: string) => string>> = {
  record: recordsFile,
  frame: recordingFile,
}

/**
 * Copies a database of evidence into a directory, in the directory's own form, byte for byte, as it was at one moment. A
 * directory that was pulled before is brought up to that moment: what it has must be what the database still has, else
 * ERR_EVIDENCE_TAMPERED, and nothing is overwritten. Interrupted, it leaves a directory that the next pull completes.
 */
export async function pullEvidence(address: PostgresAddress, directory: string): Promise<Pulled> {
  const place = placeOf(address)
  const session = await connected(address, place)
  try {
    return await inTransaction(session, 'ISOLATION LEVEL REPEATABLE READ READ ONLY', async () => {
      await assertMigrated(session, place)
      return new Pull(session, place, directory).run()
    })
  } finally {
    await session.close()
  }
}

async function connected(address: PostgresAddress, place: string): Promise<PostgresSession> {
  try {
    return await openPostgresSession(address)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${place}: can't be read (${reason}); is it up, and may this role connect?`
    throw new EvidenceError('ERR_EVIDENCE_STORE', message, { cause, retryable: true })
  }
}

class Pull {
  readonly #session: PostgresSession
  readonly #place: string
  readonly #directory: string

  constructor(session: PostgresSession, place: string, directory: string) {
    this.#session = session
    this.#place = place
    this.#directory = directory
  }

  async run(): Promise<Pulled> {
    for (const path of [recordsIn(this.#directory), recordingsIn(this.#directory)]) await localFiles.makeDirectory(path)
    const signed = await this.#checkForward()
    const rows = await this.#session.query('SELECT id FROM evidence_writers ORDER BY id')
    const count = { record: 0, frame: 0 }
    for (const { id } of rows) {
      // The recording first, as a gateway makes them: a records file without a recording is never a crash's work.
      for (const kind of ['frame', 'record'] as const) count[kind] += await this.#lines(kind, String(id))
    }
    await this.#log()
    return { writers: rows.length, records: count.record, frames: count.frame, signed }
  }

  /** Where the directory's checkpoint is beyond the database's, the database went back. Answers the database's size. */
  async #checkForward(): Promise<number | null> {
    const there = parseCheckpoint(await readFile(join(logIn(this.#directory), 'checkpoint'), 'utf8').catch(() => ''))
    const text = (await this.#documents()).get('checkpoint')
    const now = text === undefined ? undefined : parseCheckpoint(text)
    if (there !== undefined && there.size > (now?.size ?? 0)) {
      const found = now === undefined ? 'none' : `one of ${now.size}`
      throw this.#tampered('checkpoint', `a checkpoint of at least the ${there.size} records pulled before`, found)
    }
    return now?.size ?? null
  }

  async #lines(kind: EntryKind, writer: string): Promise<number> {
    const path = FILE_OF[kind](this.#directory, writer)
    const have = await wholeLines(path)
    if (have.last !== null) await this.#checkLast(kind, writer, have.count, have.last)
    const file = await appendTo(path, have.bytes)
    try {
      let seq = have.count
      for (;;) {
        const rows = await this.#session.query(LINES_AFTER, [writer, kind, seq, FETCH])
        if (rows.length === 0) return seq - have.count
        await append(file, rows.map(({ line }) => `${String(line)}\n`).join(''))
        seq += rows.length
        if (Number(rows.at(-1)?.['seq']) !== seq) {
          throw this.#tampered(`${kind} ${seq} of ${writer}`, 'lines without a gap', 'a gap before it')
        }
      }
    } finally {
      await file.close()
    }
  }

  async #checkLast(kind: EntryKind, writer: string, seq: number, line: Buffer): Promise<void> {
    const [row] = await this.#session.query(LINES_AFTER, [writer, kind, seq - 1, 1])
    // By their leaves: a payload may have been erased since, here or there.
    const leaf = splitLine(kind, Buffer.from(String(row?.['line'])))?.leaf
    if (Number(row?.['seq']) === seq && leaf !== undefined && leaf === splitLine(kind, line)?.leaf) return
    const found = row === undefined ? 'none' : 'another'
    throw this.#tampered(`${kind} ${seq} of ${writer}`, 'the line that was pulled before', found)
  }

  // The checkpoint last: whatever is under it is there by then.
  async #log(): Promise<void> {
    const documents = await this.#documents()
    const runs = await this.#session.query(RUNS)
    if (documents.size === 0 && runs.length === 0) return
    await localFiles.makeDirectory(tilesIn(this.#directory))
    await publish(localFiles, sequenceFile(this.#directory), joined(runs.map(runOf)).map(runLine).join(''))
    const tiles = await this.#tiles()
    for (const [name, text] of documents) await publish(localFiles, join(logIn(this.#directory), name), text)
    await removeReplaced(tilesIn(this.#directory), tiles)
  }

  async #tiles(): Promise<ReadonlySet<string>> {
    const all = new Set<string>()
    const made = new Set<string>()
    for (let after = ''; ;) {
      const rows = await this.#session.query(TILES_AFTER, [after, FETCH])
      for (const { path, hashes } of rows) {
        const file = join(tilesIn(this.#directory), String(path))
        if (!Buffer.isBuffer(hashes)) throw this.#tampered(`tile/${String(path)}`, 'hashes', 'none')
        if (!made.has(dirname(file))) await localFiles.makeDirectory(dirname(file))
        made.add(dirname(file))
        all.add(file)
        if (!(await hasBytes(file, hashes))) await publish(localFiles, file, hashes)
      }
      const last = rows.at(-1)
      if (last === undefined) return all
      after = String(last['path'])
    }
  }

  async #documents(): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#session.query('SELECT name, body FROM evidence_documents')
    const all = new Map(rows.map(({ name, body }) => [String(name), String(body)]))
    const known = DOCUMENTS.toReversed().flatMap((name) => {
      const text = all.get(name)
      return text === undefined ? [] : [[name, text] as const]
    })
    return new Map(known)
  }

  #tampered(where: string, expected: string, found: string): EvidenceError {
    const message = `${this.#place}: ${where}: expected ${expected}; found ${found}; keep ${this.#directory} as it is and pull into an empty directory`
    return new EvidenceError('ERR_EVIDENCE_TAMPERED', message, { fatal: true })
  }
}

const LINES_AFTER = `SELECT seq, line FROM evidence_lines
  WHERE writer = (SELECT number FROM evidence_writers WHERE id = $1) AND kind = $2 AND seq > $3 ORDER BY seq LIMIT $4`
const RUNS = `SELECT index, id AS writer, seq, count FROM evidence_runs JOIN evidence_writers ON number = writer ORDER BY index`
const TILES_AFTER = 'SELECT path, hashes FROM evidence_tiles WHERE path > $1 ORDER BY path LIMIT $2'

interface Whole {
  readonly count: number
  readonly bytes: number
  readonly last: Buffer | null
}

/** The whole lines that a file begins with; what a pull that died left behind them is not counted. */
async function wholeLines(path: string): Promise<Whole> {
  let [count, last] = [0, null as Buffer | null]
  try {
    const { bytes } = await eachLine(createReadStream(path), (line) => {
      count += 1
      last = line
    })
    return { count, bytes, last }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { count: 0, bytes: 0, last: null }
    throw error
  }
}

async function appendTo(path: string, bytes: number): Promise<AppendFile> {
  const file = await open(path, 'a', 0o600)
  await truncate(path, bytes)
  return {
    write: async (content) => (await file.write(content)).bytesWritten,
    datasync: () => file.datasync(),
    close: () => file.close(),
  }
}

/** Partial tiles of an earlier checkpoint, which fuller ones have replaced since. */
async function removeReplaced(folder: string, there: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && /\.p\/\d+$/.test(path) && !there.has(path)) await localFiles.remove(path)
  }
}

async function hasBytes(path: string, bytes: Buffer): Promise<boolean> {
  const there = await readFile(path).catch(() => null)
  return there?.equals(bytes) === true
}

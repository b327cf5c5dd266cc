import { open, readFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { logIn, recordingFile, recordsFile, sequenceFile, tilesIn } from './file-store.ts'
import type { EntryKind } from './line.ts'
import { ifGone, LineReader } from './line-reader.ts'
import { parseSequence, type Run } from './sequence.ts'
import { sessionOfFrame, type EvidenceSource, type FrameStretch, type LinePlace, type PlacedLine } from './source.ts'
import { writersIn } from './writers.ts'

/** More than any line takes. */
const CHUNK_BYTES: number = 256 * 1024
/** What most lines take. */
const LINE_BYTES: number = 8 * 1024
const NEWLINE = 0x0a

/** A directory of evidence, live or a copy. */
export function directorySource(directory: string): EvidenceSource {
  const file = (kind: EntryKind, writer: string): string => fileOf(directory, kind, writer)
  return {
    place: directory,
    writers: () => writersIn(directory),
    lines: (kind, writer) => new LineReader(file(kind, writer)),
    linesAfter: (kind, writer, place) => readAfter(file(kind, writer), place),
    linesAt: (kind, writer, places) => readAt(file(kind, writer), places),
    framesAfter: async (writer, place) => stretchOf(place, await readAfter(file('frame', writer), place)),
    runs: () => runsIn(directory),
    leavesOf: (writer, seqs) => leavesIn(directory, writer, seqs),
    document: (name) => readFile(join(logIn(directory), name), 'utf8').catch(ifGone),
    tile: (path) => readFile(join(tilesIn(directory), path)).catch(ifGone),
  }
}

export function fileOf(directory: string, kind: EntryKind, writer: string): string {
  return kind === 'record' ? recordsFile(directory, writer) : recordingFile(directory, writer)
}

async function* runsIn(directory: string): AsyncGenerator<Run> {
  yield* parseSequence((await readFile(sequenceFile(directory), 'utf8').catch(ifGone)) ?? '').runs
}

async function leavesIn(
  directory: string,
  writer: string,
  seqs: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const leaves = new Map<number, number>()
  const ordered = seqs.toSorted((one, other) => one - other)
  let next = 0
  for await (const run of runsIn(directory)) {
    if (run.writer !== writer) continue
    for (let seq = ordered[next]; seq !== undefined && seq < run.seq + run.count; seq = ordered[next]) {
      leaves.set(seq, run.index + seq - run.seq)
      next += 1
    }
  }
  return leaves
}

async function readAfter(path: string, place: LinePlace): Promise<readonly PlacedLine[]> {
  const file = await open(path, 'r').catch(ifGone)
  if (file === undefined) return []
  try {
    return wholeLines(await readChunk(file, place.at, CHUNK_BYTES), place)
  } finally {
    await file.close()
  }
}

async function* readAt(path: string, places: readonly LinePlace[]): AsyncGenerator<PlacedLine> {
  const file = await open(path, 'r').catch(ifGone)
  if (file === undefined) return
  try {
    for (const place of places) {
      const [line] = wholeLines(await readChunk(file, place.at, LINE_BYTES), place)
      const [found] = line === undefined ? wholeLines(await readChunk(file, place.at, CHUNK_BYTES), place) : [line]
      if (found !== undefined) yield found
    }
  } finally {
    await file.close()
  }
}

async function readChunk(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, at)
  return buffer.subarray(0, bytesRead)
}

// Zeros are what a file has where a crash, or a write under way, left it unwritten.
function wholeLines(chunk: Buffer, place: LinePlace): readonly PlacedLine[] {
  const lines: PlacedLine[] = []
  let before = place
  for (let begin = 0; ;) {
    const end = chunk.indexOf(NEWLINE, begin)
    const line = chunk.subarray(begin, Math.max(end, begin))
    if (end < 0 || line.includes(0)) return lines
    begin = end + 1
    const after = { seq: before.seq + 1, at: place.at + begin }
    lines.push({ line, before, after })
    before = after
  }
}

function stretchOf(before: LinePlace, frames: readonly PlacedLine[]): FrameStretch | null {
  const last = frames.at(-1)
  if (last === undefined) return null
  const sessions = frames.map(({ line }) => sessionOfFrame(line)).filter((session) => session !== null)
  return { before, after: last.after, sessions: new Set(sessions) }
}

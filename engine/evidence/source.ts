import type { EntryKind } from './line.ts'
import type { Run } from './sequence.ts'
import type { ReadTile } from './tile.ts'
import type { WriterName } from './writers.ts'

/**
 * Evidence as it is read: a directory, live or a copy, or a PostgreSQL database. Nothing is locked; a record may be handed
 * out a moment before it is durable, and the log's documents and tiles go on being replaced.
 */
export interface EvidenceSource {
  /** How messages name it: the directory, or the database. Never a secret. */
  readonly place: string
  /** Every writer there ever was, of all instances. */
  writers(): Promise<readonly WriterName[]>
  /** One writer's lines of a kind from the first on. */
  lines(kind: EntryKind, writer: string): LineSource
  /** Whole lines of a writer behind a place, as many as one read brings; none where there are no more yet. */
  linesAfter(kind: EntryKind, writer: string, place: LinePlace): Promise<readonly PlacedLine[]>
  /** The lines that begin at these places, each on its own; without those that aren't there. */
  linesAt(kind: EntryKind, writer: string, places: readonly LinePlace[]): AsyncIterable<PlacedLine>
  /** As linesAfter, of frames, without their lines: whose they are. Null where there are no more yet. */
  framesAfter(writer: string, place: LinePlace): Promise<FrameStretch | null>
  /** The order of the log, from leaf 0 on, as far as it is in order. */
  runs(): AsyncIterable<Run>
  /** Of records of one writer, by seq: which leaf each is. Without those that no run has. */
  leavesOf(writer: string, seqs: readonly number[]): Promise<ReadonlyMap<number, number>>
  /** `checkpoint`, `witnessed`. */
  document(name: string): Promise<string | undefined>
  /** By C2SP's path below `tile/`. */
  readonly tile: ReadTile
}

export interface LineSource {
  /** The line that was handed out last, as messages name it. */
  readonly where: string
  /** Without its newline, good until the next call; undefined where nothing whole is there (yet). */
  next(): Promise<Buffer | undefined>
}

/** Behind a line: its seq, and where the next one begins, in bytes where there are files. Before the first: both 0. */
export interface LinePlace {
  readonly seq: number
  readonly at: number
}

/** A line without its newline, the place that it begins at, and the one behind it. */
export interface PlacedLine {
  readonly line: Buffer
  readonly before: LinePlace
  readonly after: LinePlace
}

/** Some frames that follow each other in a recording, and the sessions that they are of. */
export interface FrameStretch {
  readonly before: LinePlace
  readonly after: LinePlace
  readonly sessions: ReadonlySet<string>
}

const SESSION = Buffer.from('"session":"')

/** Of a frame's line, by its bytes alone: whatever stands before its session has its quotes escaped. Null for another line. */
export function sessionOfFrame(line: Buffer): string | null {
  const at = line.indexOf(SESSION)
  const end = at < 0 ? -1 : line.indexOf('"', at + SESSION.length)
  return end < 0 ? null : line.toString('utf8', at + SESSION.length, end)
}

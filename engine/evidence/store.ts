import type { EntryKind } from './line.ts'
import type { PayloadPlace } from './overwriting.ts'
import type { StoredRecord } from './reading.ts'
import type { Run, Sequence } from './sequence.ts'
import type { EvidenceSource } from './source.ts'
import type { WriterName } from './writers.ts'

/** Whole lines of each kind, in order, each with its newline; either may be empty. */
export type Batch = Readonly<Record<EntryKind, string>>

/**
 * Where evidence is kept: a directory of files, or a PostgreSQL database. Both hold the same lines, byte for byte; what one
 * store says of durability is all that the log relies on. Whatever a store can't do it throws, as EvidenceError where it
 * can say what to do.
 */
export interface EvidenceStore {
  /** How messages name it: the directory, or the database. Never a secret. */
  readonly place: string
  /** What is in it, for who reads. */
  readonly source: EvidenceSource
  /** Makes what a store needs before anything is in it. Safe to call when it is there. */
  prepare(): Promise<void>
  /**
   * Becomes the one writer of this instance, until `release` or until this process, or its way to the store, dies. Whoever
   * wrote as this instance before can't write any more once this has resolved. Throws ERR_EVIDENCE_LOCKED.
   */
  hold(instance: string): Promise<InstanceHold>
  /** Every writer there ever was, of all instances. */
  writers(): Promise<readonly WriterName[]>
  /** All bytes of one writer's lines of a kind, in order; after a crash the last of them may be no whole line. */
  content(kind: EntryKind, writer: string): AsyncIterable<Buffer>
  /** The writer's last record, without its newline; undefined when there is none, or it isn't whole. */
  lastRecord(writer: string): Promise<Buffer | undefined>
  /**
   * Takes the place of the one who orders and signs; null while somebody else has it and this process may wait for it.
   * Throws ERR_EVIDENCE_LOCKED where it may not.
   */
  order(): Promise<OrderStore | null>
  /** How many of a writer's records have a place in the order, and are signed or about to be. */
  ordered(writer: string): Promise<number>
  /** The records of approvals, policies, revocations and used assertions, of all instances, for state to be rebuilt from; in no order that could be relied on. */
  stateChanges(): AsyncIterable<StoredRecord>
  /** Whether somebody writes as this instance now. */
  isHeld(instance: string): Promise<boolean>
  /**
   * Overwrites payloads in place, `null` and spaces; entries and their leaves stay as they are. Durable when it resolves;
   * after it has thrown, some of them may be gone.
   */
  erase(kind: EntryKind, writer: string, payloads: readonly PayloadPlace[]): Promise<void>
  /** Closes what it holds open itself. Holds and orders are their holders' to release. */
  close(): Promise<void>
}

export interface InstanceHold {
  /** A new writer, durable when this resolves. Its first line follows. */
  create(writer: string): Promise<LineWriter>
  release(): Promise<void>
}

/** One writer's lines on their way into the store. One batch at a time. */
export interface LineWriter {
  /** Resolves when all of it is durable. After it has thrown, some of it, or all, may be there. */
  write(batch: Batch): Promise<void>
  close(): Promise<void>
}

/** What the sequencer keeps: the order of all records, the tiles of their tree, and small published documents. */
export interface OrderStore {
  readonly place: string
  /**
   * Runs steps that belong to one checkpoint. Each step is durable before the next, or all of them at once at the end: so
   * that whatever is published stands on what is there. Throws ERR_EVIDENCE_WRITE, retryable, where the place was lost to
   * somebody else: the caller has to ask for it again.
   */
  steps<T>(work: () => Promise<T>): Promise<T>
  /** `checkpoint`, `witnessed`, …: texts that replace each other whole. */
  document(name: string): Promise<string | undefined>
  publish(name: string, text: string): Promise<void>
  /** How messages name a document, or the sequence. */
  locate(name: string): string
  sequence(): Promise<Sequence>
  /** Makes the sequence fit to be extended, once: an unfinished end goes, and runs that continue each other may be joined. */
  resume(runs: readonly Run[]): Promise<void>
  extend(runs: readonly Run[]): Promise<void>
  /** By C2SP's path below `tile/`. */
  tile(path: string): Promise<Buffer | undefined>
  writeTiles(tiles: readonly StoredTile[]): Promise<void>
  removeTiles(paths: readonly string[]): Promise<void>
  writers(): Promise<readonly WriterName[]>
  /** Follows one writer's records from its first. */
  leaves(writer: string): LeafSource
  release(): Promise<void>
}

export interface StoredTile {
  readonly path: string
  readonly hashes: Buffer
}

/** One writer's leaves as its records grow. */
export interface LeafSource {
  /** Records handed out so far: the seq of the last. */
  readonly seq: number
  /** Hands out at most `limit` leaves that are new, of durable records only. Lets others run in between. */
  read(limit: number, onLeaf: (leaf: Buffer) => void): Promise<void>
}

const STATE_EVENTS = ['approval.', 'access.', 'breakglass.', 'policy.', 'credential.revoked', 'agent.'] as const

/** What stands in the line of every record that state is rebuilt from: its event, or that an assertion was used. */
export const STATE_MARKS: readonly string[] = [
  ...STATE_EVENTS.map((name) => `"event":"${name}`),
  '"detail":{"assertion":{',
]

import { open, readdir } from 'node:fs/promises'
import { parseRecord, type EvidenceRecord } from './decision-record.ts'
import { recordsFile, recordsIn } from './file-store.ts'
import { decodeLine, MAX_LINE_BYTES } from './line.ts'
import { closesItself } from './scan.ts'

/** An instance's name is part of file names and of writer ids. */
const INSTANCE = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/
const WRITER_FILE = /^([A-Za-z0-9][A-Za-z0-9_-]{0,62})\.(\d{13}-[0-9a-f]{12})\.ndjson$/

export interface WriterName {
  readonly id: string
  readonly instance: string
  readonly boot: string
}

export function isInstanceName(text: string): boolean {
  return INSTANCE.test(text)
}

/** A boot id sorts after those before it even when the clock was set back: the order of files is the order of writers. */
export function nextBoot(nowMs: number, previous: WriterName | undefined, random: Uint8Array): string {
  const after = previous === undefined ? 0 : Number(previous.boot.slice(0, 13)) + 1
  return `${String(Math.max(nowMs, after)).padStart(13, '0')}-${Buffer.from(random).toString('hex')}`
}

export function parseWriterFile(name: string): WriterName | undefined {
  const match = WRITER_FILE.exec(name)
  const [, instance, boot] = match ?? []
  return instance === undefined || boot === undefined ? undefined : { id: `${instance}.${boot}`, instance, boot }
}

/** Oldest first within each instance. */
export function byAge(one: WriterName, other: WriterName): number {
  return one.id < other.id ? -1 : Number(one.id > other.id)
}

/** The writers of one instance in a directory, oldest first. */
export async function writersOf(directory: string, instance: string): Promise<readonly WriterName[]> {
  const names = await readdir(recordsIn(directory))
  const writers = names.map(parseWriterFile).filter((writer) => writer !== undefined)
  return writers.filter((writer) => writer.instance === instance).toSorted(byAge)
}

/** The record with which a writer closed itself, read from the end of its file; undefined when it did not. */
export async function readClosing(
  directory: string,
  writer: WriterName,
): Promise<{ readonly record: EvidenceRecord; readonly leaf: string } | undefined> {
  const last = await readLastLine(recordsFile(directory, writer.id))
  const line = last === undefined ? undefined : decodeLine('record', last)
  if (line?.kind !== 'entry') return undefined
  const record = parseRecord(line.entry, line.payload)
  return record?.writerId === writer.id && closesItself(record) ? { record, leaf: line.leaf } : undefined
}

async function readLastLine(path: string): Promise<Buffer | undefined> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const length = Math.min(size, MAX_LINE_BYTES + 2)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
    const end = buffer.subarray(0, bytesRead)
    if (end.at(-1) !== 0x0a) return undefined
    return end.subarray(end.lastIndexOf(0x0a, -2) + 1, -1)
  } finally {
    await file.close()
  }
}

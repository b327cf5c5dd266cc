import { readdir } from 'node:fs/promises'
import { recordsIn } from './file-store.ts'

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

/** The writers whose records are in a directory; other files are passed over. */
export async function writersIn(directory: string): Promise<readonly WriterName[]> {
  return namesOf(await readdir(recordsIn(directory)))
}

/** The writers among file names; other names are passed over. */
export function namesOf(files: readonly string[]): readonly WriterName[] {
  return files.map(parseWriterFile).filter((writer) => writer !== undefined)
}

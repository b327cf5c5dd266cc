import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  openEvidenceLog,
  type EvidenceLog,
  type EvidenceOptions,
  type FileSystem,
} from '../../../engine/evidence/index.ts'
import { localFiles } from '../../../engine/evidence/file-store.ts'
import { intent, outcome, PRINCIPAL, rows } from './drafts.ts'

export { intent, outcome, PRINCIPAL, rows }

/** An empty directory that goes when the test ends. */
export function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), 'countersign-evidence-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A clock that only the test moves: every question is a millisecond. */
export function stepClock(start: number = Date.UTC(2026, 3, 18, 9)): Pick<EvidenceOptions, 'now' | 'monotonic'> {
  let ms = start
  return { now: () => (ms += 1), monotonic: () => BigInt(ms) * 1_000_000n }
}

export function openLog(directory: string, options: Partial<EvidenceOptions> = {}): Promise<EvidenceLog> {
  return openEvidenceLog({ directory, instance: 'gw-1', ...stepClock(), ...options })
}

/** The real disk without waiting for it, for tests that open a thousand logs and pull no plug. */
export const unsynced: FileSystem = {
  ...localFiles,
  makeDirectory: (path) => localFiles.makeDirectory(path),
  syncDirectory: () => Promise.resolve(),
  create: async (path) => ({ ...(await localFiles.create(path)), datasync: () => Promise.resolve() }),
}

/** A session as a gateway records it: opened, some decisions with their frames and outcomes, closed. */
export async function writeSession(log: EvidenceLog, session: string, decisions: number): Promise<void> {
  log.append({ event: 'session.opened', session, principal: PRINCIPAL })
  for (let index = 0; index < decisions; index += 1) {
    const decision = `${session}-d${index}`
    await log.append(intent(decision, session)).durable
    await log.appendFrame(session, rows(decision)).durable
    await log.append(outcome(decision, session)).durable
  }
  await log.append({ event: 'session.closed', session, detail: { reason: 'client' } }).durable
}

/** A copy of a directory as it would be found after kill -9: the files, and no process that holds the lock. */
export function crashCopy(directory: string): string {
  const copy = scratch()
  for (const part of ['records', 'recordings']) cpSync(join(directory, part), join(copy, part), { recursive: true })
  return copy
}

export interface TextFile {
  readonly path: string
  readonly name: string
  read(): Buffer
  write(bytes: Uint8Array): void
}

/** All files of records and recordings, oldest writer first. */
export function filesOf(directory: string, part: 'records' | 'recordings'): readonly TextFile[] {
  return readdirSync(join(directory, part))
    .toSorted()
    .map((file) => textFile(directory, `${part}/${file}`))
}

function textFile(directory: string, name: string): TextFile {
  const path = join(directory, name)
  return { path, name, read: () => readFileSync(path), write: (bytes) => writeFileSync(path, bytes) }
}

export function fileOf(directory: string, part: 'records' | 'recordings', index = 0): TextFile {
  const file = filesOf(directory, part).at(index)
  if (file === undefined) throw new Error(`no file ${index} in ${part}`)
  return file
}

/** The lines of a file, without the newline that ends each. */
export function linesOf(file: TextFile): readonly string[] {
  return file.read().toString('utf8').split('\n').slice(0, -1)
}

export function writeLines(file: TextFile, lines: readonly string[]): void {
  file.write(Buffer.from(lines.map((line) => `${line}\n`).join('')))
}

/** The records of a file as they were parsed. */
export function recordsOf(file: TextFile): readonly Readonly<Record<string, unknown>>[] {
  return linesOf(file).map((line) => {
    const parsed: { readonly record: Readonly<Record<string, unknown>> } = JSON.parse(line)
    return parsed.record
  })
}

import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { EvidenceError } from '../errors.ts'
import { locksIn } from './file-store.ts'

const SQLITE_BUSY = 5
/** A verifier that asks who is running holds a shared lock for an instant; that must not look like a second writer. */
const READER_PATIENCE_MS = 200

export interface InstanceLock {
  release(): void
}

/**
 * Makes sure that one process at a time writes as this instance. Node has no flock; SQLite takes the kernel's own record
 * locks, on an empty database that is never written. The kernel lets go when the holder dies, however it dies, so no lock
 * is ever stale and none has to be judged by a pid that another process (or the next container's pid 1) may bear now.
 * Nothing else in this process may open the lock file: POSIX drops all locks of a process on a file when any of its
 * descriptors for that file is closed (SQLite knows, and keeps its own apart).
 */
export function lockInstance(directory: string, instance: string): InstanceLock {
  const { lock, holder } = lockPaths(directory, instance)
  const database = openLock(lock)
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    chmodSync(lock, 0o600)
    writeFileSync(holder, `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    database.close()
    throw isBusy(error) ? lockedError(directory, instance, readHolder(holder)) : unusable(lock, error)
  }
  return { release: () => database.close() }
}

/** Whether a living process on this machine writes as this instance. Writes nothing, not even into a copied directory. */
export function isInstanceRunning(directory: string, instance: string): boolean {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(lockPaths(directory, instance).lock, { readOnly: true })
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
    return false
  } catch (error) {
    return isBusy(error)
  } finally {
    database?.close()
  }
}

function lockPaths(directory: string, instance: string): { readonly lock: string; readonly holder: string } {
  const path = join(locksIn(directory), instance)
  return { lock: `${path}.lock`, holder: `${path}.pid` }
}

function openLock(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: READER_PATIENCE_MS })
  } catch (error) {
    throw unusable(path, error)
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
}

function readHolder(path: string): string {
  try {
    return `process ${readFileSync(path, 'utf8').trim()}`
  } catch {
    return 'another process'
  }
}

function lockedError(directory: string, instance: string, holder: string): EvidenceError {
  return new EvidenceError(
    'ERR_EVIDENCE_LOCKED',
    `${directory}: ${holder} writes evidence as instance "${instance}" already; stop it, or give this gateway another instance name`,
  )
}

function unusable(path: string, cause: unknown): EvidenceError {
  return new EvidenceError('ERR_EVIDENCE_DIRECTORY', `${path}: the lock can't be taken (${String(cause)})`, {
    cause,
    fatal: true,
  })
}

import { randomBytes } from 'node:crypto'
import { EvidenceError } from '../errors.ts'
import { Checkpoints, RHYTHM, type Rhythm } from './checkpoints.ts'
import type { Cite } from './decision-record.ts'
import { directoryStore } from './directory-store.ts'
import type { FileSystem } from './file-store.ts'
import { GroupCommit } from './group-commit.ts'
import { Salts } from './payload.ts'
import { PEER_PATIENCE_MS, Peers } from './peers.ts'
import { findPredecessors, type InDoubt } from './recovery.ts'
import type { NoteSigner } from './signed-note.ts'
import type { EvidenceStore, InstanceHold } from './store.ts'
import { Witnesses, type WitnessPeer } from './witnesses.ts'
import { WriterLog, type Clock, type EvidenceLog } from './writer-log.ts'
import { isInstanceName, nextBoot } from './writers.ts'

export interface WriterOptions extends Clock {
  /** Letters, digits, `_` and `-`, at most 63: one gateway, across its restarts. */
  readonly instance: string
  /** Told once, when the log has stopped for good: the process should stop too, and recover when it is started again. */
  onFailure?(error: EvidenceError): void
  /** The log's key. Without one, this writer orders and signs nothing. */
  readonly signer?: NoteSigner
  /** The key that signed until now, where `signer` is another: the first start with both rotates, and records that. */
  readonly previousSigner?: NoteSigner
  /** Who cosigns the checkpoints. Without `signer` there are none to cosign. */
  readonly witnesses?: readonly WitnessPeer[]
  /** A witness fails (told once, not each time), or is back (`trouble` null). The log goes on without it. */
  onWitnessTrouble?(witness: string, trouble: string | null): void
  /** When to sign; a second, and a heartbeat a minute, by default. */
  readonly rhythm?: Rhythm
  /** Which controls each record cites, the log's own among them. Without it, what the caller gives stays as it is. */
  readonly cite?: Cite
  /** For the boot id and the payloads' salts; node:crypto's by default. */
  random?(bytes: number): Uint8Array
  /** Told when this writer, as the one who signs, has closed the writers of a gateway that did not come back. */
  onPeerClosed?(closed: ClosedWriters): void
  /** Who opens the log in the place of a gateway that does not come back; recorded with the writer's first record. */
  readonly by?: string
}

export interface EvidenceOptions extends WriterOptions {
  /** Made (mode 0700) when it isn't there. */
  readonly directory: string
  /** The disk; tests give a failing one. */
  readonly files?: FileSystem
}

/** Opens a directory for writing: openEvidence over its files. */
export function openEvidenceLog({ directory, files, ...options }: EvidenceOptions): Promise<EvidenceLog> {
  return openEvidence(directoryStore(directory, files), options)
}

/**
 * Opens a store for writing as a new writer: becomes the instance's one writer, closes dead writers of the same instance,
 * and resolves when all that is durable. Throws EvidenceError ERR_EVIDENCE_DIRECTORY, _STORE, _LOCKED, _TAMPERED or _WRITE.
 */
export async function openEvidence(store: EvidenceStore, options: WriterOptions): Promise<EvidenceLog> {
  if (!isInstanceName(options.instance)) {
    throw new EvidenceError(
      'ERR_EVIDENCE_DIRECTORY',
      `the instance name must be 1 to 63 letters, digits, "_" or "-", the first a letter or digit; found ${options.instance.length} characters with others among them`,
    )
  }
  await usable(store, () => store.prepare())
  const hold = await usable(store, () => store.hold(options.instance))
  try {
    return await openHeld(store, hold, options)
  } catch (error) {
    await hold.release()
    throw error
  }
}

async function openHeld(store: EvidenceStore, hold: InstanceHold, options: WriterOptions): Promise<EvidenceLog> {
  const { instance } = options
  const before = await usable(store, () => findPredecessors(store, instance))
  const onFailure = tellOnce(options)
  const checkpoints = await usable(store, () => openCheckpoints(store, options, onFailure))
  try {
    const random = (bytes: number): Uint8Array => options.random?.(bytes) ?? randomBytes(bytes)
    const writerId = `${instance}.${nextBoot(options.now(), before.newest, random(6))}`
    const commit = new GroupCommit(await usable(store, () => hold.create(writerId)), onFailure)
    const salts = new Salts(random)
    const cite = options.cite ?? null
    const log = new WriterLog({ writerId, clock: options, commit, hold, before, salts, checkpoints, cite })
    await log.begin(before, options.by)
    return log
  } catch (error) {
    await checkpoints?.abandon()
    throw error
  }
}

// Before there is a new writer: where what was signed isn't there any more, nothing is added to it.
async function openCheckpoints(
  store: EvidenceStore,
  options: WriterOptions,
  onFailure: (error: EvidenceError) => void,
): Promise<Checkpoints | null> {
  const { signer, previousSigner, rhythm = RHYTHM } = options
  if (signer === undefined) return null
  const peers = new Peers({
    store,
    clock: options,
    instance: options.instance,
    patienceMs: rhythm.peerMs ?? PEER_PATIENCE_MS,
    close: (instance, by) => closeWriters(store, instance, { ...clockOf(options), by }),
    onClosed: (closed) => options.onPeerClosed?.(closed),
  })
  const rotating = previousSigner === undefined ? {} : { previous: previousSigner }
  const witnesses = openWitnesses(options)
  const monotonic = (): bigint => options.monotonic()
  try {
    return await Checkpoints.open({ store, signer, ...rotating, ...witnesses, rhythm, monotonic, onFailure, peers })
  } catch (error) {
    await witnesses.witnesses?.abandon()
    throw error
  }
}

function openWitnesses({ witnesses = [], ...told }: WriterOptions): { readonly witnesses?: Witnesses } {
  if (witnesses.length === 0) return {}
  const onTrouble = (name: string, trouble: string | null): void => told.onWitnessTrouble?.(name, trouble)
  return { witnesses: new Witnesses({ peers: witnesses, onTrouble }) }
}

function clockOf(clock: Clock): Clock {
  return { now: () => clock.now(), monotonic: () => clock.monotonic() }
}

/** An instance whose writers were closed in its stead. */
export interface ClosedWriters {
  readonly instance: string
  /** The writer that closed the others: all of the instance's up to it are over. */
  readonly last: string
  readonly inDoubt: readonly InDoubt[]
}

/**
 * Does what a start of this instance would do for its dead writers, in its stead: opens a writer as that instance, which
 * closes them, and closes that. Throws ERR_EVIDENCE_LOCKED where the instance runs.
 */
export async function closeWriters(
  store: EvidenceStore,
  instance: string,
  options: Clock & { readonly by: string },
): Promise<ClosedWriters> {
  const log = await openEvidence(store, { ...clockOf(options), by: options.by, instance })
  await log.close()
  return { instance, last: log.writerId, inDoubt: log.inDoubt }
}

// Two can fail, the writer and the sequencer; the process ends for the first.
function tellOnce(options: WriterOptions): (error: EvidenceError) => void {
  let told = false
  return (error) => {
    if (!told) options.onFailure?.(error)
    told = true
  }
}

async function usable<T>({ place }: EvidenceStore, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof EvidenceError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${place}: can't be used for evidence (${reason}); it must be a directory that this user can read and write`
    throw new EvidenceError('ERR_EVIDENCE_DIRECTORY', message, { cause, fatal: true })
  }
}

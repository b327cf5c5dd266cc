import { hash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { EvidenceError } from '../errors.ts'
import { parseAddCheckpoint, type AddCheckpoint } from './add-checkpoint.ts'
import { parseAnyCheckpoint, type Checkpoint, type SignedCheckpoint } from './checkpoint.ts'
import { cosignatureLine, cosignedAt, type Cosigner } from './cosignature.ts'
import { localFiles, locksIn, publish, type FileSystem } from './file-store.ts'
import { lockInstance, type InstanceLock } from './lock.ts'
import { EMPTY_ROOT } from './merkle.ts'
import { provesConsistency } from './proof.ts'
import { noteLine, signedBy, verifierText, type NoteVerifier, type SignedNote } from './signed-note.ts'

export interface WitnessOptions {
  readonly cosigner: Cosigner
  /** Keys of the logs that it witnesses. Two of one name are one log's, before and after a rotation. */
  readonly logs: readonly NoteVerifier[]
  /** Made (mode 0700) when it isn't there. What is in it is what makes the witness one: lost, it would sign a second history. */
  readonly directory: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** The disk; tests give a failing one. */
  readonly files?: FileSystem
}

/** What becomes of a request: C2SP tlog-witness, each with its HTTP status. */
export type WitnessAnswer =
  | { readonly kind: 'cosigned'; readonly lines: string; readonly checkpoint: Checkpoint } // 200
  | { readonly kind: 'malformed' } // 400
  | { readonly kind: 'unsigned' } // 403: by no key of this origin
  | { readonly kind: 'unknown' } // 404: no such origin
  /** 409: another size was cosigned last; or, where `forked`, another root of this very size. */
  | { readonly kind: 'conflict'; readonly size: number; readonly forked: boolean }
  | { readonly kind: 'inconsistent'; readonly size: number } // 422

interface LogState extends Checkpoint {
  /** The whole note; null before the first. */
  readonly text: string | null
  readonly seconds: number
}

/**
 * A witness: for each log the newest checkpoint that it has cosigned, and a cosignature for nothing that does not continue
 * it. The note that is answered with is durable first, and requests for one log follow one another: so whatever is killed
 * or asked at the same time, no two roots of one size are ever signed, and no smaller tree after a larger one.
 * Life: open → add… → close. After the disk has failed once, every call throws: what is on it decides at the next start.
 */
export class Witness {
  readonly #options: Required<WitnessOptions>
  readonly #lock: InstanceLock
  readonly #states = new Map<string, LogState>()
  readonly #turns = new Map<string, Promise<unknown>>()
  #failure: EvidenceError | null = null
  #closed = false

  private constructor(options: Required<WitnessOptions>, lock: InstanceLock) {
    this.#options = options
    this.#lock = lock
  }

  /** Throws EvidenceError ERR_EVIDENCE_DIRECTORY, _LOCKED or _TAMPERED. */
  static async open(options: WitnessOptions): Promise<Witness> {
    const files = options.files ?? localFiles
    const directory = resolve(options.directory)
    await prepare(files, directory)
    const witness = new Witness({ ...options, files, directory }, lockState(directory))
    try {
      for (const { name } of options.logs) witness.#states.set(name, await witness.#read(name))
      return witness
    } catch (error) {
      witness.close()
      throw error
    }
  }

  /** The newest checkpoint of a log that was cosigned, with its signatures; null before the first, undefined: not its log. */
  latest(origin: string): string | null | undefined {
    return this.#states.get(origin)?.text
  }

  /** Answers one request. Throws EvidenceError ERR_EVIDENCE_WRITE (fatal) when the answer can't be made durable. */
  add(body: string): Promise<WitnessAnswer> {
    const request = parseAddCheckpoint(body)
    if (request === undefined) return Promise.resolve({ kind: 'malformed' })
    const { origin } = request.checkpoint
    if (!this.#states.has(origin)) return Promise.resolve({ kind: 'unknown' })
    const before = this.#turns.get(origin) ?? Promise.resolve()
    const answer = before.then(() => this.#answer(request))
    this.#turns.set(
      origin,
      answer.catch(() => {}),
    )
    return answer
  }

  /** Waits for no request: the server has none any more. A second call does nothing. */
  close(): void {
    if (!this.#closed) this.#lock.release()
    this.#closed = true
  }

  async #answer({ old, proof, checkpoint }: AddCheckpoint): Promise<WitnessAnswer> {
    if (this.#failure !== null) throw this.#failure
    const { origin, size, root, note } = checkpoint
    const keys = this.#options.logs.filter(({ name }) => name === origin)
    if (!keys.some((key) => signedBy(note, key))) return { kind: 'unsigned' }
    if (old > size) return { kind: 'malformed' }
    const last = this.#state(origin)
    if (old !== last.size) return { kind: 'conflict', size: last.size, forked: false }
    if (old === size && last.text !== null && !last.root.equals(root)) {
      await this.#keepConflict(last, checkpoint)
      return { kind: 'conflict', size: last.size, forked: true }
    }
    if (!provesConsistency(last, checkpoint, proof)) return { kind: 'inconsistent', size: last.size }
    return { kind: 'cosigned', checkpoint, lines: await this.#cosign(last, checkpoint) }
  }

  // A clock that was set back must not make a larger tree look older than a smaller one.
  async #cosign(last: LogState, { origin, size, root, note }: SignedCheckpoint): Promise<string> {
    const { cosigner, logs, now } = this.#options
    const seconds = Math.max(Math.floor(now() / 1000), last.seconds)
    const line = cosignatureLine(cosigner, note.text, seconds)
    const text = `${note.text}\n${linesOf(note, (one) => logs.some((key) => signedBy(one, key)))}${line}`
    await this.#write(this.#file(origin), text)
    this.#states.set(origin, { origin, size, root, text, seconds })
    return line
  }

  // Two roots of one size under the log's own key: proof that it lied, which the log would not keep. The first one does.
  async #keepConflict(last: LogState, other: SignedCheckpoint): Promise<void> {
    const path = `${this.#file(last.origin)}.conflict`
    if (last.text === null || (await exists(path))) return
    await this.#write(path, `${last.text}\n${other.note.text}\n${linesOf(other.note, () => true)}`)
  }

  async #write(path: string, text: string): Promise<void> {
    try {
      await publish(this.#options.files, path, text)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      const message = `${path}: the witness's state can't be written (${reason}); nothing is cosigned until it is started again on a sound disk`
      this.#failure = new EvidenceError('ERR_EVIDENCE_WRITE', message, { cause, fatal: true })
      throw this.#failure
    }
  }

  async #read(origin: string): Promise<LogState> {
    const path = this.#file(origin)
    if (!(await exists(path))) return { origin, size: 0, root: EMPTY_ROOT, text: null, seconds: 0 }
    const text = await readFile(path, 'utf8')
    const checkpoint = parseAnyCheckpoint(text)
    const { verifier } = this.#options.cosigner
    const seconds = checkpoint === undefined ? undefined : cosignedAt(checkpoint.note, verifier)
    if (checkpoint?.origin === origin && seconds !== undefined) return { ...checkpoint, text, seconds }
    const message = `${path}: expected the checkpoint of ${origin} that ${verifierText(verifier)} cosigned last; found other text; put the file back from a copy, or give another key a state directory of its own`
    throw new EvidenceError('ERR_EVIDENCE_TAMPERED', message, { fatal: true })
  }

  #state(origin: string): LogState {
    return this.#states.get(origin) ?? { origin, size: 0, root: EMPTY_ROOT, text: null, seconds: 0 }
  }

  // An origin may hold anything that a file name can't.
  #file(origin: string): string {
    return join(this.#options.directory, hash('sha256', origin, 'hex'))
  }
}

/** The signatures of a note that are wanted, as its lines. */
function linesOf({ text, signatures }: SignedNote, wanted: (one: SignedNote) => boolean): string {
  const kept = signatures.filter((signature) => wanted({ text, signatures: [signature] }))
  return kept.map((signature) => noteLine(signature, signature.bytes)).join('')
}

async function prepare(files: FileSystem, directory: string): Promise<void> {
  try {
    await files.makeDirectory(directory)
    await files.makeDirectory(locksIn(directory))
    await files.syncDirectory(directory)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${directory}: can't be used for a witness's state (${reason}); it must be a directory that this user can read and write`
    throw new EvidenceError('ERR_EVIDENCE_DIRECTORY', message, { cause, fatal: true })
  }
}

function lockState(directory: string): InstanceLock {
  try {
    return lockInstance(directory, 'witness')
  } catch (cause) {
    if (!(cause instanceof EvidenceError) || cause.code !== 'ERR_EVIDENCE_LOCKED') throw cause
    const message = `${directory}: another witness uses this state directory; stop it, or give this one a key and a directory of its own`
    throw new EvidenceError('ERR_EVIDENCE_LOCKED', message, { cause })
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

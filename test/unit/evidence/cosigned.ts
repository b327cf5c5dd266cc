import { addCheckpointText } from '../../../engine/evidence/add-checkpoint.ts'
import { checkpointText, signCheckpoint, type Checkpoint } from '../../../engine/evidence/checkpoint.ts'
import { cosignatureLine, cosignerFromSeed, type Cosigner } from '../../../engine/evidence/cosignature.ts'
import { GrowingTree, leafHash, nodeHash } from '../../../engine/evidence/merkle.ts'
import { consistencyProof, type ReadNode } from '../../../engine/evidence/proof.ts'
import type { NoteSigner } from '../../../engine/evidence/signed-note.ts'
import { logSigner } from './signed.ts'

export function cosigner(byte = 9, name = 'auditor.example/w1'): Cosigner {
  const made = cosignerFromSeed(name, Buffer.alloc(32, byte))
  if (made === undefined) throw new Error('a name that no key can have')
  return made
}

/** A log in memory, whose leaves begin otherwise from `fork` on: two that differ in it are forks of each other. */
export class MemoryLog {
  readonly signer: NoteSigner
  readonly #leaves: readonly Buffer[]

  constructor({ fork = Infinity, signer = logSigner() }: { fork?: number; signer?: NoteSigner } = {}) {
    this.signer = signer
    this.#leaves = Array.from({ length: 300 }, (_, index) =>
      Buffer.from(leafHash(`${index >= fork ? 'other' : 'record'} ${index}`), 'hex'),
    )
  }

  at(size: number): Checkpoint {
    const tree = new GrowingTree()
    for (const leaf of this.#leaves.slice(0, size)) tree.append(leaf)
    return { origin: this.signer.verifier.name, size, root: tree.root() }
  }

  signed(size: number): string {
    return signCheckpoint(this.at(size), this.signer)
  }

  proof(old: number, size: number): Promise<readonly Buffer[]> {
    return consistencyProof(old, size, this.#read)
  }

  /** The body of an add-checkpoint, as an honest log makes it. */
  async request(old: number, size: number): Promise<string> {
    return addCheckpointText(old, await this.proof(Math.min(old, size), size), this.signed(size))
  }

  readonly #read: ReadNode = async (height, index) => {
    let row = this.#leaves.slice(index * 2 ** height, (index + 1) * 2 ** height)
    while (row.length > 1) {
      row = row.flatMap((node, at) => (at % 2 === 0 ? [nodeHash(node, row[at + 1] ?? Buffer.alloc(0))] : []))
    }
    return row[0] ?? Buffer.alloc(0)
  }
}

/** A checkpoint's note with this witness's signature behind the log's. */
export function witnessedNote(checkpoint: Checkpoint, log: NoteSigner, by: Cosigner, seconds = 1_776_502_800): string {
  return `${signCheckpoint(checkpoint, log)}${cosignatureLine(by, checkpointText(checkpoint), seconds)}`
}

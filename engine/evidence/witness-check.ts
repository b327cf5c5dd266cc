import { parseCheckpoint, type SignedCheckpoint } from './checkpoint.ts'
import { cosignedAt, type CosignatureVerifier } from './cosignature.ts'
import { keyName, verifierText } from './signed-note.ts'

/** The newest checkpoint that a witness has signed, as this directory shows it. */
export interface WitnessReport {
  readonly key: string
  /** -1: none. */
  readonly size: number
  /** When it signed that; RFC 3339, UTC, seconds. */
  readonly at: string | null
}

/** What witnesses whose keys an auditor has brought along have signed: in `log/witnessed`, in records, or elsewhere. */
export class WitnessCheck {
  readonly #keys: readonly CosignatureVerifier[]
  readonly #newest = new Map<string, { readonly size: number; readonly seconds: number }>()

  constructor(keys: readonly CosignatureVerifier[]) {
    this.#keys = keys
  }

  get isAsked(): boolean {
    return this.#keys.length > 0
  }

  /** Takes in a checkpoint's signatures; answers whether a witness that is known has signed it. */
  add({ size, note }: SignedCheckpoint): boolean {
    let signed = false
    for (const key of this.#keys) {
      const seconds = cosignedAt(note, key)
      if (seconds === undefined) continue
      signed = true
      const name = verifierText(key)
      if (size >= (this.#newest.get(name)?.size ?? -1)) this.#newest.set(name, { size, seconds })
    }
    return signed
  }

  /** As `add`, for the text of a note; undefined when it is none. */
  read(text: string): SignedCheckpoint | undefined {
    const checkpoint = parseCheckpoint(text)
    if (checkpoint !== undefined) this.add(checkpoint)
    return checkpoint
  }

  /** Signatures under the name of a witness that is known, which are not its own. */
  forged({ note }: SignedCheckpoint): readonly string[] {
    const { text, signatures } = note
    return signatures
      .filter((one) => this.#keys.some((key) => key.name === one.name && key.id.equals(one.id)))
      .filter((one) => this.#keys.every((key) => cosignedAt({ text, signatures: [one] }, key) === undefined))
      .map(keyName)
  }

  /** The largest size that one of them has signed; -1: none. */
  get size(): number {
    return Math.max(-1, ...[...this.#newest.values()].map(({ size }) => size))
  }

  reports(): readonly WitnessReport[] {
    return this.#keys.map((key) => {
      const newest = this.#newest.get(verifierText(key))
      const at = newest === undefined ? null : `${new Date(newest.seconds * 1000).toISOString().slice(0, 19)}Z`
      return { key: verifierText(key), size: newest?.size ?? -1, at }
    })
  }
}

import type { SignedCheckpoint } from './checkpoint.ts'
import { asText, isCount, type EvidenceRecord } from './decision-record.ts'
import type { Place, Report } from './finding.ts'
import { parseRotation, type Rotation } from './rotation.ts'
import { tampered } from './scan.ts'
import { isSameKey, keyName, parseVerifier, signedBy, verifierText, type NoteVerifier } from './signed-note.ts'

/** A key, and the checkpoints that it may have signed: of more than `after` records (null: from the first on), up to `to`. */
export interface KeyRange {
  readonly key: string
  readonly after: number | null
  /** null: it is the log's key now. */
  readonly to: number | null
  /** From this size on it is not trusted: key.compromised says so. */
  readonly compromisedFrom: number | null
}

/** How a checkpoint's signature turned out; where it is wrong, what to say of it. */
export type SignatureJudgement =
  | { readonly kind: 'verified' | 'unchecked' }
  | { readonly kind: 'wrong'; readonly message: string; readonly expected: string; readonly found: string }

interface Turn {
  readonly rotation: Rotation
  /** The leaf of its record: a checkpoint that covers it is the new key's. */
  readonly index: number
}

/**
 * Which key was the log's at which size, as `key.rotated` records tell it, each signed by the key before and the key after:
 * whoever knows one of them knows all. Fed in the log's order, asked when all records are in.
 */
export class KeyHistory {
  readonly #report: Report
  readonly #turns: Turn[] = []
  readonly #compromised: { readonly key: NoteVerifier; readonly from: number; readonly place: Place }[] = []

  constructor(report: Report) {
    this.#report = report
  }

  /** `key.rotated` at leaf `index`. Answers what it says that the log was, where it can be believed. */
  rotated({ detail }: EvidenceRecord, place: Place, index: number): Rotation | null {
    const rotation = parseRotation(detail)
    if (rotation === undefined) {
      this.#report(tampered(place, 'a rotation whose statement is another', 'the same in both', 'others'))
      return null
    }
    const to = keyName(rotation.new)
    if (!rotation.signed) {
      const message = 'a rotation that not both keys have signed'
      this.#report(tampered(place, message, `${keyName(rotation.old)} and ${to}`, 'not both'))
      return null
    }
    if (this.#isOutOfTurn(rotation)) {
      const expected = `from the log’s key, to one that it never had`
      this.#report(tampered(place, 'a rotation out of turn', expected, `${keyName(rotation.old)} to ${to}`))
      return null
    }
    this.#turns.push({ rotation, index })
    return rotation
  }

  compromised({ detail }: EvidenceRecord, place: Place): void {
    const key = parseVerifier(asText(detail?.key) ?? '')
    const from = detail?.from
    if (key !== undefined && isCount(from)) this.#compromised.push({ key, from, place })
    else this.#report(tampered(place, 'does not say which key was compromised', 'key, and from which size', 'others'))
  }

  /** The keys in their order; `given` where there was no rotation. */
  ranges(given: NoteVerifier | undefined): readonly KeyRange[] {
    return this.#keys(given).map((key, at) => ({
      key: verifierText(key),
      after: this.#turns[at - 1]?.index ?? null,
      to: this.#turns[at]?.index ?? null,
      compromisedFrom: this.#compromisedFrom(key),
    }))
  }

  /** Judges who signed this, by the keys that the log had and the one that was brought along. */
  judge(checkpoint: SignedCheckpoint, given: NoteVerifier | undefined): SignatureJudgement {
    const keys = this.#keys(given)
    const key = keys[this.#turns.filter(({ index }) => index < checkpoint.size).length]
    if (given !== undefined && !keys.some((each) => isSameKey(each, given))) {
      const found = keys.map(keyName).join(', ')
      return wrong('the key that was given is none of this log’s', keyName(given), found)
    }
    if (key === undefined) return { kind: 'unchecked' }
    const found = checkpoint.note.signatures.map(keyName).join(', ')
    if (checkpoint.origin === key.name && signedBy(checkpoint.note, key)) {
      return given === undefined ? { kind: 'unchecked' } : { kind: 'verified' }
    }
    const other = keys.find((each) => signedBy(checkpoint.note, each))
    if (other === undefined) return wrong('signed with another key, or changed', keyName(key), found)
    return wrong('signed with a key that was not the log’s at this size', keyName(key), keyName(other))
  }

  /** From which size on the key that signed this is not trusted, where that size is passed. */
  untrustedFrom(checkpoint: SignedCheckpoint): number | null {
    const froms = this.#compromised.filter(({ key }) => signedBy(checkpoint.note, key)).map(({ from }) => from)
    const from = Math.min(...froms)
    return checkpoint.size > from ? from : null
  }

  /** Once all records are in. */
  end(given: NoteVerifier | undefined): void {
    const keys = this.#keys(given)
    if (keys.length === 0) return
    for (const { key, place } of this.#compromised) {
      if (keys.some((each) => isSameKey(each, key))) continue
      const message = 'says that a key was compromised which is none of this log’s'
      this.#report({
        severity: 'incomplete',
        ...place,
        message,
        expected: keys.map(keyName).join(', '),
        found: keyName(key),
      })
    }
  }

  #keys(given: NoteVerifier | undefined): readonly NoteVerifier[] {
    const first = this.#turns[0]?.rotation.old ?? given
    return first === undefined ? [] : [first, ...this.#turns.map(({ rotation }) => rotation.new)]
  }

  #isOutOfTurn({ old, new: next }: Rotation): boolean {
    const keys = this.#keys(undefined)
    const last = keys.at(-1)
    return (last !== undefined && !isSameKey(last, old)) || keys.some((key) => isSameKey(key, next))
  }

  #compromisedFrom(key: NoteVerifier): number | null {
    const froms = this.#compromised.filter((one) => isSameKey(one.key, key)).map(({ from }) => from)
    return froms.length === 0 ? null : Math.min(...froms)
  }
}

function wrong(message: string, expected: string, found: string): SignatureJudgement {
  return { kind: 'wrong', message, expected, found }
}

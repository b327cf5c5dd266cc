/** How a value is hidden, strictest first. A plane declares which of these it can carry out; any other rejects. */
export const MASK_METHODS = ['null', 'redact', 'fixed', 'hash', 'pseudonym', 'date-year', 'last4', 'email'] as const
export type MaskMethod = (typeof MASK_METHODS)[number]

/** One field to hide: `<resource name>.<part name>`, as the request named them. */
export interface FieldMask {
  readonly field: string
  readonly method: MaskMethod
}

export interface HoldTerms {
  /** Groups whose members may answer. */
  readonly approvers: readonly string[]
  /** Distinct people that must say yes. */
  readonly quorum: number
  /** Seconds from the request to the hold's expiry. */
  readonly expires_in: number
  readonly reason_required: boolean
}

/** How much an answer may be. Absent: as much as there is. */
export type Limits = {
  /** Rows or messages handed out. */
  readonly max_rows?: number
  /** Bytes of them, as the upstream sends them. */
  readonly max_bytes?: number
  /** How long the upstream may take. */
  readonly timeout_ms?: number
}

/** The four of the product. `limits`: absent where there are none. */
export type Verdict =
  | { readonly kind: 'forward'; readonly limits?: Limits }
  | { readonly kind: 'mask'; readonly fields: readonly FieldMask[]; readonly limits?: Limits }
  | {
      readonly kind: 'hold'
      readonly terms: HoldTerms
      readonly fields: readonly FieldMask[]
      readonly limits?: Limits
    }
  | { readonly kind: 'reject' }

/** A rule that fired. `controls`: the framework requirements it evidences (compliance-mappings). */
export interface Reason {
  readonly rule: string
  readonly message: string
  readonly controls: readonly string[]
}

/** What policy answered. */
export interface Evaluation {
  readonly verdict: Verdict
  readonly reasons: readonly Reason[]
}

export interface PolicyReference {
  readonly revision: string
  /** SHA-256 (hex) over the bundle's files. */
  readonly digest: string
}

/** Verdict, reasons, controls, bundle revision, id: what a plane carries out and a record tells. */
export interface Decision {
  readonly id: string
  readonly verdict: Verdict
  readonly reasons: readonly Reason[]
  readonly controls: readonly string[]
  readonly policy: PolicyReference
  /** The approval that released it, or that it still waits for. */
  readonly approval: { readonly id: string; readonly state: 'used' | 'requested' | 'denied' | 'expired' } | null
  /**
   * Resolves when the intent is on disk. It is when `decide` resolves, unless the request was declared free of effects:
   * then the plane may ask the upstream, but hands out no byte of its answer before this or `settle`'s promise has
   * resolved. Called only where a part of the answer is to leave before the rest has come: it gives the intent a record of
   * its own.
   */
  recorded(): Promise<void>
}

/** How often a mask was put over one field. `key`: the id of the key that a keyed method used, else absent. */
export type AppliedMask = {
  readonly field: string
  readonly method: MaskMethod
  readonly key?: string
  readonly count: number
}

/** What then happened, for the outcome record. */
export interface Outcome {
  readonly status: 'ok' | 'failed' | 'unknown'
  /** Rows or messages that were handed out or changed, where the protocol tells. */
  readonly rows: number | null
  /** Bytes handed to the client. */
  readonly bytes: number
  readonly masks: readonly AppliedMask[]
  /** The protocol's own code for a failure: a SQLSTATE, an HTTP status. */
  readonly error: string | null
}

/** The stricter of two methods for one value. */
export function stricterMask(one: MaskMethod, other: MaskMethod): MaskMethod {
  return MASK_METHODS.indexOf(one) <= MASK_METHODS.indexOf(other) ? one : other
}

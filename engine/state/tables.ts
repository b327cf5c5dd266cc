/**
 * One row an approval. What queries ask for stands in columns, the rest in `document`: JSON as text, written whole by
 * engine/approvals. Times are milliseconds since 1970.
 */
export interface ApprovalRow {
  readonly id: string
  readonly kind: 'hold' | 'grant'
  /** When a break-glass's review becomes overdue; null: it owes none, or is that already. */
  readonly review_due: number | null
  readonly state: string
  readonly digest: string
  readonly policy_digest: string
  readonly requester_id: string
  readonly requester_issuer: string
  readonly requested_at: number
  readonly expires_at: number
  /** Counts changes from 1; a writer names the one it read, so that of two writers one wins. 0: asked for, not in evidence. */
  readonly version: number
  readonly document: string
  /** The evidence writer that is changing it; null when nobody is. */
  readonly changing: string | null
}

/** One row, number 1: the life of policies, as JSON, and who is changing it. `version` counts changes. */
export interface PolicyLifecycleRow {
  readonly number: number
  readonly version: number
  readonly document: string
  readonly changing: string | null
}

export interface Tables {
  readonly approvals: ApprovalRow
  readonly policy_lifecycle: PolicyLifecycleRow
  /** `archive`: a bundle's file in base64, which both databases take as it is. */
  readonly policy_bundles: { readonly digest: string; readonly archive: string }
  /** The bundle that an instance's configuration named when it last looked. */
  readonly policy_files: { readonly instance: string; readonly digest: string }
  /** What one gateway counted of a candidate beside the live policy, as JSON. */
  readonly policy_shadows: { readonly instance: string; readonly digest: string; readonly document: string }
  /** At most one row, number 1: the candidate that runs beside the live policy. */
  readonly policy_candidates: { readonly number: number; readonly digest: string }
  /** Messages to other programs that have not arrived. `next_at`: when to try again; milliseconds since 1970. */
  readonly approval_notices: {
    readonly id: string
    readonly endpoint: string
    readonly body: string
    readonly path: string
    readonly attempts: number
    readonly next_at: number
  }
  /** `digest`: SHA-256 of a link's secret, hex. `used_by`: null until somebody follows it. */
  readonly approval_links: {
    readonly digest: string
    readonly approval: string
    readonly expires_at: number
    readonly used_by: string | null
  }
  /** A revocation or a quarantine, as JSON; a lifted one stays, with who lifted it. */
  readonly revocations: { readonly id: string; readonly document: string }
  /** One row, number 1: counts changes of `revocations`, in the transaction of each. */
  readonly revocation_versions: { readonly number: number; readonly version: number }
  /** SHA-256 over issuer and id of a SAML assertion that was accepted, until it would be refused for its age. */
  readonly used_assertions: { readonly digest: string; readonly forget_at: number }
  readonly binding_keys: { readonly number: number; readonly key: string }
}

/**
 * One row an approval. What queries ask for stands in columns, the rest in `document`: JSON as text, written whole by
 * engine/approvals. Times are milliseconds since 1970.
 */
export interface ApprovalRow {
  readonly id: string
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

export interface Tables {
  readonly approvals: ApprovalRow
  readonly binding_keys: { readonly number: number; readonly key: string }
}

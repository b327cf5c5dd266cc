/**
 * How bad a finding is. `tampered`: no run of the gateway, crashes included, leaves this. `cannot`: something stands in the
 * way of checking. `incomplete`: what is there is sound, but something that belongs to it is not there.
 */
export type Severity = 'tampered' | 'cannot' | 'incomplete'

export interface Finding {
  readonly severity: Severity
  /** Relative to the evidence directory. */
  readonly file: string
  /** From 1; null when it concerns the whole file. */
  readonly line: number | null
  readonly message: string
  readonly expected: string
  readonly found: string
}

/** Where an entry stands. */
export interface Place {
  readonly file: string
  readonly line: number
}

export type Report = (finding: Finding) => void

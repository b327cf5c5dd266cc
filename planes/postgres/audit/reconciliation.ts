import type { ReadRecords } from './audit-record.ts'
import type { ClaimOptions } from './gateway-sessions.ts'

/** What is held against what. */
export interface ReconcileOptions extends ClaimOptions {
  readonly records: ReadRecords
  readonly logs: readonly string[]
  /** Milliseconds since 1970; null: from where evidence begins to a minute behind its end. */
  readonly from: number | null
  readonly to: number | null
  /** `host:port` as the gateway's configuration has it, where evidence tells of several servers. */
  readonly server: string | null
}

/** A session at the server, as the server's log tells of it. */
export interface ServerSession {
  /** `%c` of its log. */
  readonly session: string
  readonly pid: number
  readonly user: string
  readonly database: string
  /** `address:port`, or `local`. */
  readonly from: string
  /** What it calls itself: its own word. */
  readonly application: string
}

/** A statement at the server that no record tells of. */
export interface Around extends ServerSession {
  readonly time: string
  /** Without literals; null where the grammar doesn't take it (the place has it as it was). */
  readonly text: string | null
  /** File and line of the server's log. */
  readonly at: string
  /** Why it is not taken for the gateway's; null: nothing in evidence is like it. */
  readonly note: string | null
}

/** A statement that is recorded as done, and that the server never logged. */
export interface Unlogged {
  readonly decision: string
  readonly record: string
  readonly session: string
  readonly principal: string | null
  readonly time: string
  readonly text: string | null
}

export interface Unjudged {
  readonly reason: string
  readonly count: number
  /** The first few, each by where it is. */
  readonly examples: readonly string[]
}

export interface SessionCount {
  readonly session: string
  readonly principal: string | null
  /** Of the server's log; null: not seen there. */
  readonly server: string | null
  readonly matched: number
  /** By order alone: retention has erased the text. */
  readonly untold: number
  /** Let through and never begun: something before it failed. */
  readonly notRun: number
  readonly around: number
  readonly unlogged: number
}

export interface Reconciliation {
  readonly status: 'matched' | 'unmatched' | 'incomplete'
  readonly period: { readonly from: string; readonly to: string }
  readonly evidence: { readonly records: number; readonly from: string; readonly to: string }
  readonly log: {
    readonly files: readonly string[]
    readonly lines: number
    readonly statements: number
    readonly from: string | null
    readonly to: string | null
    /** Statements outside the period. */
    readonly outside: number
    readonly repeated: number
  }
  readonly matched: number
  readonly untold: number
  readonly notRun: number
  /** The gateway's own look-ups. */
  readonly own: { readonly connections: number; readonly statements: number }
  /** Server's clock minus ours, seconds, as far as starts of sessions bound it; null without one. */
  readonly clocks: { readonly least: number; readonly most: number } | null
  readonly sessions: readonly SessionCount[]
  /** At most 1000 of each; the counts are of all. */
  readonly around: readonly Around[]
  readonly aroundCount: number
  readonly unlogged: readonly Unlogged[]
  readonly unloggedCount: number
  readonly unjudged: readonly Unjudged[]
}

/** The period, and what evidence covers of time. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly evidence: { readonly from: number; readonly to: number }
}

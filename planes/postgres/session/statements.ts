import type { Format } from '../codec/frontend-messages.ts'
import type { Spent } from '../enforcer/answer-limit.ts'
import type { Naming } from './expected-replies.ts'

/** A prepared statement, wire-level. Its text is named anew at each Execute: the catalogue may have changed. */
export interface PreparedStatement {
  readonly name: string
  readonly sql: string
  /** From Parse, completed by the server's ParameterDescription; 0 is unknown. */
  parameterOids: readonly number[]
  /** The session's own names were those of this many changes. */
  readonly known: number
  /** A decision has let it be prepared or run. */
  allowed: boolean
  /** The server has described its result, and lineage agreed; from then on the server itself refuses a changed one. */
  checked: boolean
}

export interface Portal {
  readonly prepared: PreparedStatement
  /** Views into the Bind frame for the unnamed portal; copies for one that may live long, lest it keep frames alive. */
  readonly parameters: readonly (Buffer | null)[]
  readonly parameterFormats: readonly Format[]
  readonly resultFormats: readonly Format[]
  /** What was handed out of it so far. */
  readonly spent: Spent
  /** Made by DECLARE; null for a portal that a Bind made. */
  readonly cursor: Cursor | null
}

/** `hold`: it outlives its transaction, once that is committed. `binary`: a FETCH by simple query gives binary values. */
export interface Cursor {
  readonly hold: boolean
  readonly binary: boolean
  committed: boolean
}

interface Entry<T> {
  readonly value: T | null
  /** The batch (up to a Sync) that defined it. */
  readonly batch: number
}

/** How many names a session may have at once, and how much may stand behind them. */
export interface NameLimits<T> {
  readonly most: number
  readonly bytes: number
  sizeOf(value: T): number
}

/** A prepared statement's text. */
export function statementBytes({ sql }: PreparedStatement): number {
  return 2 * sql.length
}

/** A portal's values; a cursor's text, which is its own. */
export function portalBytes({ parameters, prepared, cursor }: Portal): number {
  const text = cursor === null ? 0 : statementBytes(prepared)
  return parameters.reduce((sum, value) => sum + (value?.length ?? 0), text)
}

/**
 * One name space, as the server has it and as the client's messages will leave it. Within one batch an unconfirmed name
 * may be used: if its definition fails, the server skips the use as well. Across batches it must be confirmed first, else
 * a skipped Parse would let a later Execute run an older statement under a decision made about the new one.
 */
export class NameTable<T> {
  readonly #limits: NameLimits<T>
  /** Of all definitions, confirmed or not. */
  #count = 0
  #bytes = 0
  readonly #confirmed = new Map<string, T>()
  /** Oldest first: one that is abandoned uncovers the one before it, which the server may still confirm. */
  readonly #tentative = new Map<string, Entry<T>[]>()

  constructor(limits: NameLimits<T>) {
    this.#limits = limits
  }

  /** One more would be too many, or too large: a client's names live in our memory as long as its session. */
  full(value: T): boolean {
    const limits = this.#limits
    return this.#count >= limits.most || this.#bytes + limits.sizeOf(value) > limits.bytes
  }

  /** `unsettled`: wait until the server owes nothing, then look again. */
  lookUp(name: string, batch: number): T | undefined | 'unsettled' {
    const entry = this.#tentative.get(name)?.at(-1)
    if (entry === undefined) return this.#confirmed.get(name)
    if (entry.batch !== batch) return 'unsettled'
    return entry.value ?? undefined
  }

  /** Defines (or with null removes) a name in this batch; call what it returns when the server says yes, or that it won't. */
  define(name: string, value: T | null, batch: number): Naming {
    const entry: Entry<T> = { value, batch }
    const entries = this.#tentative.get(name) ?? []
    entries.push(entry)
    this.#tentative.set(name, entries)
    this.#account(value, 1)
    // A batch may define the unnamed one thousands of times: mostly the oldest goes first.
    const forget = (): void => {
      const at = entries.indexOf(entry)
      if (at === 0) entries.shift()
      else if (at > 0) entries.splice(at, 1)
      if (entries.length === 0 && this.#tentative.get(name) === entries) this.#tentative.delete(name)
    }
    return {
      confirm: () => {
        forget()
        this.delete(name)
        if (value !== null) this.#confirmed.set(name, value)
      },
      abandon: () => {
        forget()
        this.#account(value, -1)
      },
    }
  }

  /** The server has dropped these itself: DISCARD ALL, DEALLOCATE ALL, end of transaction (portals). */
  clear(): void {
    for (const name of this.#confirmed.keys()) this.delete(name)
  }

  /** What the server has confirmed. */
  confirmed(): Iterable<T> {
    return this.#confirmed.values()
  }

  /** The server has dropped all but these. */
  keep(these: (value: T) => boolean): void {
    for (const [name, value] of this.#confirmed) if (!these(value)) this.delete(name)
  }

  delete(name: string): void {
    this.#account(this.#confirmed.get(name) ?? null, -1)
    this.#confirmed.delete(name)
  }

  #account(value: T | null, sign: 1 | -1): void {
    if (value === null) return
    this.#count += sign
    this.#bytes += sign * this.#limits.sizeOf(value)
  }
}

import { UpstreamError } from '../../engine/index.ts'
import { ServerRefusal } from './upstream-messages.ts'
import { type BackendPlace, QueryConnection, type UpstreamConfig } from './upstream.ts'

/** What the server's planner expects of a statement. */
export type Estimate = {
  /** Handed out, or of a write those that it changes. */
  readonly rows: number
  /** In the planner's units: a page read in order is 1. */
  readonly cost: number
}

/** `unknown`: the server has a plan, but didn't tell it, or not in time. Null: there is none to be had. */
export type Expected = Estimate | 'unknown' | null

/** An estimate is asked for again after this: tables grow. */
const KEPT_MS = 10_000
const KEPT_TEXTS = 500
/** A plan that takes longer isn't waited for. */
const PATIENCE_MS = 2000
/** What a client's session has, but for writing: a plan needs none. */
const SETTINGS: ReadonlyMap<string, string> = new Map([
  ['application_name', 'countersign estimates'],
  ['client_encoding', 'UTF8'],
  ['default_transaction_read_only', 'on'],
  ['standard_conforming_strings', 'on'],
  ['statement_timeout', String(PATIENCE_MS)],
])

interface Kept {
  readonly at: number
  readonly estimate: Promise<Expected>
}

export interface EstimateOptions {
  now(): number
  /** Told of each connection before anything is asked over it; durable when it resolves. */
  connected(place: BackendPlace): Promise<void>
}

/**
 * Asks one database for its plans, over a connection of the gateway's own. EXPLAIN without ANALYZE runs nothing; of
 * parameters it is told nothing, so with any it gives the plan for all values (PostgreSQL 16 and later).
 */
export class Estimates {
  readonly #config: UpstreamConfig
  readonly #options: EstimateOptions
  readonly #kept = new Map<string, Kept>()
  #connection: Promise<QueryConnection> | null = null

  constructor(config: UpstreamConfig, options: EstimateOptions) {
    this.#config = config
    this.#options = options
  }

  /** `text`: one statement, as the grammar has taken it. */
  of(text: string): Promise<Expected> {
    const now = this.#options.now()
    const known = this.#kept.get(text)
    if (known !== undefined && now - known.at < KEPT_MS) return known.estimate
    const estimate = this.#expected(text)
    this.#kept.delete(text)
    this.#kept.set(text, { at: now, estimate })
    const oldest = this.#kept.keys().next()
    if (this.#kept.size > KEPT_TEXTS && oldest.done !== true) this.#kept.delete(oldest.value)
    return estimate
  }

  /** What the server refuses to plan, it refuses to run. What isn't known is asked again the next time. */
  async #expected(text: string): Promise<Expected> {
    try {
      return await this.#ask(text)
    } catch (error) {
      if (isRefusal(error)) return null
      this.#kept.delete(text)
      return 'unknown'
    }
  }

  close(): void {
    void this.#connection?.then((connection) => connection.close()).catch(() => undefined)
  }

  async #ask(text: string): Promise<Estimate | null> {
    const connection = await this.#connected()
    const options = /\$\d/.test(text) ? 'FORMAT JSON, GENERIC_PLAN' : 'FORMAT JSON'
    const rows = await connection.query(`EXPLAIN (${options}) ${text}`, AbortSignal.timeout(PATIENCE_MS))
    return readPlan(rows[0]?.[0] ?? '')
  }

  async #connected(): Promise<QueryConnection> {
    const known = await this.#connection?.catch(() => null)
    if (known !== undefined && known !== null && !known.closed) return known
    this.#connection = this.#connect()
    return this.#connection
  }

  async #connect(): Promise<QueryConnection> {
    const connection = await QueryConnection.open(this.#config, SETTINGS, AbortSignal.timeout(PATIENCE_MS))
    try {
      await this.#options.connected(connection.place)
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }
}

/** Of the statement itself, by SQLSTATE's class: names and rights, values, features. Not where types come with Parse. */
function isRefusal(error: unknown): boolean {
  const cause = error instanceof UpstreamError ? error.cause : undefined
  if (!(cause instanceof ServerRefusal) || INDETERMINATE.has(cause.sqlstate)) return false
  return /^(?:0A|22|42)/.test(cause.sqlstate)
}

/** indeterminate_datatype, ambiguous_function, undefined_function: of a parameter whose type the client tells. */
const INDETERMINATE: ReadonlySet<string> = new Set(['42P18', '42725', '42883'])

/** `[{"Plan": {"Plan Rows": 1, "Total Cost": 0.01, …}}]`; a write's own node counts no rows, the one below it does. */
function readPlan(json: string): Estimate | null {
  const plans: unknown = JSON.parse(json)
  const plan = field(Array.isArray(plans) ? plans[0] : null, 'Plan')
  const writes = field(plan, 'Node Type') === 'ModifyTable'
  const below = field(plan, 'Plans')
  const counted = writes && Array.isArray(below) ? below[0] : plan
  const [rows, cost] = [field(counted, 'Plan Rows'), field(plan, 'Total Cost')]
  return typeof rows === 'number' && typeof cost === 'number' ? { rows, cost } : null
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  const found: unknown = Reflect.get(value, name)
  return found
}

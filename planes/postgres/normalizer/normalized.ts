import type { Action, ActionClass, NormalizeError, PartUse } from '../../../engine/index.ts'
import type { ColumnSource } from './relation.ts'
import type { SideEffect, WrittenValue } from './findings.ts'
import type { Carry, OwnChange } from './own-relation.ts'
import type { Refusal } from './refusal.ts'

/** A table or view that a statement names or reaches, and how it uses its columns; or what else it is about. */
export interface NormalizedResource {
  /** A RelationKind, `function`, `role`, `channel`, … */
  readonly type: string
  /** `public.customers` */
  readonly name: string
  readonly parts: readonly NormalizedPart[]
}

export interface NormalizedPart {
  readonly name: string
  /** In the order output, derived, predicate, written. */
  readonly uses: readonly PartUse[]
  /** For a written part every value it gets; null where that can't be known beforehand. Undefined for others. */
  readonly written?: readonly WrittenValue[] | null
}

/** One result column. */
export interface OutputColumn {
  readonly name: string
  /** What it is made of: through a view both the view's column and the table's, and the same column of every child. */
  readonly sources: readonly ColumnSource[]
  /** It is one column's value as it stands, so that column's mask fits. */
  readonly copy: boolean
  /** As RowDescription will tell it; null where not inferred. A plain column always has one. */
  readonly typeOid: number | null
}

/** How a COPY to the client writes its rows. Single characters are ASCII, as bytes. */
export type CopyForm =
  | { readonly kind: 'binary' }
  | { readonly kind: 'text'; readonly delimiter: number; readonly nullText: string; readonly header: boolean }
  | {
      readonly kind: 'csv'
      readonly delimiter: number
      readonly nullText: string
      readonly header: boolean
      readonly quote: number
      readonly escape: number
    }

/** What a COPY hands out. `form`: null where its options say more than is understood. */
export interface CopyOut {
  readonly columns: readonly OutputColumn[]
  readonly form: CopyForm | null
}

/** A column that a parameter is compared with or written to. */
export interface ParameterUse {
  readonly resource: string
  readonly part: string
  readonly use: PartUse
}

/** What a statement, once done, changes of the state that the gateway tracks for its session. */
export type SessionEffect =
  | { readonly kind: 'none' }
  | { readonly kind: 'begin' }
  /** `chain`: a new transaction begins at once. */
  | { readonly kind: 'commit' | 'rollback'; readonly chain: boolean }
  | { readonly kind: 'savepoint' | 'release' | 'rollback_to'; readonly name: string }
  | { readonly kind: 'set'; readonly name: string; readonly local: boolean }
  /** A prepared statement; null: all of them. */
  | { readonly kind: 'deallocate'; readonly name: string | null }
  | {
      readonly kind: 'prepare'
      readonly name: string
      readonly sql: string
      /** As declared; none where none are. */
      readonly parameterOids: readonly number[]
    }
  /** `hold`: it outlives its transaction. `binary`: a FETCH by simple query gives binary values. */
  | {
      readonly kind: 'declare'
      readonly name: string
      readonly sql: string
      readonly hold: boolean
      readonly binary: boolean
    }
  /** Rows of a cursor, which by simple query are binary if it is. */
  | { readonly kind: 'fetch'; readonly name: string; readonly binary: boolean }
  /** A cursor; null: all of them. */
  | { readonly kind: 'close'; readonly name: string | null }
  | { readonly kind: 'discard_all' }
  /** Notifications on this channel may come from now on. */
  | { readonly kind: 'listen'; readonly channel: string }
  /** Temporary relations came or went, as is known from here. */
  | { readonly kind: 'own'; readonly change: OwnChange }
  /** Names are looked for elsewhere from here on; null: as when the session began. */
  | { readonly kind: 'path'; readonly path: readonly string[] | null; readonly local: boolean }
  /** The catalogue has another version now; `temporary`: for this session alone. */
  | { readonly kind: 'catalog'; readonly temporary: boolean }
  /** Nobody knows: names may mean something else from here on. */
  | { readonly kind: 'unseen' }

/** Code that a statement runs, or a part of it, that the analysis can't see into. */
export interface Opaque {
  /** `function bank.get_ssn`, `do`, `unresolved`, `form`: as a policy may name it. */
  readonly what: string
  /** Why, as the client is told where policy doesn't want it. */
  readonly error: NormalizeError
}

export interface Setting {
  /** Lower case, as PostgreSQL compares it. */
  readonly name: string
  readonly value: string
  /** Counted from 1: the one that holds the value, once it is bound. */
  readonly parameter?: number
}

/** One statement, named in full. */
export interface NormalizedStatement {
  /** `select`, `insert`, `drop_table`, …: the strongest thing it does. */
  readonly kind: string
  readonly action: Action
  /** Proven to change nothing, if only a lock. */
  readonly effectFree: boolean
  readonly resources: readonly NormalizedResource[]
  /** Result columns in order; null where it returns no rows. */
  readonly outputs: readonly OutputColumn[] | null
  /** Nobody can tell beforehand whether rows come back, and of what columns; `outputs` is null then. */
  readonly answerUnknown: boolean
  /** Empty where everything it does is named. Whatever else is said of it then holds for the rest of it only. */
  readonly opaque: readonly Opaque[]
  /**
   * What an EXECUTE gives as parameters, `$1` first, as text; undefined where a value isn't known beforehand. Null for
   * every other statement: its parameters are what Bind brings.
   */
  readonly values: readonly (string | null | undefined)[] | null
  /** A COPY to the client: its rows come as bytes. */
  readonly copy: CopyOut | null
  /** Schema-qualified, sorted. */
  readonly functions: readonly string[]
  /** Triggers that a write may set off, and what foreign keys do to rows elsewhere. */
  readonly sideEffects: readonly SideEffect[]
  readonly setting: Setting | null
  readonly effect: SessionEffect
  /** What it puts into temporary tables; takes effect as soon as it may run. */
  readonly carries: readonly Carry[]
  /** Its text without literals and comments. */
  readonly text: string
  /** Its own text, where the server can be asked for its plan; never recorded. */
  readonly planned: string | null
  /** By parameter, `$1` first: empty where it meets no column, `unknown` where that can't be told. */
  readonly parameterUses: readonly (readonly ParameterUse[] | 'unknown')[]
}

/** Everything but `text`, with what most statements have left out. */
export interface Outcome {
  readonly kind: string
  readonly class: ActionClass
  readonly effectFree?: boolean
  readonly resources?: readonly NormalizedResource[]
  readonly outputs?: readonly OutputColumn[] | null
  readonly answerUnknown?: boolean
  readonly opaque?: readonly Refusal[]
  readonly values?: NormalizedStatement['values']
  readonly copy?: CopyOut | null
  readonly functions?: readonly string[]
  readonly sideEffects?: readonly SideEffect[]
  readonly setting?: Setting | null
  readonly effect?: SessionEffect
  readonly carries?: readonly Carry[]
  readonly parameterUses?: NormalizedStatement['parameterUses']
}

/** A statement with anything opaque about it is of the strictest class, whatever the rest of it does. */
export function complete(
  outcome: Outcome,
  text: string,
  planned: string | null,
  positionOf: (location: number) => number,
): NormalizedStatement {
  const opaque = (outcome.opaque ?? []).map((refusal) => ({ what: refusal.what, error: refusal.toError(positionOf) }))
  return {
    kind: outcome.kind,
    action: { name: `postgres.${outcome.kind}`, class: opaque.length === 0 ? outcome.class : 'control' },
    effectFree: opaque.length === 0 && (outcome.effectFree ?? false),
    resources: outcome.resources ?? [],
    outputs: outcome.outputs ?? null,
    answerUnknown: outcome.answerUnknown ?? false,
    opaque,
    values: outcome.values ?? null,
    copy: outcome.copy ?? null,
    functions: outcome.functions ?? [],
    sideEffects: outcome.sideEffects ?? [],
    setting: outcome.setting ?? null,
    effect: outcome.effect ?? { kind: 'none' },
    carries: outcome.carries ?? [],
    text,
    planned: opaque.length === 0 ? planned : null,
    parameterUses: outcome.parameterUses ?? [],
  }
}

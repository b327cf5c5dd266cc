import type { Action, ActionClass, PartUse } from '../../../engine/index.ts'
import type { ColumnSource, RelationKind } from './catalog.ts'
import type { CopyForm } from './copy-form.ts'
import type { WrittenValue } from './findings.ts'

/** A table or view that a statement names or reaches, and how it uses its columns. */
export interface NormalizedResource {
  readonly type: RelationKind
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
  | { readonly kind: 'discard_all' }
  /** The catalogue has another version now. */
  | { readonly kind: 'catalog' }

export interface Setting {
  /** Lower case, as PostgreSQL compares it. */
  readonly name: string
  readonly value: string
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
  /** A COPY to the client: its rows come as bytes. */
  readonly copy: CopyOut | null
  /** Schema-qualified, sorted. */
  readonly functions: readonly string[]
  /** Triggers that a write sets off: `public.accounts: accounts_audit (bank.audit_trg)`. */
  readonly triggers: readonly string[]
  readonly setting: Setting | null
  readonly effect: SessionEffect
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
  readonly copy?: CopyOut | null
  readonly functions?: readonly string[]
  readonly triggers?: readonly string[]
  readonly setting?: Setting | null
  readonly effect?: SessionEffect
  readonly parameterUses?: NormalizedStatement['parameterUses']
}

export function complete(outcome: Outcome, text: string, planned: string | null): NormalizedStatement {
  return {
    kind: outcome.kind,
    action: { name: `postgres.${outcome.kind}`, class: outcome.class },
    effectFree: outcome.effectFree ?? false,
    resources: outcome.resources ?? [],
    outputs: outcome.outputs ?? null,
    copy: outcome.copy ?? null,
    functions: outcome.functions ?? [],
    triggers: outcome.triggers ?? [],
    setting: outcome.setting ?? null,
    effect: outcome.effect ?? { kind: 'none' },
    text,
    planned,
    parameterUses: outcome.parameterUses ?? [],
  }
}

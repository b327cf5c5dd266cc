import type { ActionClass, PartUse } from '../../../engine/index.ts'
import type { ColumnSource, Relation } from './relation.ts'
import type { Carry } from './own-relation.ts'
import type { Refusal } from './refusal.ts'
import type { Value } from './value.ts'

/** How a value must be written to be known: every reader reads a plain decimal alike, and a cast to integer rounds none. */
export type ValueForm = 'text' | 'decimal' | 'integer'

/** A value that a column gets. `parameter`: counted from 1, known once it is bound, and then only in this form. */
export type WrittenValue =
  | { readonly kind: 'constant'; readonly value: string | null }
  | { readonly kind: 'parameter'; readonly index: number; readonly form: ValueForm }

/** What a write sets off at the server besides what it says. */
export interface SideEffect {
  readonly kind: 'trigger' | 'foreign_key'
  /** The relation that has the trigger, or whose rows a foreign key changes: `public.accounts`. */
  readonly on: string
  /** Of the trigger, or of the constraint. */
  readonly name: string
  /** The function that a trigger runs; or `cascade`, `set_null`, `set_default`. */
  readonly does: string
}

const SEVERITY: readonly ActionClass[] = ['discover', 'read', 'write', 'destroy', 'control']

/** All that the analysis of one statement brought to light, in the order it did. */
export class Findings {
  readonly relations: Set<Relation> = new Set()
  readonly uses: Map<ColumnSource, Set<PartUse>> = new Map()
  /** Null: what the column gets can't be known beforehand. */
  readonly written: Map<ColumnSource, readonly WrittenValue[] | null> = new Map()
  /** Schema-qualified. */
  readonly functions: Set<string> = new Set()
  /** By what they are: each stands once. */
  readonly sideEffects: Map<string, SideEffect> = new Map()
  /** Parameter → columns that it meets in a comparison or is written to. */
  readonly meetings: Map<number, Map<ColumnSource, Set<PartUse>>> = new Map()
  /** What goes into columns of the session's own. */
  readonly carries: Carry[] = []
  /** Code that is run and can't be seen into, by what it is: the statement's own parts are named all the same. */
  readonly opaque: Map<string, Refusal> = new Map()
  /** It may change something, if only a lock. */
  effects = false
  /** What it does at its worst, and as what kind of statement. */
  worst: { readonly class: ActionClass; readonly kind: string } = { class: 'read', kind: 'select' }

  /** A part of the statement that does `kind`; its outermost part comes first and wins a tie. */
  does(kind: string, actionClass: ActionClass): void {
    if (SEVERITY.indexOf(actionClass) > SEVERITY.indexOf(this.worst.class)) this.worst = { class: actionClass, kind }
    if (SEVERITY.indexOf(actionClass) > SEVERITY.indexOf('read')) this.effects = true
  }

  /** The statement runs this code, which may do anything at all. */
  runs(code: Refusal): void {
    this.effects = true
    if (!this.opaque.has(code.what)) this.opaque.set(code.what, code)
  }

  /** False: it is known already. */
  sideEffect(effect: SideEffect): boolean {
    const key = `${effect.kind} ${effect.on} ${effect.name} ${effect.does}`
    if (this.sideEffects.has(key)) return false
    this.sideEffects.set(key, effect)
    return true
  }

  use(value: Value, use: PartUse): void {
    for (const source of value.sources) this.useOf(source, use)
  }

  useOf(source: ColumnSource, use: PartUse): void {
    const uses = this.uses.get(source)
    if (uses === undefined) this.uses.set(source, new Set([use]))
    else uses.add(use)
  }

  write(source: ColumnSource, values: readonly WrittenValue[] | null): void {
    this.useOf(source, 'written')
    const before = this.written.get(source)
    this.written.set(source, before === null || values === null ? null : [...(before ?? []), ...values])
  }

  /** A parameter stands in the statement, whatever it meets. */
  hold(parameter: number): void {
    if (!this.meetings.has(parameter)) this.meetings.set(parameter, new Map())
  }

  /** Parameters and columns met within one expression. */
  meet(value: Value, use: PartUse): void {
    if (value.parameters.size === 0) return
    for (const source of value.sources) this.meetAt(value.parameters, source, use)
  }

  meetAt(parameters: ReadonlySet<number>, source: ColumnSource, use: PartUse): void {
    for (const parameter of parameters) {
      const met = this.meetings.get(parameter) ?? new Map<ColumnSource, Set<PartUse>>()
      this.meetings.set(parameter, met.set(source, (met.get(source) ?? new Set()).add(use)))
    }
  }

  /** Takes over what a definition, analysed apart, does whenever it is used. `what`: whose definition it is. */
  include(inner: Findings, what: string): void {
    for (const relation of inner.relations) this.relations.add(relation)
    for (const name of inner.functions) this.functions.add(name)
    for (const [source, uses] of inner.uses) for (const use of uses) this.useOf(source, use)
    for (const code of inner.opaque.values()) this.runs(code.within(what))
    this.effects ||= inner.effects
  }
}

import type { ColumnRef } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import { bodyOf, names } from './ast.ts'
import { unresolved, unsupported } from './refusal.ts'
import type { Scope, ScopeItem } from './scope.ts'
import { type Column, composite, type Value } from './value.ts'

/** A name that stands for a column, or for a whole row: resolved as parse_expr.c's transformColumnRef does. */
export function columnRef(analysis: Analysis, ref: ColumnRef, scope: Scope): Value {
  if (endsInStar(ref)) return wholeRow(analysis, ref, scope)
  const parts = names(ref.fields)
  const [first = '', second] = parts
  if (parts.length === 1) return unqualified(first, scope, ref.location)
  if (second === undefined) throw unresolved('an empty name', ref.location, 'syntax')
  const { item, name } = qualified(analysis, parts, scope, ref.location)
  const value = columnOf(item, name, ref.location)
  if (value === undefined) throw unresolved(`column ${parts.join('.')} does not exist`, ref.location, 'undefinedColumn')
  return value
}

/** `f(t.*)` is `f(t)`. */
function wholeRow(analysis: Analysis, ref: ColumnRef, scope: Scope): Value {
  if (ref.fields?.length === 1) throw unsupported('* in an expression is not covered', ref.location)
  return composite(starColumns(analysis, ref, scope))
}

/** The columns that `*` or `t.*` stands for. */
export function starColumns(analysis: Analysis, ref: ColumnRef, scope: Scope): readonly Column[] {
  const fields = ref.fields ?? []
  const parts = names(fields.slice(0, -1))
  if (parts.length > 0) return qualified(analysis, [...parts, '*'], scope, ref.location).item.columns
  return scope.items.filter(({ bare }) => bare).flatMap(({ columns }) => columns)
}

export function endsInStar(ref: ColumnRef): boolean {
  return bodyOf('A_Star', ref.fields?.at(-1)) !== undefined
}

function unqualified(name: string, scope: Scope, location: number | undefined): Value {
  for (let level: Scope | null = scope; level !== null; level = level.parent) {
    const found = level.items.filter(({ bare }) => bare).flatMap((item) => matches(item, name))
    if (found.length > 1) throw unresolved(`column reference "${name}" is ambiguous`, location, 'ambiguousColumn')
    if (found[0] !== undefined) return found[0]
  }
  const row = scope.item(name, location)
  if (row === undefined) throw unresolved(`column "${name}" does not exist`, location, 'undefinedColumn')
  return composite(row.columns)
}

/** `t.c`, `s.t.c` or `d.s.t.c`, where the last part may be `*`. */
function qualified(
  analysis: Analysis,
  parts: readonly string[],
  scope: Scope,
  location: number | undefined,
): { item: ScopeItem; name: string } {
  const name = parts.at(-1) ?? ''
  const [table = '', schema, database] = parts.slice(0, -1).toReversed()
  if (parts.length > 4) throw unsupported('a name of more than four parts', location)
  if (database !== undefined && database !== analysis.database) {
    throw unsupported('a reference to another database', location)
  }
  const item = schema === undefined ? scope.item(table, location) : scope.itemOf(schema, table, location)
  if (item === undefined) throw unresolved(`missing FROM-clause entry for table "${table}"`, location, 'undefinedTable')
  return { item, name }
}

function columnOf(item: ScopeItem, name: string, location: number | undefined): Value | undefined {
  const found = matches(item, name)
  if (found.length > 1) throw unresolved(`column reference "${name}" is ambiguous`, location, 'ambiguousColumn')
  return found[0]
}

function matches(item: ScopeItem, name: string): readonly Value[] {
  const columns = item.columns.filter((column) => column.name === name)
  const found = columns.length > 0 ? columns : item.hidden.filter((column) => column.name === name)
  return found.map(({ value }) => value)
}

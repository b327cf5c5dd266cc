import type { Node } from 'libpg-query'
import { isAbsent, names } from './ast.ts'
import { unresolved } from './refusal.ts'
import type { Column } from './value.ts'

/** An alias's column list renames the first columns; a longer one is an error. */
export function rename(
  columns: readonly Column[],
  alias: { readonly colnames?: readonly Node[] } | undefined,
  location?: number,
): readonly Column[] {
  const given = names((alias?.colnames ?? []).filter((node) => !isAbsent(node)))
  if (given.length > columns.length)
    throw unresolved('an alias lists more columns than there are', location, 'invalidReference')
  return given.length === 0
    ? columns
    : columns.map((column, index) => ({ ...column, name: given[index] ?? column.name }))
}

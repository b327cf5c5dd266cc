import type { RangeVar } from 'libpg-query'
import type { Analysis } from './analysis.ts'
import type { Relation } from './relation.ts'
import { OWN_SCHEMA } from './catalog-index.ts'
import { unresolved, unsupported } from './refusal.ts'

/** The relation a name stands for, as the server finds it: its schema, or the first of the path that has it. */
export function relationOf(analysis: Analysis, range: RangeVar): Relation {
  const { relname = '', schemaname, catalogname, location } = range
  if (catalogname !== undefined && catalogname !== analysis.database) {
    throw unsupported('a reference to another database', location)
  }
  const relation =
    schemaname === undefined
      ? inPath(analysis, relname)
      : (inOwn(analysis, schemaname, relname) ?? analysis.catalog.relation(permitted(schemaname, location), relname))
  if (relation === undefined)
    throw unresolved(`relation "${qualify(schemaname, relname)}" does not exist`, location, 'undefinedTable')
  return relation
}

function inOwn(analysis: Analysis, schema: string, name: string): Relation | undefined {
  return schema === OWN_SCHEMA ? analysis.catalog.relation(schema, name) : undefined
}

function inPath(analysis: Analysis, name: string): Relation | undefined {
  for (const schema of analysis.path) {
    const relation = analysis.catalog.relation(schema, name)
    if (relation !== undefined) return relation
  }
  return undefined
}

/** Temporary objects are nobody's in a snapshot: what wasn't seen to be made can't be named. */
export function permitted(schema: string, location: number | undefined): string {
  if (schema.startsWith('pg_temp')) throw unsupported('temporary objects are not covered', location)
  if (schema.startsWith('pg_toast')) throw unsupported('TOAST storage is not covered', location)
  return schema
}

function qualify(schema: string | undefined, name: string): string {
  return schema === undefined ? name : `${schema}.${name}`
}

/**
 * All relations whose rows a statement on this one reaches: its inheritance children and partitions unless ONLY is said;
 * and their parents, so that what a policy says of a parent covers a child that is addressed directly.
 */
export function family(relation: Relation, only: boolean): ReadonlySet<Relation> {
  const members = new Set<Relation>([relation])
  if (!only) for (const member of members) for (const child of member.children) members.add(child)
  for (const member of members) for (const parent of member.parents) members.add(parent)
  return members
}

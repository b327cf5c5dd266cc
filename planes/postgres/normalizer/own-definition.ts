import type {
  AlterTableStmt,
  ColumnDef,
  Constraint,
  CreateSeqStmt,
  CreateStmt,
  DropStmt,
  IntoClause,
  Node,
  RangeVar,
  RenameStmt,
  TypeName,
  ViewStmt,
} from 'libpg-query'
import { all, bodyOf, names } from './ast.ts'
import { OWN_SCHEMA } from './catalog-index.ts'
import type { OutputColumn } from './normalized.ts'
import { lineageOf } from './own-lineage.ts'
import { NO_LINEAGE, type OwnChange, type OwnColumn, type OwnRelation, type Root } from './own-relation.ts'
import { Refusal } from './refusal.ts'
import type { ColumnSource } from './relation.ts'
import { relationOf } from './relations.ts'
import { EMPTY_SCOPE } from './scope.ts'
import { checkShape } from './shape.ts'
import { castOid, typeOf } from './types.ts'
import { UNKNOWN_OID } from './value.ts'
import type { Walk } from './walk.ts'

const TEXT = 25
const INT8 = 20
const BOOL = 16
/** NAMEDATALEN - 1: the server cuts what is longer, and then gives it another name. */
const LONGEST_NAME = 63
const NOTHING: OwnChange = { drops: [], makes: [] }

/**
 * What a statement changes of the session's temporary relations; null where that isn't known for certain, be it that it is
 * about others. Nothing here may look cleaner than it is: what copies rows, computes columns or ties one relation to
 * another in a way that isn't read here is left out.
 */
export function ownChange(walk: Walk, node: Node): OwnChange | null {
  try {
    const change = changeOf(walk, node)
    return walk.findings.opaque.size === 0 ? change : null
  } catch (error) {
    if (error instanceof Refusal) return null
    throw error
  }
}

function changeOf(walk: Walk, node: Node): OwnChange | null {
  if ('CreateStmt' in node) return createdTable(walk, node.CreateStmt)
  if ('ViewStmt' in node) return createdView(walk, node.ViewStmt)
  if ('CreateSeqStmt' in node) return createdSequence(walk, node.CreateSeqStmt)
  if ('AlterTableStmt' in node) return altered(walk, node.AlterTableStmt)
  if ('RenameStmt' in node) return renamed(walk, node.RenameStmt)
  if ('DropStmt' in node) return dropped(walk, node.DropStmt)
  if ('IndexStmt' in node) return ownOf(walk, node.IndexStmt.relation) === null ? null : NOTHING
  return null
}

/** DISCARD TEMP. */
export function ownDiscarded(walk: Walk): OwnChange {
  return { drops: walk.catalog.own.flatMap(({ own }) => (own === null ? [] : [own.made.root])), makes: [] }
}

/** CREATE TEMP TABLE AS, SELECT INTO TEMP: each column is made of what the query's is. */
export function createdAs(
  walk: Walk,
  into: IntoClause,
  outputs: readonly OutputColumn[],
  ifNotExists: boolean,
): OwnChange | null {
  const { rel, colNames, onCommit } = into
  if (rel === undefined || !isOwnName(walk, rel) || walk.findings.opaque.size > 0) return null
  if (ifNotExists && ownNamed(walk, rel.relname) !== null) return NOTHING
  const renames = names(colNames)
  const columns = outputs.map((output, index) => columnOf(walk, output, renames[index] ?? output.name, index))
  return make({ name: rel.relname ?? '', kind: 'table', columns, untilCommit: onCommit === 'ONCOMMIT_DROP' })
}

interface Made {
  readonly sources: Iterable<ColumnSource>
  readonly copy: boolean
  readonly typeOid: number | null
}

function columnOf(walk: Walk, output: Made, name: string, index: number): OwnColumn {
  const typeOid = output.typeOid === UNKNOWN_OID ? TEXT : output.typeOid
  return { name, attnum: index + 1, typeOid, lineage: lineageOf(walk.catalog, output) }
}

function make(relation: Omit<OwnRelation, 'root' | 'reads'>, more: readonly OwnRelation[] = []): OwnChange {
  return { drops: [], makes: [{ ...relation, root: { owner: null }, reads: null }, ...more] }
}

// CREATE TABLE

const PLAIN_CONSTRAINTS: ReadonlySet<string | undefined> = new Set([
  'CONSTR_NULL',
  'CONSTR_NOTNULL',
  'CONSTR_DEFAULT',
  'CONSTR_CHECK',
  'CONSTR_PRIMARY',
  'CONSTR_UNIQUE',
  'CONSTR_ATTR_DEFERRABLE',
  'CONSTR_ATTR_NOT_DEFERRABLE',
  'CONSTR_ATTR_DEFERRED',
  'CONSTR_ATTR_IMMEDIATE',
])
const SERIAL: ReadonlyMap<string, number> = new Map([
  ['smallserial', 21],
  ['serial2', 21],
  ['serial', 23],
  ['serial4', 23],
  ['bigserial', 20],
  ['serial8', 20],
])

function createdTable(walk: Walk, stmt: CreateStmt): OwnChange | null {
  const { relation, tableElts = [], oncommit } = stmt
  const name = relation?.relname
  if (relation === undefined || name === undefined || !isOwnName(walk, relation)) return null
  const tied = [stmt.inhRelations, stmt.constraints].some((list) => (list ?? []).length > 0)
  if (tied || stmt.partspec !== undefined || stmt.partbound !== undefined || stmt.ofTypename !== undefined) return null
  if (stmt.if_not_exists === true && ownNamed(walk, name) !== null) return NOTHING
  const root: Root = { owner: null }
  const columns: OwnColumn[] = []
  const sequences: OwnRelation[] = []
  for (const element of tableElts) {
    const constraint = bodyOf('Constraint', element)
    if (constraint !== undefined && isPlain(constraint)) continue
    const column = bodyOf('ColumnDef', element)
    const made = column === undefined ? null : plainColumn(walk, column, columns.length + 1)
    if (made === null) return null
    columns.push(made)
    if (!counts(column)) continue
    const sequence = `${name}_${made.name}_seq`
    if (Buffer.byteLength(sequence) > LONGEST_NAME || ownNamed(walk, sequence) !== null) return null
    sequences.push(sequenceNamed(sequence, { owner: root }))
  }
  const table: OwnRelation = {
    root,
    name,
    kind: 'table',
    columns,
    reads: null,
    untilCommit: oncommit === 'ONCOMMIT_DROP',
  }
  return { drops: [], makes: [table, ...sequences] }
}

function isPlain({ contype }: Constraint): boolean {
  return PLAIN_CONSTRAINTS.has(contype)
}

/** A column that holds what is put into it and nothing else; null for any other. */
function plainColumn(walk: Walk, { colname, typeName, constraints }: ColumnDef, attnum: number): OwnColumn | null {
  if (colname === undefined || typeName === undefined) return null
  const plain = all('Constraint', constraints).every((each) => isPlain(each) || each.contype === 'CONSTR_IDENTITY')
  const typeOid = plain ? plainType(walk, typeName) : undefined
  return typeOid === undefined ? null : { name: colname, attnum, typeOid, lineage: NO_LINEAGE }
}

/** Undefined: not one of the server's own, which nobody takes away. */
function plainType(walk: Walk, typeName: TypeName): number | null | undefined {
  const serial = serialOf(typeName)
  if (serial !== undefined) return serial
  return typeName.pct_type === true || !typeOf(walk, typeName).builtin ? undefined : castOid(walk, typeName)
}

function serialOf(typeName: TypeName | undefined): number | undefined {
  const [name = '', ...others] = names(typeName?.names)
  return others.length === 0 ? SERIAL.get(name) : undefined
}

/** It has a sequence of its own. */
function counts(column: ColumnDef | undefined): boolean {
  const identity = all('Constraint', column?.constraints).some(({ contype }) => contype === 'CONSTR_IDENTITY')
  return identity || serialOf(column?.typeName) !== undefined
}

function createdSequence(walk: Walk, { sequence, options, if_not_exists: lenient }: CreateSeqStmt): OwnChange | null {
  const owned = all('DefElem', options).some(({ defname }) => defname === 'owned_by')
  if (sequence === undefined || owned || !isOwnName(walk, sequence)) return null
  if (lenient === true && ownNamed(walk, sequence.relname) !== null) return NOTHING
  return { drops: [], makes: [sequenceNamed(sequence.relname ?? '', { owner: null })] }
}

function sequenceNamed(name: string, root: Root): OwnRelation {
  const types = [INT8, INT8, BOOL]
  const columns = ['last_value', 'log_cnt', 'is_called'].map((column, index) => ({
    name: column,
    attnum: index + 1,
    typeOid: types[index] ?? null,
    lineage: NO_LINEAGE,
  }))
  return { root, name, kind: 'sequence', columns, reads: null, untilCommit: false }
}

// Views

/** Over relations that aren't temporary themselves: what those are may change while the view stays what it is. */
function createdView(walk: Walk, { view, query, aliases, replace }: ViewStmt): OwnChange | null {
  const name = view?.relname
  if (view === undefined || name === undefined || query === undefined || !isOwnName(walk, view)) return null
  checkShape(query)
  const inner = walk.forView()
  const outputs = inner.query(query, EMPTY_SCOPE)
  const { findings } = inner
  const relations = [...findings.relations]
  const isPlainRead = findings.worst.class === 'read' && findings.opaque.size === 0
  if (!isPlainRead || relations.some(({ own }) => own !== null)) return null
  const renames = names(aliases)
  const columns = outputs.map(({ name: given, value }, index) => columnOf(walk, value, renames[index] ?? given, index))
  const uses = [...findings.uses].flatMap(([source, each]) => {
    const place = walk.catalog.placeOf(source)
    return place === undefined ? [] : [...each].map((use) => [place, use] as const)
  })
  const reads = {
    relations: relations.map(({ oid }) => oid),
    uses,
    functions: [...findings.functions],
    effects: findings.effects,
  }
  const before = replace === true ? ownNamed(walk, name) : null
  return {
    drops: before === null ? [] : [before.root],
    makes: [{ root: { owner: null }, name, kind: 'view', columns, reads, untilCommit: false }],
  }
}

// What is there already

const PLAIN_CHANGES: ReadonlySet<string | undefined> = new Set([
  'AT_SetNotNull',
  'AT_DropNotNull',
  'AT_ColumnDefault',
  'AT_SetStatistics',
])

function altered(walk: Walk, { relation, cmds }: AlterTableStmt): OwnChange | null {
  const made = ownOf(walk, relation)
  if (made === null) return null
  let columns: readonly OwnColumn[] | null = made.columns
  for (const { subtype, def, name, missing_ok: lenient } of all('AlterTableCmd', cmds)) {
    if (PLAIN_CHANGES.has(subtype)) continue
    const constraint = bodyOf('Constraint', def)
    if (subtype === 'AT_AddConstraint' && constraint !== undefined && isPlain(constraint)) continue
    if (subtype === 'AT_AddColumn') columns = withColumn(walk, columns, bodyOf('ColumnDef', def), lenient === true)
    else if (subtype === 'AT_DropColumn') columns = withoutColumn(walk, made, columns, name)
    else return null
    if (columns === null) return null
  }
  return instead(made, { columns })
}

function withColumn(
  walk: Walk,
  columns: readonly OwnColumn[],
  column: ColumnDef | undefined,
  lenient: boolean,
): readonly OwnColumn[] | null {
  if (column === undefined || counts(column)) return null
  if (columns.some(({ name }) => name === column.colname)) return lenient ? columns : null
  const made = plainColumn(walk, column, Math.max(0, ...columns.map(({ attnum }) => attnum)) + 1)
  return made === null ? null : [...columns, made]
}

function withoutColumn(
  walk: Walk,
  { root }: OwnRelation,
  columns: readonly OwnColumn[],
  dropped: string | undefined,
): readonly OwnColumn[] | null {
  const counting = walk.catalog.own.some(({ own }) => own?.made.root.owner === root)
  return counting ? null : columns.filter(({ name }) => name !== dropped)
}

function renamed(walk: Walk, { renameType, relation, subname, newname }: RenameStmt): OwnChange | null {
  const made = ownOf(walk, relation)
  if (made === null || newname === undefined) return null
  switch (renameType) {
    case 'OBJECT_TABLE':
    case 'OBJECT_VIEW':
    case 'OBJECT_SEQUENCE':
      return instead(made, { name: newname })
    case 'OBJECT_COLUMN':
      return instead(made, {
        columns: made.columns.map((each) => (each.name === subname ? { ...each, name: newname } : each)),
      })
    default:
      return null
  }
}

function instead(made: OwnRelation, change: Partial<OwnRelation>): OwnChange {
  return { drops: [made.root], makes: [{ ...made, ...change }] }
}

const DROPPED: ReadonlySet<string | undefined> = new Set(['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_SEQUENCE'])

/** Nothing of the session's own depends on another but a serial column's sequence. */
function dropped(walk: Walk, { objects, removeType }: DropStmt): OwnChange | null {
  if (!DROPPED.has(removeType)) return null
  const drops: Root[] = []
  for (const object of objects ?? []) {
    const words = names(bodyOf('List', object)?.items)
    const [relname = '', schemaname] = words.toReversed()
    const made = words.length > 2 ? null : ownOf(walk, schemaname === undefined ? { relname } : { relname, schemaname })
    if (made === null) return null
    drops.push(made.root)
  }
  return { drops, makes: [] }
}

// Names

function isOwnName(walk: Walk, { relpersistence, schemaname, catalogname }: RangeVar): boolean {
  if (catalogname !== undefined && catalogname !== walk.database) return false
  return schemaname === OWN_SCHEMA || (schemaname === undefined && relpersistence === 't')
}

function ownNamed(walk: Walk, name: string | undefined): OwnRelation | null {
  return walk.catalog.relation(OWN_SCHEMA, name ?? '')?.own?.made ?? null
}

function ownOf(walk: Walk, range: RangeVar | undefined): OwnRelation | null {
  return range === undefined ? null : (relationOf(walk, range).own?.made ?? null)
}

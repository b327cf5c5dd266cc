import type { Node, RangeVar } from 'libpg-query'
import type { ActionClass } from '../../../engine/index.ts'
import { all, bodyOf, kindOf, names } from './ast.ts'
import type { RelationKind } from './catalog.ts'
import type { NormalizedResource, Outcome } from './normalized.ts'
import { Refusal, unsupported } from './refusal.ts'
import { relationOf } from './relations.ts'
import type { Walk } from './walk.ts'

interface Definition {
  readonly kind: string
  readonly class: ActionClass
  /** The catalogue is another one afterwards. */
  readonly changesCatalog: boolean
}

const define = (kind: string): Definition => ({ kind, class: 'control', changesCatalog: true })
const control = (kind: string): Definition => ({ kind, class: 'control', changesCatalog: false })

/** Statements that are named by kind, class and the relation they are about, and not looked into: policy sees control. */
const DEFINITIONS: Readonly<Record<string, Definition>> = {
  CreateStmt: define('create_table'),
  AlterTableStmt: define('alter_table'),
  RenameStmt: define('rename'),
  IndexStmt: define('create_index'),
  ViewStmt: define('create_view'),
  CreateSchemaStmt: define('create_schema'),
  CreateSeqStmt: define('create_sequence'),
  AlterSeqStmt: define('alter_sequence'),
  CreateEnumStmt: define('create_type'),
  AlterEnumStmt: define('alter_type'),
  CompositeTypeStmt: define('create_type'),
  CreateRangeStmt: define('create_type'),
  CreateDomainStmt: define('create_domain'),
  CreateFunctionStmt: define('create_function'),
  CreateTrigStmt: define('create_trigger'),
  CreateExtensionStmt: define('create_extension'),
  CommentStmt: define('comment'),
  GrantStmt: define('grant'),
  RefreshMatViewStmt: control('refresh_materialized_view'),
  LockStmt: control('lock'),
  VacuumStmt: control('vacuum'),
  ConstraintsSetStmt: control('set_constraints'),
  ListenStmt: control('listen'),
  UnlistenStmt: control('unlisten'),
  NotifyStmt: control('notify'),
  DropStmt: { kind: 'drop', class: 'destroy', changesCatalog: true },
  TruncateStmt: { kind: 'truncate', class: 'destroy', changesCatalog: false },
}

/** DDL and its like; undefined where it is none that is covered. */
export function definitionStatement(walk: Walk, node: Node): Outcome | undefined {
  const definition = DEFINITIONS[kindOf(node)]
  if (definition === undefined) return undefined
  refuseTemporary(node)
  return {
    kind: bodyOf('DropStmt', node) === undefined ? definition.kind : `drop_${objectKind(node)}`,
    class: definition.class,
    resources: subjects(walk, node),
    effect: definition.changesCatalog ? { kind: 'catalog' } : { kind: 'none' },
    parameterUses: [],
  }
}

function objectKind(node: Node): string {
  const type = bodyOf('DropStmt', node)?.removeType ?? ''
  return type.replace(/^OBJECT_/, '').toLowerCase()
}

/** Temporary objects come before all others on the path, and a snapshot of the catalogue can't hold them. */
export function refuseTemporary(tree: unknown): void {
  const temporary = JSON.stringify(tree, (key, value: unknown) => {
    if (key === 'relpersistence' && value === 't') throw unsupported('temporary objects are not covered')
    if (typeof value === 'string' && /^pg_temp/i.test(value)) throw unsupported('temporary objects are not covered')
    return value
  })
  if (temporary === undefined) throw unsupported('a statement without a tree')
}

const RELATION_TYPES = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_FOREIGN_TABLE',
  'OBJECT_SEQUENCE',
])

/** The relations it is about, where the tree has them in a plain place. */
function subjects(walk: Walk, node: Node): readonly NormalizedResource[] {
  const drop = bodyOf('DropStmt', node)
  if (drop !== undefined) return droppedRelations(walk, drop)
  const range = singleRange(node)
  const listed = bodyOf('TruncateStmt', node)?.relations ?? bodyOf('LockStmt', node)?.relations
  const ranges = range === undefined ? all('RangeVar', listed) : [range]
  return ranges.map((each) => existing(walk, each) ?? created(walk, each, createdType(node)))
}

/** What doesn't exist yet, or goes by another kind of name (an index): as it was written. */
function createdType(node: Node): RelationKind {
  if (bodyOf('ViewStmt', node) !== undefined) return 'view'
  return bodyOf('CreateSeqStmt', node) === undefined ? 'table' : 'sequence'
}

function singleRange(node: Node): RangeVar | undefined {
  return (
    bodyOf('CreateStmt', node)?.relation ??
    bodyOf('AlterTableStmt', node)?.relation ??
    bodyOf('RenameStmt', node)?.relation ??
    bodyOf('IndexStmt', node)?.relation ??
    bodyOf('ViewStmt', node)?.view ??
    bodyOf('CreateTrigStmt', node)?.relation ??
    bodyOf('RefreshMatViewStmt', node)?.relation ??
    bodyOf('CreateSeqStmt', node)?.sequence
  )
}

function existing(walk: Walk, range: RangeVar): NormalizedResource | undefined {
  try {
    const { kind, qualified } = relationOf(walk, range)
    return { type: kind, name: qualified, parts: [] }
  } catch (error) {
    if (error instanceof Refusal && error.code === 'ERR_NORMALIZE_UNRESOLVED') return undefined
    throw error
  }
}

/** Where the server would put it: the first schema of the path that isn't its own. */
export function created(walk: Walk, { schemaname, relname = '' }: RangeVar, type: RelationKind): NormalizedResource {
  const schema = schemaname ?? walk.path.find((each) => each !== 'pg_catalog') ?? 'public'
  return { type, name: `${schema}.${relname}`, parts: [] }
}

function droppedRelations(
  walk: Walk,
  { objects, removeType }: NonNullable<ReturnType<typeof bodyOf<'DropStmt'>>>,
): readonly NormalizedResource[] {
  if (!RELATION_TYPES.has(removeType ?? '')) return []
  return all('List', objects).map(({ items }) => {
    const [relname = '', schemaname] = names(items).toReversed()
    const range = schemaname === undefined ? { relname } : { relname, schemaname }
    return existing(walk, range) ?? created(walk, range, 'table')
  })
}

import type { Node, RangeVar } from 'libpg-query'
import { bodyOf, kindOf, names } from './ast.ts'
import { OWN_SCHEMA } from './catalog-index.ts'
import { ownChange } from './own-definition.ts'
import type { RelationKind } from './relation.ts'
import type { NormalizedResource, Outcome, SessionEffect } from './normalized.ts'
import { opaque, Refusal, unsupported } from './refusal.ts'
import { relationOf } from './relations.ts'
import { type Definition, isStatementNode, STATEMENTS } from './statement-kinds.ts'
import { nameIn, sweep } from './sweep.ts'
import type { Walk } from './walk.ts'

/**
 * DDL and its like: named by kind, class, what it is about and what else it mentions; what it would run is seen as far as
 * functions and operators go. Undefined where the statement has a room of its own.
 */
export function definitionStatement(walk: Walk, node: Node): Outcome | undefined {
  const kind = kindOf(node)
  const definition = isStatementNode(kind) ? STATEMENTS[kind] : 'inner'
  if (definition === 'inner') throw unsupported(`${kind} is not covered`)
  if (definition === 'analysed') return undefined
  const body: unknown = Object.values(node)[0]
  const resources = uniquely([...subjects(walk, node, definition, body), ...mentioned(walk, node)])
  if (definition.runs !== null) walk.findings.runs(blind(definition.runs, resources))
  return {
    kind: spelled(node, definition),
    class: isSharedLock(node) ? 'read' : definition.class,
    resources,
    functions: [...walk.findings.functions].toSorted(),
    opaque: [...walk.findings.opaque.values()],
    answerUnknown: kind === 'CallStmt', // a procedure's OUT parameters come back as a row
    effect: effectOf(walk, node, definition, resources),
    parameterUses: [],
  }
}

function effectOf(
  walk: Walk,
  node: Node,
  definition: Definition,
  resources: readonly NormalizedResource[],
): SessionEffect {
  const listen = bodyOf('ListenStmt', node)
  if (listen !== undefined) return { kind: 'listen', channel: listen.conditionname ?? '' }
  if ('DoStmt' in node) return { kind: 'unseen' }
  if (!definition.changesCatalog) return { kind: 'none' }
  const change = ownChange(walk, node)
  if (change !== null) return { kind: 'own', change }
  return { kind: 'catalog', temporary: isTemporary(node) || upsetsOwn(walk, spelled(node, definition), resources) }
}

/** Definitions that leave alone what they don't name. */
const NAMES_ALL =
  /^(?:create_|alter_table$|rename$|drop_(?:table|view|matview|index|sequence|function|trigger|policy)$)/

/** Whether it may do something to the session's own relations that isn't followed. */
function upsetsOwn(walk: Walk, kind: string, resources: readonly NormalizedResource[]): boolean {
  if (walk.catalog.own.length === 0 || kind === 'comment' || kind === 'grant') return false
  return !NAMES_ALL.test(kind) || resources.some(({ name }) => name.startsWith(`${OWN_SCHEMA}.`))
}

/** AccessShareLock: what a SELECT takes as well. */
function isSharedLock(node: Node): boolean {
  return bodyOf('LockStmt', node)?.mode === 1
}

/** `DROP` and `CREATE` of many kinds share a node each. */
function spelled(node: Node, { kind }: Definition): string {
  const drop = bodyOf('DropStmt', node)
  if (drop !== undefined) return `drop_${objectKind(drop.removeType)}`
  const made = bodyOf('DefineStmt', node)
  if (made !== undefined) return `create_${objectKind(made.kind)}`
  const vacuum = bodyOf('VacuumStmt', node)
  return vacuum !== undefined && vacuum.is_vacuumcmd !== true ? 'analyze' : kind
}

function objectKind(type: string | undefined): string {
  return (type ?? 'object').replace(/^OBJECT_/, '').toLowerCase()
}

function blind(runs: string, resources: readonly NormalizedResource[]): Refusal {
  const [first] = resources
  const what = first === undefined || runs === 'do' ? runs : `${runs} ${first.name}`
  return opaque(what, `what ${what} does can't be seen from here`)
}

/** Temporary objects come before all others on the path. */
export function isTemporary(tree: unknown): boolean {
  let temporary = false
  JSON.stringify(tree, (key, value: unknown) => {
    if (key === 'relpersistence' && value === 't') temporary = true
    if (typeof value === 'string' && /^pg_temp/i.test(value)) temporary = true
    return value
  })
  return temporary
}

const RELATIONS = new Set(['table', 'view', 'matview', 'foreign_table', 'sequence'])
/** Objects that have no name but in their relation: it comes first, theirs last. */
const WITHIN = new Set(['column', 'tabconstraint', 'trigger', 'rule', 'policy'])

/** What it is about, where that goes by another name than a relation's own. */
function subjects(walk: Walk, node: Node, definition: Definition, body: unknown): readonly NormalizedResource[] {
  const { subject } = definition
  if (subject === null || typeof body !== 'object' || body === null) return calledProcedure(node)
  const value: unknown = Reflect.get(body, subject.field)
  const type = subject.type === 'object' ? typeOfObject(body) : subject.type
  const each: readonly unknown[] =
    Array.isArray(value) && subject.field.endsWith('s') && !isWords(value) ? value : [value]
  return each.flatMap((one) => {
    const name = nameIn(one)
    if (name === null || name === '') return []
    const words = name.split('.')
    if (WITHIN.has(type)) return [relationNamed(walk, words.slice(0, -1))]
    return RELATIONS.has(type) ? [relationNamed(walk, words)] : [{ type: type.replaceAll('_', '-'), name, parts: [] }]
  })
}

/** A list that spells one name, as `CREATE AGGREGATE a.b` has it. */
function isWords(value: readonly unknown[]): boolean {
  return value.every((each) => typeof each === 'object' && each !== null && 'String' in each) && value.length > 0
}

function typeOfObject(body: object): string {
  for (const field of ['removeType', 'objtype', 'objectType', 'renameType', 'kind']) {
    const type: unknown = Reflect.get(body, field)
    if (typeof type === 'string' && type.startsWith('OBJECT_')) return objectKind(type)
  }
  return 'object'
}

function calledProcedure(node: Node): readonly NormalizedResource[] {
  const call = bodyOf('CallStmt', node)?.funccall
  return call === undefined ? [] : [{ type: 'procedure', name: names(call.funcname).join('.'), parts: [] }]
}

function relationNamed(walk: Walk, words: readonly string[]): NormalizedResource {
  const [relname = '', schemaname] = words.toReversed()
  const range = schemaname === undefined ? { relname } : { relname, schemaname }
  return existing(walk, range) ?? created(walk, range, 'table')
}

/** Every relation that it mentions, in the order it does. */
function mentioned(walk: Walk, node: Node): readonly NormalizedResource[] {
  return sweep(walk, node).map((range) => existing(walk, range) ?? created(walk, range, createdType(node)))
}

/** What doesn't exist yet, or goes by another kind of name (an index): as it was written. */
function createdType(node: Node): RelationKind {
  if (bodyOf('ViewStmt', node) !== undefined) return 'view'
  return bodyOf('CreateSeqStmt', node) === undefined ? 'table' : 'sequence'
}

function existing(walk: Walk, range: RangeVar): NormalizedResource | undefined {
  try {
    const { kind, qualified } = relationOf(walk, range)
    return { type: kind, name: qualified, parts: [] }
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

/** Where the server would put it: the first schema of the path that isn't its own. */
export function created(
  walk: Walk,
  { schemaname, relname = '', relpersistence }: RangeVar,
  type: RelationKind,
): NormalizedResource {
  const home =
    relpersistence === 't' ? OWN_SCHEMA : walk.path.find((each) => each !== 'pg_catalog' && each !== OWN_SCHEMA)
  return { type, name: `${schemaname ?? home ?? 'public'}.${relname}`, parts: [] }
}

function uniquely(resources: readonly NormalizedResource[]): readonly NormalizedResource[] {
  return resources.filter(({ name }, index) => resources.findIndex((each) => each.name === name) === index)
}

import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
} from 'graphql'
import type { JsonObject, JsonValue } from '../../../engine/index.ts'
import { refused } from './refusal.ts'

/** What a GraphQL request asks for: fields by their own names, whatever the answer is to call them. */
export interface GraphqlRequest {
  readonly operations: readonly GraphqlOperation[]
  /** What the answer calls a field → the fields it may be. Only where the two differ. */
  readonly aliases: ReadonlyMap<string, ReadonlySet<string>>
}

export interface GraphqlOperation {
  readonly type: 'query' | 'mutation' | 'subscription'
  readonly name: string | null
  /** `customer`, `customer/ssn`, … each once, sorted. */
  readonly fields: readonly string[]
  readonly variables: JsonValue
}

const MOST_TOKENS = 5000
const MOST_FIELDS = 1000
const MOST_STEPS = 10_000
const MOST_DEPTH = 50

/** Requests that a JSON body carries, one or a batch; empty where it is none of GraphQL's. Throws NormalizeError for one that only names a stored query. */
export function graphqlIn(json: JsonValue | undefined): readonly JsonObject[] {
  if (json === undefined || json === null || typeof json !== 'object') return []
  const requests = (isList(json) ? json : [json]).filter(isObject)
  for (const { query, extensions } of requests) {
    const isStored = extensions !== undefined && isObject(extensions) && extensions['persistedQuery'] !== undefined
    if (isStored && typeof query !== 'string') throw storedQuery()
  }
  return requests.filter(({ query }) => typeof query === 'string')
}

export function storedQuery(): Error {
  return refused('ERR_NORMALIZE_OPAQUE', 'the request names a stored query of GraphQL: send the query itself')
}

/** Reads requests by GraphQL's own grammar; one that is none of that language is left to others. Null where none is. */
export function readGraphql(requests: readonly JsonObject[]): GraphqlRequest | null {
  const operations: GraphqlOperation[] = []
  const aliases = new Map<string, Set<string>>()
  for (const { query, operationName, variables } of requests) {
    const document = typeof query === 'string' ? parsed(query) : null
    if (document !== null) operations.push(...operationsOf(document, operationName, variables ?? null, aliases))
  }
  return operations.length === 0 ? null : { operations, aliases }
}

function parsed(text: string): DocumentNode | null {
  try {
    return parse(text, { noLocation: true, maxTokens: MOST_TOKENS })
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error
    if (/tokens/.test(error.message))
      throw refused('ERR_NORMALIZE_TOO_COMPLEX', `a GraphQL document of more than ${MOST_TOKENS} tokens`)
    return null
  }
}

function operationsOf(
  { definitions }: DocumentNode,
  named: JsonValue | undefined,
  variables: JsonValue,
  aliases: Map<string, Set<string>>,
): readonly GraphqlOperation[] {
  const fragments = new Map<string, FragmentDefinitionNode>()
  const all: OperationDefinitionNode[] = []
  for (const definition of definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
    if (definition.kind === Kind.OPERATION_DEFINITION) all.push(definition)
  }
  // Of several, the server runs the one that is named; one that names none is no request.
  const run = typeof named === 'string' && named !== '' ? all.filter(({ name }) => name?.value === named) : all
  if (all.length > 0 && run.length !== 1)
    throw refused('ERR_NORMALIZE_BODY', 'a GraphQL document must have one operation, or name the one to run')
  return run.map(({ operation, name, selectionSet }) => {
    const fields = new Set<string>()
    collect(selectionSet, '', { fragments, fields, aliases, open: [], left: { steps: MOST_STEPS } })
    return { type: operation, name: name?.value ?? null, fields: [...fields].toSorted(), variables }
  })
}

interface Collecting {
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>
  readonly fields: Set<string>
  readonly aliases: Map<string, Set<string>>
  /** Fragments that this selection stands in. */
  readonly open: readonly string[]
  /** Fragments within fragments can make much of a short document. */
  readonly left: { steps: number }
}

function collect(set: SelectionSetNode, prefix: string, into: Collecting): void {
  if (prefix.split('/').length + into.open.length > MOST_DEPTH) throw tooComplex()
  for (const selection of set.selections) {
    into.left.steps -= 1
    if (into.left.steps < 0) throw tooComplex()
    if (selection.kind === Kind.FIELD) {
      const field = `${prefix}${selection.name.value}`
      into.fields.add(field)
      if (into.fields.size > MOST_FIELDS) throw tooComplex()
      if (selection.alias !== undefined) alias(into.aliases, selection.alias.value, selection.name.value)
      if (selection.selectionSet !== undefined) collect(selection.selectionSet, `${field}/`, into)
    } else if (selection.kind === Kind.INLINE_FRAGMENT) collect(selection.selectionSet, prefix, into)
    else spread(selection.name.value, prefix, into)
  }
}

function spread(name: string, prefix: string, into: Collecting): void {
  const fragment = into.fragments.get(name)
  if (fragment === undefined || into.open.includes(name))
    throw refused('ERR_NORMALIZE_BODY', 'a GraphQL document spreads a fragment that is not there, or itself')
  collect(fragment.selectionSet, prefix, { ...into, open: [...into.open, name] })
}

function alias(aliases: Map<string, Set<string>>, shown: string, field: string): void {
  if (shown === field) return
  const known = aliases.get(shown)
  if (known === undefined) aliases.set(shown, new Set([field]))
  else known.add(field)
}

function tooComplex(): Error {
  return refused('ERR_NORMALIZE_TOO_COMPLEX', `a GraphQL document of more than ${MOST_FIELDS} fields, or too deep`)
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value)
}

// Array.isArray doesn't narrow a readonly array by itself.
function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}

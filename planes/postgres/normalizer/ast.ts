import type { Node } from 'libpg-query'
import { unsupported } from './refusal.ts'

type KeysOf<T> = T extends unknown ? keyof T : never
/** The name under which the parse tree wraps a node. */
export type NodeKind = KeysOf<Node>
export type NodeOf<K extends NodeKind> = Extract<Node, Record<K, unknown>>[K]

export function kindOf(node: Node): string {
  const [kind] = Object.keys(node)
  if (kind === undefined) throw unsupported('the parse tree holds something that is no node')
  return kind
}

/** The bodies of nodes that the grammar makes all of one kind. */
export function all<K extends NodeKind>(kind: K, nodes: readonly Node[] | undefined): NodeOf<K>[] {
  return (nodes ?? []).map((node) => {
    const body = bodyOf(kind, node)
    if (body === undefined) throw unsupported(`${kindOf(node)} where only ${kind} is covered`)
    return body
  })
}

export function bodyOf<K extends NodeKind>(kind: K, node: Node | undefined): NodeOf<K> | undefined {
  return node !== undefined && isKind(kind, node) ? node[kind] : undefined
}

function isKind<K extends NodeKind>(kind: K, node: Node): node is Extract<Node, Record<K, unknown>> {
  return kind in node
}

/** A (qualified) name's parts. An absent sval is an empty string. */
export function names(nodes: readonly Node[] | undefined): string[] {
  return all('String', nodes).map(({ sval = '' }) => sval)
}

/** Where a node stands: UTF-8 bytes into the script. */
export function locationOf(node: Node): number | undefined {
  const body: unknown = Object.values(node)[0]
  if (typeof body !== 'object' || body === null || !('location' in body)) return undefined
  return typeof body.location === 'number' ? body.location : undefined
}

/** Lists hold an absent element as `{}`. */
export function isAbsent(node: Node): boolean {
  return Object.keys(node).length === 0
}

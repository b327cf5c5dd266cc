import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import { ConfigError } from '../errors.ts'

/** Keys and indexes from the top: `['identity', 'issuers', 0, 'issuer']`. */
export type ConfigPath = readonly (string | number)[]

/** One YAML text whose every value still knows where it stands. */
export interface ConfigDocument {
  readonly value: unknown
  /** `gateway.yaml:7:3` for the value at a path or, where it isn't there, for the nearest thing around it. */
  locate(path: ConfigPath): string
  /** The same for a key rather than its value. */
  locateKey(path: ConfigPath): string
}

/** A configuration is a page; one that isn't was named by mistake. */
const MAX_CHARACTERS = 1024 * 1024

/** Parses YAML 1.2, strictly: one document, unique keys, known tags. Throws ConfigError with every syntax error found. */
export function parseConfigDocument(text: string, file: string): ConfigDocument {
  if (text.length > MAX_CHARACTERS) {
    throw new ConfigError(
      'ERR_CONFIG_FILE',
      `${file}: expected at most ${MAX_CHARACTERS} characters, found ${text.length}`,
    )
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true })
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}`
  }
  const complaints = [...document.errors, ...document.warnings]
  if (complaints.length > 0) {
    const each = complaints.map((complaint) => `${at(complaint.pos[0])}: ${complaint.message}`)
    throw new ConfigError('ERR_CONFIG_SYNTAX', each.join('\n'))
  }
  return {
    value: toPlain(document, file),
    locate: (path) => at(startOf(document, path, false)),
    locateKey: (path) => at(startOf(document, path, true)),
  }
}

function toPlain(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (cause) {
    throw new ConfigError('ERR_CONFIG_SYNTAX', `${file}: its aliases can't be followed`, { cause })
  }
}

/** A value's own place; for a mapping or a list that of its key, which is where a reader looks for it. */
function startOf(document: Document.Parsed, path: ConfigPath, ofKey: boolean): number {
  let node: unknown = document.contents
  let start = offsetOf(node) ?? 0
  for (const [depth, key] of path.entries()) {
    const child = childOf(isAlias(node) ? node.resolve(document) : node, key)
    if (child === undefined) return start
    const isLast = depth === path.length - 1
    const byKey = isMap(child.value) || isSeq(child.value) || (isLast && ofKey)
    start = (byKey ? offsetOf(child.key) : undefined) ?? offsetOf(child.value) ?? offsetOf(child.key) ?? start
    node = child.value
  }
  return start
}

interface Child {
  readonly key: unknown
  readonly value: unknown
}

function childOf(node: unknown, key: string | number): Child | undefined {
  if (isSeq(node) && typeof key === 'number') return { key: undefined, value: node.items[key] }
  if (!isMap(node)) return undefined
  return node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key)
}

function offsetOf(node: unknown): number | undefined {
  if (isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)) return node.range?.[0]
  return undefined
}

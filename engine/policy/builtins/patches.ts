import { compareRego, isNumber, isRegoObject, isSet, wholeNumber } from '../rego-value.ts'
import type { RegoObject, RegoValue } from '../rego-value.ts'
import { field, regoObject, regoSet } from '../rego-json.ts'
import { arrayOperand, objectOperand, stringOperand, wrongOperand } from './operands.ts'
import type { Answer } from './operands.ts'

/** RFC 6902 over Rego values: a path may be an array of any keys, and leads into sets too. */
export function jsonPatch([target, operations]: readonly RegoValue[], name: string): Answer {
  if (target === undefined) throw wrongOperand(name, 'a value to patch')
  let document: Answer = target
  for (const operation of arrayOperand(operations, name))
    document = applied(document, objectOperand(operation, name), name)
  return document
}

function applied(document: Answer, operation: RegoObject, name: string): Answer {
  const path = pathIn(operation, 'path', name)
  const verb = stringOperand(field(operation, 'op'), name)
  switch (verb) {
    case 'add':
      return inserted(document, path, valueIn(operation, name), name)
    case 'remove':
      return removed(document, path, name)
    case 'replace':
      return inserted(removed(document, path, name), path, valueIn(operation, name), name)
    case 'move': {
      const from = pathIn(operation, 'from', name)
      return inserted(removed(document, from, name), path, found(document, from, name), name)
    }
    case 'copy':
      return inserted(document, path, found(document, pathIn(operation, 'from', name), name), name)
    case 'test': {
      if (compareRego(found(document, path, name), valueIn(operation, name)) === 0) return document
      throw wrongOperand(name, 'the value that a test names')
    }
    default:
      throw wrongOperand(name, 'an op of RFC 6902')
  }
}

function valueIn(operation: RegoObject, name: string): RegoValue {
  const value = field(operation, 'value')
  if (value === undefined) throw wrongOperand(name, 'a value')
  return value
}

function pathIn(operation: RegoObject, key: string, name: string): readonly RegoValue[] {
  const path = field(operation, key)
  if (typeof path !== 'string') return arrayOperand(path, name)
  if (path === '') return []
  return path
    .replace(/^\/+/, '')
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function found(document: Answer, path: readonly RegoValue[], name: string): RegoValue {
  const [key, ...rest] = path
  if (document === undefined) throw wrongOperand(name, 'a path that exists')
  return key === undefined ? document : found(child(document, key, name), rest, name)
}

function child(value: RegoValue, key: RegoValue, name: string): RegoValue {
  const inner = Array.isArray(value) ? value[indexIn(value, key, name)] : memberOf(value, key)
  if (inner === undefined) throw wrongOperand(name, 'a path that exists')
  return inner
}

function memberOf(value: RegoValue, key: RegoValue): Answer {
  if (isRegoObject(value)) return value.entries.find(([other]) => compareRego(other, key) === 0)?.[1]
  return isSet(value) ? value.values.find((item) => compareRego(item, key) === 0) : undefined
}

/** Which item a key names; `-` is the place behind the last. */
function indexIn(items: readonly RegoValue[], key: RegoValue, name: string): number {
  if (key === '-') return items.length
  const index = typeof key === 'string' && /^(?:0|-?[1-9]\d*)$/.test(key) ? Number(key) : numberIn(key)
  if (index === undefined || index < 0 || index > items.length) throw wrongOperand(name, 'an index of the array')
  return index
}

function numberIn(key: RegoValue): number | undefined {
  const whole = isNumber(key) ? wholeNumber(key) : undefined
  return whole === undefined ? undefined : Number(whole)
}

/** The document with something done where a path's last key stands. */
function changed(
  document: Answer,
  path: readonly RegoValue[],
  name: string,
  change: (parent: RegoValue, key: RegoValue) => RegoValue,
): RegoValue {
  const [key, ...rest] = path
  if (document === undefined || key === undefined) throw wrongOperand(name, 'a path that exists')
  if (rest.length === 0) return change(document, key)
  const inner = changed(child(document, key, name), rest, name, change)
  if (Array.isArray(document)) return document.with(indexIn(document, key, name), inner)
  if (isRegoObject(document)) return regoObject([...document.entries, [key, inner]])
  if (isSet(document)) return regoSet([...without(document.values, key), inner])
  throw wrongOperand(name, 'a path that exists')
}

function inserted(document: Answer, path: readonly RegoValue[], value: RegoValue, name: string): RegoValue {
  if (path.length === 0) return value
  return changed(document, path, name, (parent, key) => {
    if (Array.isArray(parent)) return parent.toSpliced(indexIn(parent, key, name), 0, value)
    if (isRegoObject(parent)) return regoObject([...parent.entries, [key, value]])
    if (isSet(parent) && compareRego(key, value) === 0) return regoSet([...parent.values, value])
    throw wrongOperand(name, 'a collection that can take the value')
  })
}

function removed(document: Answer, path: readonly RegoValue[], name: string): Answer {
  found(document, path, name)
  if (path.length === 0) return undefined
  return changed(document, path, name, (parent, key) => {
    if (Array.isArray(parent)) return parent.toSpliced(indexIn(parent, key, name), 1)
    if (isRegoObject(parent)) {
      return { kind: 'object', entries: parent.entries.filter(([other]) => compareRego(other, key) !== 0) }
    }
    return regoSet(isSet(parent) ? without(parent.values, key) : [])
  })
}

function without(values: readonly RegoValue[], key: RegoValue): readonly RegoValue[] {
  return values.filter((item) => compareRego(item, key) !== 0)
}

import { isAlias, isMap, isScalar, isSeq, parseAllDocuments } from 'yaml'
import type { Node, Scalar } from 'yaml'
import { isNumber, isRegoObject, isSet } from '../rego-value.ts'
import type { RegoValue } from '../rego-value.ts'
import { field, jsonFromRego, regoFromJson, regoObject } from '../rego-json.ts'
import { beyondHost, objectOperand, stringOperand, wrongOperand } from './operands.ts'
import type { Answer, Calls } from './operands.ts'
import { jsonPatch } from './patches.ts'

/** JSON and YAML as text, and patches. */
export const DOCUMENT_CALLS: Calls = {
  'json.marshal_with_options': ([value, options], name) => marshal(value, options, name),
  'json.patch': jsonPatch,
  'yaml.is_valid': ([text], name) => typeof text === 'string' && isYaml(text, name),
  'yaml.marshal': ([value], name) => `${blockYaml(plain(value, name), '', name)}\n`,
  'yaml.unmarshal': ([text], name) => parseYaml(stringOperand(text, name), name),
}

function marshal(value: Answer, options: Answer, name: string): string {
  if (value === undefined) throw wrongOperand(name, 'a value')
  const given = objectOperand(options, name)
  const known = given.entries.every(([key]) => key === 'prefix' || key === 'indent' || key === 'pretty')
  const [prefix, indent, pretty] = [field(given, 'prefix'), field(given, 'indent'), field(given, 'pretty')]
  if (!known || (pretty !== undefined && typeof pretty !== 'boolean'))
    throw wrongOperand(name, 'prefix, indent and pretty')
  const layout = {
    prefix: prefix === undefined ? '' : stringOperand(prefix, name),
    indent: indent === undefined ? '\t' : stringOperand(indent, name),
  }
  const multiline = pretty ?? (prefix !== undefined || indent !== undefined)
  return multiline ? layout.prefix + jsonFromRego(value, layout) : jsonFromRego(value)
}

function isYaml(text: string, name: string): boolean {
  try {
    parseYaml(text, name)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_POLICY_BUILTIN') return false
    throw error
  }
}

/** The first document of the stream; all of it has to be YAML. */
function parseYaml(text: string, name: string): RegoValue {
  const stream = parseAllDocuments(text, { version: '1.2', merge: true, uniqueKeys: false })
  const documents = Array.isArray(stream) ? stream : []
  if (documents.some(({ errors }) => errors.length > 0)) throw wrongOperand(name, 'YAML')
  const [first] = documents
  if (first === undefined || first.contents === null) return null
  return valueOf(first.contents, { name, depth: 0 })
}

interface Reading {
  readonly name: string
  readonly depth: number
}

const MOST_DEPTH = 100

/** Aliases are followed by value: a document that grows out of measure by them ends at the depth or the memory. */
function valueOf(node: unknown, reading: Reading): RegoValue {
  const { name, depth } = reading
  if (depth > MOST_DEPTH) throw beyondHost(name, `more than ${MOST_DEPTH} levels`)
  const inner = { ...reading, depth: depth + 1 }
  if (isAlias(node)) throw beyondHost(name, 'an alias')
  if (node === null || node === undefined) return null
  if (isSeq(node)) return node.items.map((item) => valueOf(item, inner))
  if (isScalar(node)) return scalarOf(node, name)
  if (isMap(node)) {
    if (node.tag !== undefined && node.tag !== 'tag:yaml.org,2002:map') throw beyondHost(name, 'a tag')
    return regoObject(
      node.items.map(({ key, value }): [RegoValue, RegoValue] => [keyOf(key, name), valueOf(value, inner)]),
    )
  }
  throw beyondHost(name, 'a node of another kind')
}

/** JSON's keys are strings: Go writes numbers and booleans out. */
function keyOf(node: unknown, name: string): string {
  const value = isScalar(node) ? scalarOf(node, name) : undefined
  if (isScalar(node) && node.source === '<<') throw beyondHost(name, 'a merge key')
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  if (value === null) return 'null'
  if (value !== undefined && isNumber(value) && /^-?\d+$/.test(value.text)) return value.text
  throw beyondHost(name, 'a key that is a collection or a fraction')
}

const INTEGER = /^-?(?:0|[1-9]\d{0,17})$/
const DECIMAL = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
/** What Go's YAML may take for a number, a time or infinity where others may not. */
const UNCLEAR = /^[+-]?(?:\.?\d[\d_.,:eExXoObB+a-fA-F-]*|\.(?:inf|nan))$/i

function scalarOf(node: Node & Scalar, name: string): RegoValue {
  const { source = '', tag, type } = node
  if (tag !== undefined && !['tag:yaml.org,2002:str', '!'].includes(tag)) throw beyondHost(name, 'a tag')
  if (type !== 'PLAIN' || tag !== undefined) return String(node.value)
  if (/^(?:~|null|Null|NULL|)$/.test(source)) return null
  if (/^(?:true|True|TRUE)$/.test(source)) return true
  if (/^(?:false|False|FALSE)$/.test(source)) return false
  if (INTEGER.test(source)) return { kind: 'number', text: BigInt(source).toString() }
  if (DECIMAL.test(source) && /[.eE]/.test(source) && source.length < 17)
    return regoFromJson(JSON.stringify(Number(source)))
  if (/^\d{4}-\d\d?-\d\d?(?:$|[Tt ])/.test(source)) return source
  if (
    UNCLEAR.test(source) &&
    /^[+-]?\.?(?:\d+(?:_|\d|\.|[eE][+-]?\d|$)|0[xXoObB]|inf|nan)/i.test(source) &&
    isNumeral(source)
  ) {
    throw beyondHost(name, 'a number in a form that YAML readers differ about')
  }
  return typeof node.value === 'string' ? node.value : source
}

/** Forms that one reader or another counts as a number: with underscores, octal, hexadecimal, sexagesimal, huge. */
function isNumeral(source: string): boolean {
  return /^[+-]?(?:0[xX][\da-fA-F_]+|0[oO]?[0-7_]+|0[bB][01_]+|[\d_]+(?::[0-5]?\d)*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?|\.[\d_]+(?:[eE][+-]?\d+)?|\.(?:inf|nan))$/i.test(
    source,
  )
}

function plain(value: Answer, name: string): RegoValue {
  if (value === undefined) throw wrongOperand(name, 'a value')
  return regoFromJson(jsonFromRego(value))
}

/** go-yaml's block style with two spaces, for values whose writing leaves no choice; others are refused. */
function blockYaml(value: RegoValue, indent: string, name: string): string {
  if (Array.isArray(value) && value.length > 0) {
    return value.map((item: RegoValue) => `${indent}- ${itemYaml(item, `${indent}  `, name)}`).join('\n')
  }
  if (value !== null && isRegoObjectWithEntries(value)) {
    return value.entries.map(([key, item]) => indent + memberYaml(key, item, indent, name)).join('\n')
  }
  return indent + scalarYaml(value, name)
}

function isRegoObjectWithEntries(value: RegoValue): value is Extract<RegoValue, { kind: 'object' }> {
  return isRegoObject(value) && value.entries.length > 0
}

/** A collection in a sequence begins on the dash's own line. */
function itemYaml(item: RegoValue, indent: string, name: string): string {
  return blockYaml(item, indent, name).slice(indent.length)
}

function memberYaml(key: RegoValue, item: RegoValue, indent: string, name: string): string {
  const head = `${scalarYaml(key, name)}:`
  const nested = (Array.isArray(item) && item.length > 0) || isRegoObjectWithEntries(item)
  return nested ? `${head}\n${blockYaml(item, `${indent}  `, name)}` : `${head} ${scalarYaml(item, name)}`
}

function scalarYaml(value: RegoValue, name: string): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return stringYaml(value, name)
  if (isNumber(value)) {
    if (/^-?(?:0|[1-9]\d{0,17})$/.test(value.text)) return value.text
    if (/^-?(?:0|[1-9]\d{0,5})\.\d{0,9}[1-9]$/.test(value.text)) return value.text
    throw beyondHost(name, 'a number of a form that is not surely written so')
  }
  if (isSet(value)) throw beyondHost(name, 'a set')
  return isRegoObject(value) ? '{}' : '[]'
}

/** Only text that is surely plain, or surely needs quotes because it would read as something else. */
function stringYaml(text: string, name: string): string {
  if (
    text === '' ||
    /^(?:~|null|Null|NULL|true|True|TRUE|false|False|FALSE|y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF)$/.test(
      text,
    )
  ) {
    return `"${text}"`
  }
  if (INTEGER.test(text) || /^-?\d+\.\d+$/.test(text)) return `"${text}"`
  if (/^[A-Za-z][\w/.$-]*(?: [\w/.$-]+)*$/.test(text) && text.length < 70) return text
  throw beyondHost(name, 'text whose quoting is not sure')
}

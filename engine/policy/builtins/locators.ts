import { isIPv6 } from 'node:net'
import { isSet } from '../rego-value.ts'
import type { RegoValue } from '../rego-value.ts'
import { regoObject } from '../rego-json.ts'
import { beyondHost, objectOperand, stringOperand, wrongOperand } from './operands.ts'
import type { Calls } from './operands.ts'
import { utf8 } from './texts.ts'

/** URLs and their queries, as Go's net/url reads and writes them. */
export const LOCATOR_CALLS: Calls = {
  'uri.is_valid': ([text], name) => typeof text === 'string' && text !== '' && isUri(text, name),
  'uri.parse': ([text], name) => parseUri(stringOperand(text, name), name),
  'urlquery.decode': ([text], name) => queryDecode(stringOperand(text, name), name),
  'urlquery.decode_object': ([text], name) => decodeObject(stringOperand(text, name), name),
  'urlquery.encode': ([text], name) => queryEncode(stringOperand(text, name)),
  'urlquery.encode_object': ([object], name) => encodeObject(object, name),
}

/** Go's url.QueryEscape: space is `+`, and only letters, digits and `-_.~` stay. */
function queryEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(/[!'()*]/g, percentEscape)
    .replaceAll('%20', '+')
}

function percentEscape(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
}

function queryDecode(text: string, name: string): string {
  return percentDecode(text.replaceAll('+', ' '), name)
}

function percentDecode(text: string, name: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) throw wrongOperand(name, 'two hex digits after each %')
  const plain = Buffer.from(text).toString('latin1')
  const bytes = plain.replaceAll(/%(..)/g, (_match, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return utf8(Buffer.from(bytes, 'latin1'), name)
}

function decodeObject(query: string, name: string): RegoValue {
  const values = new Map<string, string[]>()
  for (const pair of query.split('&').filter((each) => each !== '')) {
    if (pair.includes(';')) throw wrongOperand(name, 'no semicolon between parameters')
    const at = pair.indexOf('=')
    const [key, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
    const decoded = queryDecode(key, name)
    values.set(decoded, [...(values.get(decoded) ?? []), queryDecode(value, name)])
  }
  return regoObject([...values])
}

function encodeObject(operand: RegoValue | undefined, name: string): string {
  const pairs = objectOperand(operand, name).entries.flatMap(([key, value]) => {
    const text = stringOperand(key, name)
    return valuesOf(value, name).map((each) => `${queryEncode(text)}=${queryEncode(each)}`)
  })
  return pairs.join('&')
}

function valuesOf(value: RegoValue, name: string): readonly string[] {
  if (typeof value === 'string') return [value]
  const items: readonly RegoValue[] = isSet(value) ? value.values : Array.isArray(value) ? value : []
  if (!isSet(value) && !Array.isArray(value)) throw wrongOperand(name, 'strings, or arrays or sets of strings')
  return items.map((item) => stringOperand(item, name))
}

const CONTROL = /\p{Cc}/u
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/
// What Go lets stand in a host beside letters and digits.
const HOST = /^[A-Za-z0-9\-._~!$&'()*+,;=:[\]<>"]*$/
const USER = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/

function isUri(text: string, name: string): boolean {
  try {
    parseUri(text, name)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_POLICY_BUILTIN') return false
    throw error
  }
}

function parseUri(text: string, name: string): RegoValue {
  if (CONTROL.test(text.replaceAll(/[\u0080-\u009f]/g, ''))) throw wrongOperand(name, 'no control characters')
  const [whole, fragment] = cut(text, '#')
  if (whole === '' && fragment === undefined) return regoObject([])
  const { scheme, rest: afterScheme } = schemeOf(whole, name)
  const [rest, query] = cut(afterScheme, '?')
  const parts: [string, string][] = [
    ['scheme', scheme],
    ['raw_query', query ?? ''],
    ['fragment', percentDecode(fragment ?? '', name)],
    ...hierarchy(scheme, rest, name),
  ]
  return regoObject(parts.filter(([, value]) => value !== ''))
}

function cut(text: string, at: string): readonly [string, string | undefined] {
  const index = text.indexOf(at)
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)]
}

function schemeOf(text: string, name: string): { readonly scheme: string; readonly rest: string } {
  const colon = text.search(/[^A-Za-z0-9+.-]/)
  if (colon < 0 || text[colon] !== ':') return { scheme: '', rest: text }
  const scheme = text.slice(0, colon)
  if (scheme === '') throw wrongOperand(name, 'a scheme before the colon')
  if (!SCHEME.test(scheme)) return { scheme: '', rest: text }
  return { scheme: scheme.toLowerCase(), rest: text.slice(colon + 1) }
}

function hierarchy(scheme: string, rest: string, name: string): [string, string][] {
  if (!rest.startsWith('/')) {
    if (scheme !== '') return [] // opaque
    if (/^[^/]*:/.test(rest)) throw wrongOperand(name, 'no colon in the first segment of a relative path')
  }
  if (!rest.startsWith('//') || (scheme === '' && rest.startsWith('///'))) return pathParts(rest, name)
  const slash = rest.indexOf('/', 2)
  const [authority, path] = slash < 0 ? [rest.slice(2), ''] : [rest.slice(2, slash), rest.slice(slash)]
  return [...authorityParts(authority, name), ...pathParts(path, name)]
}

function authorityParts(authority: string, name: string): [string, string][] {
  const at = authority.lastIndexOf('@')
  if (at >= 0) {
    const user = authority.slice(0, at)
    if (!USER.test(user)) throw wrongOperand(name, 'user information without such characters')
    percentDecode(user, name)
  }
  const host = authority.slice(at + 1)
  if (host.includes('%')) throw beyondHost(name, 'a host with percent-encoding')
  const [, bracketed, plain, port = ''] = /^(?:\[(.*)\]|(?!\[)([^:]*))(?::(\d*))?$/.exec(host) ?? []
  if (bracketed !== undefined && !isIPv6(bracketed)) throw wrongOperand(name, 'an IPv6 address in brackets')
  if (bracketed === undefined && (plain === undefined || !isHost(plain))) throw wrongOperand(name, 'a host and port')
  return [
    ['hostname', bracketed ?? plain ?? ''],
    ['port', port],
  ]
}

function isHost(text: string): boolean {
  return Array.from(text).every((char) => char > '\u007f' || HOST.test(char))
}

/** `raw_path` is the decoded path where its usual encoding is what was written. */
function pathParts(raw: string, name: string): [string, string][] {
  const path = percentDecode(raw, name)
  const usual = encodeURI(path).replaceAll(/[?#!'()*]/g, percentEscape)
  return [
    ['path', path],
    ['raw_path', usual === raw ? path : raw],
  ]
}

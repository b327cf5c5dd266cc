import type { JsonValue } from '../../../engine/index.ts'
import { refused } from './refusal.ts'

/** Deeper than this nobody reads a body; policy doesn't either. */
const MAX_DEPTH = 64

/**
 * JSON as policy sees it: whole numbers up to 2^53 as numbers, all others as the strings they are written as. Throws
 * NormalizeError for what is no JSON, and where a key comes twice, so that readers differ in what it says.
 */
export function readJson(text: string): JsonValue {
  const exact = plain(text) ? text : text.replaceAll(SCALAR, exactly)
  try {
    const value: JsonValue = JSON.parse(exact)
    checkKeys(value, countKeys(text))
    return value
  } catch (error) {
    if (error instanceof SyntaxError)
      throw refused('ERR_NORMALIZE_BODY', 'the body is not the JSON that its content type says')
    throw error
  }
}

const SCALAR = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g
/** No digit that stands outside of small whole numbers: then nothing has to be rewritten. */
const LARGE = /\d{16}|\d[.eE]/

function plain(text: string): boolean {
  return !LARGE.test(text)
}

function exactly(token: string): string {
  if (token.startsWith('"')) return token
  return /^-?(?:0|[1-9]\d*)$/.test(token) && Number.isSafeInteger(Number(token)) ? token : asText(token)
}

// What JSON has no such number for must not become a valid text.
function asText(token: string): string {
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(token) ? `"${token}"` : token
}

const KEY = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g

function countKeys(text: string): number {
  let keys = 0
  for (const [, colon] of text.matchAll(KEY)) if (colon !== undefined) keys += 1
  return keys
}

function checkKeys(value: JsonValue, written: number): void {
  const kept = keysOf(value, 1)
  if (kept !== written) throw refused('ERR_NORMALIZE_BODY', 'the body is JSON in which a key comes twice')
}

function keysOf(value: JsonValue, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth > MAX_DEPTH) throw refused('ERR_NORMALIZE_TOO_COMPLEX', `the body is JSON deeper than ${MAX_DEPTH} levels`)
  let keys = Array.isArray(value) ? 0 : Object.keys(value).length
  for (const inner of Object.values(value)) keys += keysOf(inner, depth + 1)
  return keys
}

import { fromHex, joined, sha256, toHex, utf8 } from './bytes.ts'
import { canonicalText, objectOf, textOf, type JsonObject, type JsonValue } from './json.ts'

/** A line of records/ or recordings/ as it was read: what it holds, and its text to check that against. */
export interface Entry {
  readonly kind: 'record' | 'frame'
  /** The line without its newline. */
  readonly text: string
  /** The hash that the line claims. */
  readonly leaf: string
  readonly fields: JsonObject
  /** What stands beside the entry: undefined where it names no payload, null where that was erased. */
  readonly payload: JsonValue | null | undefined
}

/** Reads a line; undefined for text that is none. Checks nothing: `faultOf` does. */
export function readEntry(text: string): Entry | undefined {
  const line = objectOf(parsed(text))
  const kind = line['record'] === undefined ? 'frame' : 'record'
  const { leaf, salted } = line
  const fields = line[kind]
  if (typeof leaf !== 'string' || fields === undefined || Object.keys(objectOf(fields)).length === 0) return undefined
  const payload = salted === undefined ? undefined : salted === null ? null : (objectOf(salted)['body'] ?? null)
  return { kind, text, leaf, fields: objectOf(fields), payload }
}

/** What is wrong with a line of its own; null when every byte of it is what the log wrote. */
export async function faultOf({ kind, text, leaf, fields }: Entry): Promise<string | null> {
  const canonical = canonicalText(fields)
  const hash = toHex(await sha256(joined(LEAF, utf8(canonical))))
  if (hash !== leaf) return `its bytes hash to ${hash}, the line says ${leaf}`
  const salted = objectOf(parsed(text))['salted']
  const end = salted === undefined ? '' : `,"salted":${canonicalText(salted)}`
  const whole =
    kind === 'record'
      ? `{"leaf":"${leaf}","record":${canonical}${end}}`
      : `{"frame":${canonical},"leaf":"${leaf}"${end}}`
  // An erased payload leaves spaces, so that nothing behind it in the file moves.
  if (whole !== (salted === null ? text.replace(/ +\}$/, '}') : text)) return 'it is another spelling of its entry'
  return payloadFault(fields['payload'], salted)
}

const LEAF = Uint8Array.of(0)

async function payloadFault(named: JsonValue | undefined, salted: JsonValue | undefined): Promise<string | null> {
  if (named === undefined) return salted === undefined ? null : 'a payload stands beside it that it does not name'
  if (salted === undefined) return 'the payload that it names is not beside it'
  if (salted === null) return null
  const { body, salt } = objectOf(salted)
  const bytes = typeof salt === 'string' ? fromHex(salt) : undefined
  if (body === undefined || bytes?.length !== 16) return 'its payload has no body or no salt of 16 bytes'
  const text = utf8(canonicalText(body))
  const hash = toHex(await sha256(joined(bytes, text)))
  const { sha256: digest, bytes: length } = objectOf(named)
  return hash === digest && text.length === length
    ? null
    : `its payload hashes to ${hash}, the entry says ${textOf(digest) ?? 'none'}`
}

function parsed(text: string): JsonValue {
  try {
    const value: JsonValue = JSON.parse(text)
    return value
  } catch {
    return null
  }
}

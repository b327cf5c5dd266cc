import { canonicalJson } from '../canonical-json.ts'
import { decodeLine, type DecodedLine } from '../line.ts'

/** A record's line as a bundle has it: its own bytes behind its index, which makes canonical JSON of both. */
export function indexedLine(index: number, line: string): string {
  return `{"index":${index},${line.slice(1)}\n`
}

/** The same without what stands beside the record: a record that only goes along shows no more than the log signed. */
export function contextLine(index: number, leaf: string, record: object): string {
  return `{"index":${index},"leaf":"${leaf}","record":${canonicalJson(record)}}\n`
}

const HEAD = /^\{"index":(0|[1-9]\d{0,15}),/

export type IndexedLine =
  | { readonly kind: 'line'; readonly index: number; readonly decoded: DecodedLine }
  | { readonly kind: 'broken' }

/** Takes a bundle's line (without its newline) apart. */
export function parseIndexedLine(bytes: Buffer): IndexedLine {
  const [head, digits] = HEAD.exec(bytes.toString('latin1', 0, 28)) ?? []
  if (head === undefined || !Number.isSafeInteger(Number(digits))) return { kind: 'broken' }
  const line = Buffer.concat([OPEN, bytes.subarray(head.length)])
  return { kind: 'line', index: Number(digits), decoded: decodeLine('record', line) }
}

const OPEN = Buffer.from('{')

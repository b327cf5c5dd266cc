import type { CopyStmt } from 'libpg-query'
import { all, bodyOf } from './ast.ts'
import type { CopyForm } from './normalized.ts'
import { constantText } from './settings.ts'

const YES: ReadonlySet<string> = new Set(['', 'true', 'on', '1'])
const NO: ReadonlySet<string> = new Set(['false', 'off', '0'])
const FORMATS: ReadonlySet<string> = new Set(['text', 'csv', 'binary'])
/** What changes nothing that is read from the rows: a quote more is seen in the value itself. */
const WITHOUT_MEANING: ReadonlySet<string> = new Set(['force_quote'])

/** Null where an option isn't known, or not understood: then no row of it can be read, and none be masked. */
export function copyForm({ options }: Pick<CopyStmt, 'options'>): CopyForm | null {
  const given = new Map<string, string>()
  for (const { defname = '', arg } of all('DefElem', options)) {
    if (WITHOUT_MEANING.has(defname)) continue
    if (given.has(defname)) return null
    const flag = bodyOf('Boolean', arg)
    const plain = arg === undefined || bodyOf('String', arg) !== undefined || bodyOf('Integer', arg) !== undefined
    if (flag === undefined && !plain) return null
    given.set(defname, flag === undefined ? constantText(arg) : String(flag.boolval ?? false))
  }
  const format = given.get('format') ?? 'text'
  const header = flagOf(given.get('header') ?? 'false')
  const encoding = given.get('encoding') ?? 'UTF8'
  const [delimiter, quote, escape] = [
    byteOf(given.get('delimiter') ?? (format === 'csv' ? ',' : '\t')),
    byteOf(given.get('quote') ?? '"'),
    byteOf(given.get('escape') ?? given.get('quote') ?? '"'),
  ]
  const nullText = given.get('null') ?? (format === 'csv' ? '' : String.raw`\N`)
  for (const known of ['format', 'header', 'encoding', 'delimiter', 'quote', 'escape', 'null']) given.delete(known)
  if (given.size > 0 || !FORMATS.has(format) || !/^utf-?8$/i.test(encoding)) return null
  if (header === null || delimiter === null || quote === null || escape === null) return null
  if (format === 'binary') return { kind: 'binary' }
  if (format === 'text') return { kind: 'text', delimiter, nullText, header }
  return { kind: 'csv', delimiter, nullText, header, quote, escape }
}

function flagOf(text: string): boolean | null {
  const lower = text.toLowerCase()
  if (YES.has(lower)) return true
  return NO.has(lower) ? false : null
}

function byteOf(text: string): number | null {
  const code = text.charCodeAt(0)
  return text.length === 1 && code < 128 ? code : null
}

import { isUtf8 } from 'node:buffer'
import { type Edit, edited } from './edits.ts'
import type { MaskPlan } from './mask-plan.ts'

const [QUOTE, CR, LF] = [0x22, 0x0d, 0x0a]

interface Cell {
  readonly start: number
  readonly end: number
  readonly text: string
}

/**
 * Masks columns of delimited text by the names in its first line (RFC 4180). Null for what can't be read in one way: a
 * quote in the middle of a cell, rows of different lengths, a name that comes twice.
 */
export function maskDelimited(bytes: Buffer, delimiter: ',' | '\t', plan: MaskPlan): Buffer | null {
  if (!isUtf8(bytes)) return null
  const rows = readRows(bytes, delimiter.charCodeAt(0))
  const [names, ...others] = rows ?? []
  if (names === undefined) return null
  const columns = names.map(({ text }) => text.replace(/^\ufeff/, ''))
  if (new Set(columns.map((name) => name.trim().toLowerCase())).size !== columns.length) return null
  if (others.some((row) => row.length !== columns.length)) return null
  const edits: Edit[] = []
  for (const row of others) {
    for (const [index, { start, end, text }] of row.entries()) {
      if (text === '') continue
      const method = plan.hasPaths ? plan.field((columns[index] ?? '').trim()) : null
      const masked = method === null ? plan.patterned(text) : (plan.text(method, text) ?? '')
      if (masked !== null) edits.push({ start, end, text: quoted(masked) })
    }
  }
  return edited(bytes, edits)
}

function quoted(text: string): string {
  return /[",\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Rows of cells, each with its quotes; null where a quote opens or closes in the middle of a cell. */
function readRows(bytes: Buffer, delimiter: number): readonly (readonly Cell[])[] | null {
  const rows: Cell[][] = []
  let row: Cell[] = []
  let at = 0
  while (at < bytes.length) {
    const cell = readCell(bytes, at, delimiter)
    if (cell === null) return null
    row.push(cell)
    at = cell.end
    if (bytes[at] === delimiter) {
      at += 1
      if (at < bytes.length) continue
      row.push({ start: at, end: at, text: '' })
    }
    if (bytes[at] === CR) at += 1
    if (bytes[at] === LF) at += 1
    rows.push(row)
    row = []
  }
  return rows
}

function readCell(bytes: Buffer, start: number, delimiter: number): Cell | null {
  const isEnd = (at: number): boolean =>
    at >= bytes.length || bytes[at] === delimiter || bytes[at] === LF || (bytes[at] === CR && bytes[at + 1] === LF)
  let at = start
  if (bytes[start] !== QUOTE) {
    while (!isEnd(at)) {
      if (bytes[at] === QUOTE || bytes[at] === CR) return null
      at += 1
    }
    return { start, end: at, text: bytes.toString('utf8', start, at) }
  }
  for (at += 1; ; at += 1) {
    if (at >= bytes.length) return null
    if (bytes[at] !== QUOTE) continue
    if (bytes[at + 1] !== QUOTE) break
    at += 1
  }
  const end = at + 1
  return isEnd(end) ? { start, end, text: bytes.toString('utf8', start + 1, at).replaceAll('""', '"') } : null
}

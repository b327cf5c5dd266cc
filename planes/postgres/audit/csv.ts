/** One row of RFC 4180's CSV → its fields; undefined where its quotes don't fit. An empty field is '', quoted or not. */
export function parseCsvRow(text: string): readonly string[] | undefined {
  const fields: string[] = []
  let at = 0
  for (;;) {
    const quoted = text[at] === '"'
    const end = quoted ? closingQuote(text, at + 1) + 1 : fieldEnd(text, at)
    if (end <= 0) return undefined
    const raw = quoted ? text.slice(at + 1, end - 1).replaceAll('""', '"') : text.slice(at, end)
    if (!quoted && raw.includes('"')) return undefined
    fields.push(raw)
    if (end >= text.length) return fields
    if (text[end] !== ',') return undefined
    at = end + 1
  }
}

/** -1 where there is none. */
function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from)
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2)
  return at < 0 ? -1 : at
}

function fieldEnd(text: string, from: number): number {
  const comma = text.indexOf(',', from)
  return comma < 0 ? Math.max(text.length, 1) : comma
}

/** One row, as COPY … CSV reads it back: null is an empty field without quotes, and an empty text has them. */
export function csvRow(fields: readonly (string | number | null)[]): string {
  return fields.map((field) => (field === null ? '' : csvField(String(field)))).join(',')
}

function csvField(text: string): string {
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

import { reportDocument, type Block, type Column } from './report-document.ts'
import { REPORT_STYLE } from './report-style.ts'
import type { ControlReport, Proved } from './report.ts'

/**
 * A report as one page of HTML that needs nothing else: no script, no request, nothing from anywhere. What records say is
 * escaped wherever it stands; a policy that forbids all but the style above keeps even a mistake in that from acting.
 */
export function reportHtml(report: ControlReport): string {
  const { title, foot, blocks } = reportDocument(report)
  const policy = "default-src 'none'; style-src 'unsafe-inline'"
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<main>
${blocks.map(blockHtml).join('\n')}
</main>
<footer>${escaped(foot)}</footer>
</body>
</html>
`
}

function blockHtml(block: Block): string {
  switch (block.kind) {
    case 'heading': {
      const id = block.anchor === null ? '' : ` id="${anchorOf(block.anchor)}"`
      return `<h${block.level}${id}>${escaped(block.text)}</h${block.level}>`
    }
    case 'text':
      return `<p${block.tone === 'plain' ? '' : ` class="${block.tone}"`}>${escaped(block.text)}</p>`
    case 'facts':
      return `<dl>\n${block.rows.map(([name, text]) => `<dt>${escaped(name)}</dt><dd>${escaped(text)}</dd>`).join('\n')}\n</dl>`
    case 'table':
      return tableHtml(block)
    case 'commands':
      return `<pre><code>${block.lines.map(escaped).join('\n')}</code></pre>`
    case 'proofs':
      return block.items.map(proofHtml).join('\n')
    case 'page':
      return '<div class="page"></div>'
  }
}

function tableHtml({ caption, columns, rows, narrow }: Extract<Block, { kind: 'table' }>): string {
  const head = columns.map((column) => `<th scope="col"${classOf(column)}>${escaped(column.title)}</th>`).join('')
  const body = rows.map((row) => `<tr>${row.map((cell, at) => cellHtml(cell, columns[at], at)).join('')}</tr>`)
  const none = `<tr><td colspan="${columns.length}">none</td></tr>`
  return `<div class="wide" tabindex="0" role="region" aria-label="${escaped(caption)}"><table${narrow ? ' class="narrow"' : ''}>
<caption>${escaped(caption)}</caption>
<thead><tr>${head}</tr></thead>
<tbody>
${body.length === 0 ? none : body.join('\n')}
</tbody>
</table></div>`
}

/** The first cell names its row. A control's id leads to its section, where there is one. */
function cellHtml(cell: string, column: Column | undefined, at: number): string {
  if (at > 0) return `<td${classOf(column)}>${escaped(cell)}</td>`
  const text = column?.title === 'Control' ? `<a href="#${anchorOf(cell)}">${escaped(cell)}</a>` : escaped(cell)
  return `<th scope="row"${classOf(column)}>${text}</th>`
}

function classOf(column: Column | undefined): string {
  return column === undefined || column.as === 'text' ? '' : ` class="${column.as}"`
}

function proofHtml({ index, id, leaf, proof }: Proved): string {
  const steps = proof.map((hash) => `<li class="code">${hash}</li>`).join('')
  return `<details><summary>Leaf ${index}, record <code>${escaped(id)}</code></summary>
<p class="code">leaf hash ${leaf}</p><ol class="proof">${steps}</ol></details>`
}

function anchorOf(text: string): string {
  return escaped(text.replaceAll(/[^A-Za-z0-9.-]/g, '_'))
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

// Control characters can't be printed, and some may not stand in HTML at all: they are spelled.
function escaped(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
    .replaceAll(/[&<>"']/g, (char) => ESCAPES[char] ?? char)
}

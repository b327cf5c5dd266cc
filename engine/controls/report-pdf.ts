import { PdfTable, type TableTools } from './pdf-table.ts'
import { printable } from './pdf-text.ts'
import { reportDocument, type Block, type ReportDocument } from './report-document.ts'
import type { ControlReport, Proved } from './report.ts'

const MARGIN = { top: 48, bottom: 56, left: 42, right: 42 }
const INK = '#111111'
const QUIET = '#444444'
const LINE = '#999999'
/** Of the page's width. */
const NARROW = 0.62

/** Where nothing was recorded, a document still has to have been made at some time. */
const NO_TIME = '1970-01-01T00:00:00.000Z'

/**
 * A report as a PDF, tagged for screen readers, with an outline. The same report gives the same bytes: it carries the time
 * of the last record that it tells of, and no time of its own.
 */
export async function reportPdf(report: ControlReport): Promise<Uint8Array> {
  const { default: Pdf } = await import('pdfkit') // large, and only this wants it
  const document = reportDocument(report)
  const doc = new Pdf({
    size: 'A4',
    margins: MARGIN,
    bufferPages: true,
    tagged: true,
    displayTitle: true,
    lang: 'en',
    pdfVersion: '1.7',
    info: {
      Title: printable(document.title),
      Author: 'Countersign',
      Creator: 'Countersign',
      Producer: 'Countersign',
      CreationDate: new Date(report.span.last ?? NO_TIME),
    },
  })
  const bytes = collected(doc)
  new PdfReport(doc).print(document)
  doc.end()
  return bytes
}

async function collected(doc: PDFKit.PDFDocument): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  const whole: AsyncIterable<Buffer> = doc
  for await (const chunk of whole) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const HEADINGS = {
  1: { tag: 'H1', size: 20, before: 0, room: 120 },
  2: { tag: 'H2', size: 14, before: 20, room: 120 },
  3: { tag: 'H3', size: 10.5, before: 12, room: 70 },
} as const

class PdfReport {
  readonly #doc: PDFKit.PDFDocument
  readonly #width: number
  readonly #root: PDFKit.PDFStructureElement
  #outline: PDFKit.PDFOutline | null = null

  constructor(doc: PDFKit.PDFDocument) {
    this.#doc = doc
    this.#width = doc.page.width - MARGIN.left - MARGIN.right
    this.#root = doc.struct('Document')
    doc.addStructure(this.#root)
  }

  print({ blocks, foot }: ReportDocument): void {
    for (const block of blocks) this.#block(block)
    this.#root.end()
    this.#feet(foot)
  }

  #block(block: Block): void {
    switch (block.kind) {
      case 'heading':
        return this.#heading(block)
      case 'text':
        return this.#text(block.text, block.tone === 'plain' ? INK : QUIET)
      case 'facts':
        return this.#facts(block.rows)
      case 'table':
        return this.#table(block)
      case 'commands':
        return this.#commands(block.lines)
      case 'proofs':
        for (const item of block.items) this.#proof(item)
        return
      case 'page':
        this.#doc.addPage()
    }
  }

  #tagged(tag: string, draw: () => void): void {
    this.#root.add(this.#doc.struct(tag, {}, draw))
  }

  #heading({ level, text, anchor }: Extract<Block, { kind: 'heading' }>): void {
    const { tag, size, before, room } = HEADINGS[level]
    const doc = this.#doc
    const top = doc.y <= MARGIN.top
    this.#room(room)
    if (!top && doc.y > MARGIN.top) doc.y += before
    if (anchor !== null) doc.addNamedDestination(anchor, 'XYZ', 0, doc.y - 4, null)
    if (level === 2) this.#outline = doc.outline.addItem(printable(text))
    else if (level === 3) this.#outline?.addItem(printable(text))
    this.#tagged(tag, () => {
      doc.font('Helvetica-Bold').fontSize(size).fillColor(INK)
      doc.text(printable(text), MARGIN.left, doc.y, { width: this.#width })
    })
    doc.y += level === 1 ? 8 : 4
  }

  #text(text: string, color: string): void {
    const doc = this.#doc
    this.#room(24)
    this.#tagged('P', () => {
      doc.font('Helvetica').fontSize(9).fillColor(color)
      doc.text(printable(text), MARGIN.left, doc.y, { width: this.#width, lineGap: 1.5 })
    })
    doc.y += 5
  }

  // The name in a column of its own, so that the eye finds "What is not shown" without reading the rest.
  #facts(rows: Extract<Block, { kind: 'facts' }>['rows']): void {
    const columns = [
      { title: '', share: 1.15, as: 'text' },
      { title: '', share: 5, as: 'text' },
    ] as const
    new PdfTable(this.#tools(), columns).print(null, rows)
  }

  #table({ caption, columns, rows, narrow }: Extract<Block, { kind: 'table' }>): void {
    const none = rows.length === 0 ? [['none', ...columns.slice(1).map(() => '')]] : rows
    const width = narrow ? this.#width * NARROW : this.#width
    new PdfTable({ ...this.#tools(), width }, columns).print(caption, none)
  }

  #tools(): TableTools {
    const { left, top, bottom } = MARGIN
    return { doc: this.#doc, parent: this.#root, left, top, bottom, width: this.#width, ink: INK, line: LINE }
  }

  #commands(lines: readonly string[]): void {
    const doc = this.#doc
    const text = lines.map((line) => printable(line)).join('\n')
    doc.font('Courier').fontSize(7.5)
    const box = { width: this.#width - 12, lineGap: 1.5 }
    const height = doc.heightOfString(text, box) + 10
    this.#room(height)
    const y = doc.y
    doc.markContent('Artifact', { type: 'Layout' })
    doc.rect(MARGIN.left, y, this.#width, height).fill('#f0f2f4')
    doc.endMarkedContent()
    this.#tagged('Code', () => {
      doc.font('Courier').fontSize(7.5).fillColor(INK)
      doc.text(text, MARGIN.left + 6, y + 6, box)
    })
    doc.y = y + height + 6
  }

  /** Two hashes a line: a log of a million records has twenty for each. */
  #proof({ index, id, leaf, proof }: Proved): void {
    const doc = this.#doc
    const half = Math.ceil(proof.length / 2)
    const numbered = proof.map((hash, at) => `${String(at + 1).padStart(2)} ${hash}`)
    const lines = numbered.slice(0, half).map((line, at) => `${line}  ${numbered[half + at] ?? ''}`.trimEnd())
    const height = 20 + half * 7.6
    this.#room(height)
    this.#tagged('P', () => {
      doc.font('Helvetica-Bold').fontSize(7.5).fillColor(INK)
      doc.text(printable(`Leaf ${index}, record ${id}`), MARGIN.left, doc.y, { width: this.#width })
      doc.font('Courier').fontSize(6.2)
      doc.text(`leaf hash ${leaf}`, { width: this.#width })
      if (lines.length > 0) doc.text(lines.join('\n'), { width: this.#width, lineGap: 0.6 })
    })
    doc.y += 5
  }

  /** A new page where less than this is left of one. */
  #room(height: number): void {
    const doc = this.#doc
    const end = doc.page.height - MARGIN.bottom
    if (doc.y + height > end && doc.y > MARGIN.top) doc.addPage()
  }

  #feet(foot: string): void {
    const doc = this.#doc
    const { start, count } = doc.bufferedPageRange()
    for (let page = 0; page < count; page += 1) {
      doc.switchToPage(start + page)
      doc.page.margins.bottom = 0 // pdfkit would begin a page for what stands below the margin
      const y = doc.page.height - MARGIN.bottom + 22
      doc.markContent('Artifact', { type: 'Pagination' })
      doc.font('Helvetica').fontSize(7.5).fillColor(QUIET)
      doc.text(printable(foot), MARGIN.left, y, { width: this.#width - 80, lineBreak: false })
      doc.text(`page ${page + 1} of ${count}`, MARGIN.left, y, { width: this.#width, align: 'right', lineBreak: false })
      doc.endMarkedContent()
      doc.page.margins.bottom = MARGIN.bottom
    }
  }
}

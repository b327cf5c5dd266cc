import { printable } from './pdf-text.ts'
import type { Column } from './report-document.ts'

/** Where a table is drawn, and with what. */
export interface TableTools {
  readonly doc: PDFKit.PDFDocument
  readonly parent: PDFKit.PDFStructureElement
  readonly left: number
  readonly top: number
  readonly bottom: number
  readonly width: number
  readonly ink: string
  readonly line: string
}

const PADDING = 3
/** Characters of a cell that go into one row: a longer one is continued in the next, so that no row outgrows a page. */
const MAX_CELL = 1500

interface Box {
  readonly x: number
  readonly width: number
  readonly column: Column
}

/** pdfkit knows the scope of a header cell, its types don't. */
interface CellOptions {
  readonly title?: string
  readonly scope?: 'Row' | 'Column'
}

/** A table that breaks between rows, never within one, and repeats its head on every page. */
export class PdfTable {
  readonly #tools: TableTools
  readonly #boxes: readonly Box[]
  readonly #hasHead: boolean
  /** The page's last row, which the caption and the head must not be parted from. */
  #rowsOnPage = 0

  constructor(tools: TableTools, columns: readonly Column[]) {
    this.#tools = tools
    const whole = columns.reduce((sum, { share }) => sum + share, 0)
    let x = tools.left
    this.#boxes = columns.map((column) => {
      const box = { x, width: (tools.width * column.share) / whole, column }
      x += box.width
      return box
    })
    this.#hasHead = columns.some(({ title }) => title !== '')
  }

  print(caption: string | null, rows: readonly (readonly string[])[]): void {
    const { doc, parent } = this.#tools
    const table = doc.struct('Table')
    parent.add(table)
    const [first = []] = rows
    this.#room((caption === null ? 0 : 16) + this.#headHeight() + this.#height(first))
    if (caption !== null) this.#caption(caption, table)
    this.#head(table)
    for (const row of rows) for (const part of parts(row)) this.#row(part, table)
    table.end()
    doc.x = this.#tools.left
    doc.y += 8
  }

  #caption(caption: string, table: PDFKit.PDFStructureElement): void {
    const { doc, left, width, ink } = this.#tools
    const draw = (): void => {
      doc.font('Helvetica-Bold').fontSize(8.5).fillColor(ink)
      doc.text(printable(caption), left, doc.y + 2, { width })
    }
    table.add(doc.struct('Caption', {}, draw))
    doc.y += 2
  }

  #head(table: PDFKit.PDFStructureElement): void {
    if (!this.#hasHead) return
    const { doc, left, width } = this.#tools
    const height = this.#headHeight()
    doc.markContent('Artifact', { type: 'Layout' })
    doc.rect(left, doc.y, width, height).fill('#e9edf1')
    doc.endMarkedContent()
    const titles = this.#boxes.map(({ column }) => column.title)
    this.#cells(titles, height, table, 'TH')
    this.#rowsOnPage = 0
  }

  #row(row: readonly string[], table: PDFKit.PDFStructureElement): void {
    const { doc, bottom } = this.#tools
    const height = this.#height(row)
    if (doc.y + height > doc.page.height - bottom && this.#rowsOnPage > 0) {
      doc.addPage()
      this.#head(table)
    }
    this.#cells(row, height, table, 'TD')
    this.#rowsOnPage += 1
  }

  #cells(row: readonly string[], height: number, table: PDFKit.PDFStructureElement, tag: 'TH' | 'TD'): void {
    const { doc, left, width, line } = this.#tools
    const y = doc.y
    const group = doc.struct('TR')
    table.add(group)
    for (const [at, box] of this.#boxes.entries()) {
      const first = tag === 'TD' && at === 0
      const scope: CellOptions = first ? { scope: 'Row' } : tag === 'TH' ? { scope: 'Column' } : {}
      group.add(doc.struct(first ? 'TH' : tag, scope, () => this.#cell(row[at] ?? '', box, y, tag)))
    }
    group.end()
    doc.markContent('Artifact', { type: 'Layout' })
    doc
      .moveTo(left, y + height)
      .lineTo(left + width, y + height)
      .lineWidth(0.4)
      .stroke(line)
    doc.endMarkedContent()
    doc.y = y + height
  }

  #cell(text: string, { x, width, column }: Box, y: number, tag: 'TH' | 'TD'): void {
    const { doc, ink } = this.#tools
    this.#font(column, tag)
    doc.fillColor(ink)
    const align = column.as === 'number' ? 'right' : 'left'
    const link = tag === 'TD' && column.title === 'Control' ? { goTo: text } : {}
    doc.text(printable(text), x + PADDING, y + PADDING, { width: width - 2 * PADDING, align, ...link })
  }

  #font({ as }: Column, tag: 'TH' | 'TD'): void {
    const { doc } = this.#tools
    if (tag === 'TH') doc.font('Helvetica-Bold').fontSize(7.5)
    else if (as === 'code') doc.font('Courier').fontSize(6.8)
    else doc.font('Helvetica').fontSize(8)
  }

  #headHeight(): number {
    return this.#hasHead
      ? this.#height(
          this.#boxes.map(({ column }) => column.title),
          'TH',
        )
      : 0
  }

  #height(row: readonly string[], tag: 'TH' | 'TD' = 'TD'): number {
    const heights = this.#boxes.map(({ width, column }, at) => {
      this.#font(column, tag)
      return this.#tools.doc.heightOfString(printable(row[at] ?? ''), { width: width - 2 * PADDING })
    })
    return Math.max(8, ...heights) + 2 * PADDING
  }

  #room(height: number): void {
    const { doc, top, bottom } = this.#tools
    if (doc.y + height > doc.page.height - bottom && doc.y > top) doc.addPage()
  }
}

function* parts(row: readonly string[]): Generator<readonly string[]> {
  const count = Math.max(1, ...row.map((cell) => Math.ceil(cell.length / MAX_CELL)))
  for (let at = 0; at < count; at += 1) yield row.map((cell) => cell.slice(at * MAX_CELL, (at + 1) * MAX_CELL))
}

/**
 * Terminal output as an SVG, for README:
 *
 *   FORCE_COLOR=1 npm run --silent demo | node test/support/terminal-picture.ts 2-4 > docs/demo.svg
 *
 * The argument keeps some scenes of the transcript, by their numbers.
 */
import { text } from 'node:stream/consumers'

const COLUMNS = 118
const CHARACTER = 7.8
const LINE = 18
const PADDING = 20
const STYLES: Readonly<Record<string, string>> = { 1: 'b', 2: 'd', 31: 'r', 32: 'g', 33: 'y', 36: 'c' }
// ESC [ … m, spelled so that no control character stands in the source.
const STYLE = new RegExp(`${String.fromCharCode(27)}\\[(\\d+)m`, 'g')

/** Styled lines, the long ones broken, as `<tspan>`s. */
function picture(lines: readonly string[]): string {
  const broken = lines.flatMap(breakLine)
  const width = Math.ceil(COLUMNS * CHARACTER + 2 * PADDING)
  const height = broken.length * LINE + 2 * PADDING
  const rows = broken.map((line, index) => row(line, PADDING + (index + 0.75) * LINE))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Transcript of npm run demo">
<style>
rect { fill: #11161d } text { fill: #d7dde5; font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre }
.b { fill: #ffffff; font-weight: bold } .d { fill: #8d99a8 } .r { fill: #ff7b72 } .g { fill: #56d364 } .y { fill: #e3b341 } .c { fill: #6cb6ff }
</style>
<rect width="100%" height="100%" rx="8"/>
${rows.join('\n')}
</svg>
`
}

// Blanks before and behind the style that a line begins with.
const LEADING = new RegExp(`^( *)((?:${STYLE.source})*)( *)`)

/** Leading blanks become a place: not every viewer keeps them. */
function row(line: string, y: number): string {
  const [all = '', before = '', styles = ''] = LEADING.exec(line) ?? []
  const blanks = all.length - styles.length
  const rest = before.length === blanks ? line.slice(before.length) : styles + line.slice(all.length)
  return `<text x="${PADDING + blanks * CHARACTER}" y="${y}">${spans(rest)}</text>`
}

function breakLine(line: string): readonly string[] {
  const plain = line.replaceAll(STYLE, '')
  if (plain.length <= COLUMNS) return [line]
  const style = [...line.matchAll(STYLE)].map(([escape]) => escape)
  const indent = /^ */.exec(plain)?.[0] ?? ''
  const cut = plain.lastIndexOf(' ', COLUMNS)
  const rest = `${indent}  ${plain.slice(cut + 1)}`
  const styled = (part: string): string => `${style[0] ?? ''}${part}${style.at(-1) ?? ''}`
  return [styled(plain.slice(0, cut)), ...breakLine(styled(rest))]
}

function spans(line: string): string {
  const [first = '', ...rest] = line.split(STYLE)
  let out = escaped(first)
  for (let index = 0; index < rest.length; index += 2) {
    const style = STYLES[rest[index] ?? '']
    const part = escaped(rest[index + 1] ?? '')
    out += style === undefined || part === '' ? part : `<tspan class="${style}">${part}</tspan>`
  }
  return out
}

function escaped(part: string): string {
  return part.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll(' ', '\u00a0')
}

/** The number of the scene that a line begins; NaN for any other line. */
function heading(line: string): number {
  return Number(/^(\d+) {2}\S/.exec(line.replaceAll(STYLE, ''))?.[1] ?? Number.NaN)
}

function scenes(all: readonly string[], from: number, to: number): readonly string[] {
  const begin = all.findIndex((line) => heading(line) === from)
  const end = all.findIndex((line) => heading(line) === to + 1)
  const kept = all.slice(begin, end === -1 ? undefined : end)
  return kept.join('\n').trim().split('\n')
}

const [from = 1, to = 99] = (process.argv[2] ?? '1-99').split('-').map(Number)
process.stdout.write(picture(scenes((await text(process.stdin)).split('\n'), from, to)))

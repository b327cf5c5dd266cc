/**
 * A line as pieces that a terminal won't break: at a space where one is near the end. Whatever might be two cells wide is
 * counted as two, so that no piece is ever wider than asked.
 */
export function wrapped(text: string, columns: number): readonly string[] {
  const pieces: string[] = []
  let rest = text
  while (cells(rest) > columns) {
    const cut = cutAt(rest, columns)
    pieces.push(rest.slice(0, cut).replace(/ +$/, '')) // no other white space: it is somebody's text
    rest = rest.slice(cut)
  }
  return [...pieces, rest]
}

export function cells(text: string): number {
  let width = 0
  for (const character of text) width += cellsOf(character)
  return width
}

/** From Hangul Jamo on, most of what isn't one cell wide is two. */
const WIDE = 0x1100

function cellsOf(character: string): number {
  const code = character.codePointAt(0) ?? 0
  const isPunctuation = code >= 0x2000 && code < 0x2e80
  return code < WIDE || isPunctuation ? 1 : 2
}

function cutAt(text: string, columns: number): number {
  let width = 0
  let end = 0
  for (const character of text) {
    width += cellsOf(character)
    if (width > columns) break
    end += character.length
  }
  const space = text.lastIndexOf(' ', end)
  return space > end / 2 ? space + 1 : Math.max(end, 1)
}

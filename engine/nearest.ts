/** The candidate that a person who typed `word` most likely meant, if one is near enough to be worth a question. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const typed = word.toLowerCase()
  const within = Math.max(1, Math.floor(typed.length / 3))
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(typed, candidate.toLowerCase(), within) }))
    .filter(({ distance }) => distance <= within)
    .toSorted((one, other) => one.distance - other.distance)
  return ranked[0]?.candidate
}

/** Insertions, deletions, replacements, and swaps of neighbours; lengths that differ by more than `within` aren't counted. */
function editDistance(from: string, to: string, within: number): number {
  if (Math.abs(from.length - to.length) > within) return Infinity
  let before: readonly number[] = []
  let row: readonly number[] = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = at(row, j - 1) + (from[i - 1] === to[j - 1] ? 0 : 1)
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1] ? at(before, j - 2) + 1 : Infinity
      next.push(Math.min(replaced, swapped, at(row, j) + 1, at(next, j - 1) + 1))
    }
    before = row
    row = next
  }
  return at(row, to.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Infinity
}

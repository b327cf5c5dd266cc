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

/** Levenshtein's, one row at a time; lengths that differ by more than `within` aren't worth counting. */
function editDistance(from: string, to: string, within: number): number {
  if (Math.abs(from.length - to.length) > within) return Infinity
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? Infinity
}

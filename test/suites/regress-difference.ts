import { plainly } from './outcome.ts'

/** What the gateway adds to an error that it answers itself, where the server's own would have no hint. */
const DECISION = /^HINT:  Decision [0-9a-f-]{36}, \w+\.\n/gm

export type Likeness = 'equal' | 'equal but for decision ids' | 'differs'

export function likeness(direct: string, through: string): Likeness {
  if (direct === through) return 'equal'
  return direct === through.replaceAll(DECISION, '') ? 'equal but for decision ids' : 'differs'
}

/** The refusal that a script met most often, and how often: lines that the server's own output doesn't have. */
export function mainCause(direct: string, through: string): string {
  const known = new Set(direct.split('\n'))
  const counts = new Map<string, number>()
  for (const line of through.split('\n')) {
    if (!/(?:ERROR|FATAL):/.test(line) || known.has(line)) continue
    const cause = plainly(line.replace(/^.*?(?:ERROR|FATAL):/, ''))
    counts.set(cause, (counts.get(cause) ?? 0) + 1)
  }
  const [most] = [...counts].toSorted(([, one], [, other]) => other - one)
  return most === undefined
    ? 'rows or messages differ'
    : `${most[0]} (${most[1]} of ${[...counts.values()].reduce((sum, count) => sum + count)})`
}

export type Outcome = 'passed' | 'failed' | 'skipped'

/** How one test ended, and the first complaint in what it printed. */
export interface Ended {
  readonly outcome: Outcome
  readonly complaint: string
}

/** One test of a suite: how it came out at the server itself and at the gateway; null where it never ended. */
export interface Case {
  readonly name: string
  readonly direct: Outcome | null
  readonly through: Outcome | null
  /** Why it differs, in the gateway's words where it said something. */
  readonly complaint: string
}

/** Both runs side by side, in the order of the first. */
export function compared(direct: ReadonlyMap<string, Ended>, through: ReadonlyMap<string, Ended>): Case[] {
  const names = new Set([...direct.keys(), ...through.keys()])
  return [...names].map((name) => {
    const ended = through.get(name)
    const complaint = ended?.complaint ?? 'it never ended: a time limit or the death of its process cut it off'
    return { name, direct: direct.get(name)?.outcome ?? null, through: ended?.outcome ?? null, complaint }
  })
}

/** The same complaint of another name, number or decision is the same complaint. */
export function plainly(complaint: string): string {
  return complaint
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…')
    .replaceAll(/"[^"]*"/g, '"…"')
    .replaceAll(/\b\d+\b/g, 'N')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, 160)
}

import type { Came } from './comparison.ts'

/** A step that does not come out as steps.ts wants it, and why. */
export interface Known {
  readonly driver: string
  readonly policy: 'allow-all' | 'starter'
  readonly step: string
  readonly came: Came
  readonly why: string
}

export const KNOWN: readonly Known[] = [
  {
    driver: 'pg_dump',
    policy: 'starter',
    step: 'dump',
    came: 'refused',
    why: 'pg_dump reads pg_foreign_server, whose options may hold secrets: the starter pack leaves it out',
  },
]

import type { Came } from './comparison.ts'

/** A step that does not come out as steps.ts wants it, and why. */
export interface Known {
  readonly driver: string
  readonly policy: 'allow-all' | 'starter'
  readonly step: string
  readonly came: Came
  readonly why: string
}

/** None at the moment. */
export const KNOWN: readonly Known[] = []

import { onTestFinished } from 'vitest'
import { sourceOf, type Evidence } from '../../../engine/evidence/index.ts'
import { answersOf } from '../../../engine/overview/answers.ts'
import { Follower, requireSameEvidence } from '../../../engine/overview/follower.ts'
import { Ingest } from '../../../engine/overview/ingest.ts'
import { Meter } from '../../../engine/overview/meter.ts'
import { openTables } from '../../../engine/overview/tables.ts'

export interface Index {
  readonly ask: ReturnType<typeof answersOf>
  /** Takes in what is new; answers how many records that were. */
  advance(): Promise<number>
  close(): void
}

/** The index of a directory as its thread has it, in this thread. */
export function openIndex(directory: string, path = ':memory:', writer = ''): Promise<Index> {
  return openIndexOf(directory, path, writer)
}

/** The same of any evidence. */
export async function openIndexOf(evidence: Evidence, path = ':memory:', writer = ''): Promise<Index> {
  const database = openTables(path)
  let isOpen = true
  const close = (): void => {
    if (isOpen) database.close()
    isOpen = false
  }
  onTestFinished(close)
  const source = sourceOf(evidence)
  await requireSameEvidence(source, database)
  const meter = new Meter(writer)
  const follower = new Follower(source, database, new Ingest(database, meter))
  const ask = answersOf({
    database,
    source,
    meter,
    path,
    caughtUp: () => true,
    fresh: async () => void (await follower.advance()),
  })
  return { ask, advance: () => follower.advance(), close }
}

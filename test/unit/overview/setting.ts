import { onTestFinished } from 'vitest'
import { directoryStore, type EvidenceStore } from '../../../engine/evidence/index.ts'
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
  return openIndexOf(directoryStore(directory), path, writer)
}

/** The same of any store. */
export async function openIndexOf(store: EvidenceStore, path = ':memory:', writer = ''): Promise<Index> {
  const database = openTables(path)
  let isOpen = true
  const close = (): void => {
    if (isOpen) database.close()
    isOpen = false
  }
  onTestFinished(close)
  await requireSameEvidence(store, database)
  const meter = new Meter(writer)
  const follower = new Follower(store, database, new Ingest(database, meter))
  const ask = answersOf({ database, store, meter, path, caughtUp: () => true })
  return { ask, advance: () => follower.advance(), close }
}

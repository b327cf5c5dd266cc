import { expect } from 'vitest'
import { verifyEvidence } from '../../../engine/evidence/index.ts'
import {
  crashCopy,
  fileOf,
  intent,
  linesOf,
  openLog,
  rows,
  scratch,
  unsynced,
  writeLines,
  writeSession,
} from './workbench.ts'

/** What kill -9 leaves: a session done, then an intent with frames and no outcome. */
export async function crashed(): Promise<string> {
  const directory = scratch()
  const log = await openLog(directory)
  await writeSession(log, 's-1', 1)
  await log.append(intent('d-lost', 's-2')).durable
  await log.appendFrame('s-2', rows('d-lost')).durable
  await log.append({ event: 'masking.applied', session: 's-2', decision: 'd-lost' }).durable
  const copy = crashCopy(directory)
  await log.close()
  return copy
}

/** Cuts the last line of such a file at every so many bytes, the first among them, and has each opened and verified; how many. */
export async function recoversTorn(part: 'records' | 'recordings', stride: number): Promise<number> {
  const directory = await crashed()
  const whole = fileOf(directory, part).read()
  const last = whole.lastIndexOf(0x0a, -2) + 1
  let cuts = 0
  for (let size = last; size < whole.length; size += stride) {
    // A record names only frames that were on disk before it: a torn frame goes with the record that would name it.
    const copy = crashCopy(directory)
    if (part === 'recordings') writeLines(fileOf(copy, 'records'), linesOf(fileOf(copy, 'records')).slice(0, -1))
    fileOf(copy, part).write(whole.subarray(0, size))
    await (await openLog(copy, { files: unsynced })).close()
    const report = await verifyEvidence(copy)
    expect(report, `${part} cut at ${size}`).toMatchObject({
      status: 'ok',
      writers: [{ tornBytes: size - last }, {}],
    })
    cuts += 1
  }
  return cuts
}

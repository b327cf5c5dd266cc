import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { EvidenceError } from '../../../engine/errors.ts'
import { GroupCommit } from '../../../engine/evidence/group-commit.ts'
import type { Batch, LineWriter } from '../../../engine/evidence/store.ts'

/** A store that answers when it is told to. */
function slowStore() {
  const batches: string[] = []
  const answers: PromiseWithResolvers<void>[] = []
  const write = ({ record, frame }: Batch): Promise<void> => {
    batches.push(`${record}${frame}`)
    const answer = Promise.withResolvers<void>()
    answers.push(answer)
    return answer.promise
  }
  const failures: EvidenceError[] = []
  const open = (patienceMs?: number): GroupCommit =>
    new GroupCommit({ write, close: () => Promise.resolve() }, (error) => failures.push(error), patienceMs)
  return { batches, answers, failures, open }
}

/** A store whose answer comes while this process, busy for longer than any patience here, can't hear it. */
const STANDSTILL: LineWriter = {
  write: async () => {
    const answer = stat('/')
    queueMicrotask(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300))
    await answer
  },
  close: () => Promise.resolve(),
}

const turn = (): Promise<void> => sleep(0)

describe('a store that does not answer', () => {
  test('is given up: whoever waits is refused, and nothing is written any more', async () => {
    const { batches, answers, failures, open } = slowStore()
    const commit = open(20)
    const first = commit.add('record', 'first\n')
    await turn()
    const second = commit.add('frame', 'second\n')
    const refused = { code: 'ERR_EVIDENCE_WRITE', fatal: true, message: expect.stringContaining('no answer for 20 ms') }
    await expect(first.durable).rejects.toMatchObject(refused)
    await expect(second.durable).rejects.toMatchObject(refused)
    expect(failures).toHaveLength(1)
    expect(() => commit.assertWritable()).toThrow('no answer for 20 ms')
    answers[0]?.resolve() // too late to be believed
    await commit.stop()
    expect(batches).toEqual(['first\n'])
  })

  test('may fail after it was given up', async () => {
    const { answers, failures, open } = slowStore()
    const commit = open(20)
    await expect(commit.add('record', 'first\n').durable).rejects.toMatchObject({ code: 'ERR_EVIDENCE_WRITE' })
    answers[0]?.reject(new Error('at last'))
    await turn()
    expect(failures).toHaveLength(1)
  })

  test('is not given up for time in which this process itself stood still', async () => {
    const failures: EvidenceError[] = []
    const commit = new GroupCommit(STANDSTILL, (error) => failures.push(error), 200)
    await commit.add('record', 'first\n').durable
    expect(failures).toEqual([])
    await commit.stop()
  })

  test('that answers in time is believed', async () => {
    const { answers, failures, open } = slowStore()
    const commit = open(10_000)
    const { durable } = commit.add('record', 'first\n')
    await turn()
    answers[0]?.resolve()
    await durable
    expect(failures).toEqual([])
    await commit.stop()
  })
})

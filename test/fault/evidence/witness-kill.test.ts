import { setTimeout } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { parseAnyCheckpoint } from '../../../engine/evidence/checkpoint.ts'
import { cosignedAt } from '../../../engine/evidence/cosignature.ts'
import { startWitness, type WitnessProcess } from '../../support/witness-process.ts'
import { cosigner, MemoryLog } from '../../unit/evidence/cosigned.ts'
import { logSigner } from '../../unit/evidence/signed.ts'
import { scratch } from '../../unit/evidence/workbench.ts'

const log = new MemoryLog()
const fork = new MemoryLog({ fork: 1 })

interface Signed {
  readonly size: number
  readonly root: string
}

/** Asks for larger and larger trees, of the log and of its fork at once, until the witness is gone; what it has signed. */
async function askUntilGone(url: string, from: number, signed: Signed[]): Promise<void> {
  let known = from
  for (let size = from + 1; size <= 300; size += 1) {
    const bodies = await Promise.all([log.request(known, size), fork.request(known, size)])
    const answers = await Promise.all(
      bodies.map((body) => fetch(`${url}/add-checkpoint`, { method: 'POST', body }).catch(() => null)),
    )
    for (const [at, answer] of answers.entries()) {
      const lines = answer?.status === 200 ? await answer.text().catch(() => null) : null
      if (lines === null) continue
      const source = at === 0 ? log : fork
      const note = parseAnyCheckpoint(`${source.signed(size)}${lines}`)?.note
      if (note === undefined || cosignedAt(note, cosigner().verifier) === undefined) continue
      signed.push({ size, root: source.at(size).root.toString('hex') })
      known = size
    }
    if (answers.every((answer) => answer === null)) return
  }
}

async function sizeIn(witness: WitnessProcess): Promise<number> {
  const response = await fetch(`${witness.url}/checkpoint?origin=${encodeURIComponent('bank.example/gw-1')}`)
  return response.status === 200 ? Number((await response.text()).split('\n')[1]) : 0
}

it('a witness killed 20 times in mid-request forgets nothing that it signed, and signs one history', async () => {
  const home = scratch()
  const signed: Signed[] = []
  for (let round = 0; round < 20; round += 1) {
    const witness = await startWitness({ cosigner: cosigner(), logs: [logSigner().verifier], home })
    const known = await sizeIn(witness)
    expect(known).toBeGreaterThanOrEqual(signed.at(-1)?.size ?? 0)
    const asked = askUntilGone(witness.url, known, signed)
    await setTimeout(5 + round * 3)
    await witness.kill()
    await asked
  }
  const sizes = signed.map(({ size }) => size)
  expect(sizes.length).toBeGreaterThan(20)
  expect(sizes).toEqual(sizes.toSorted((one, other) => one - other))
  expect(new Set(sizes).size).toBe(new Set(signed.map(({ root }) => root)).size)
  const histories = [log, fork].filter((each) =>
    signed.every(({ size, root }) => each.at(size).root.toString('hex') === root),
  )
  expect(histories).toHaveLength(1)
})

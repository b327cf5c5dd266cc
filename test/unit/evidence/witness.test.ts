import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it, onTestFinished, test } from 'vitest'
import { addCheckpointText, parseAddCheckpoint } from '../../../engine/evidence/add-checkpoint.ts'
import { parseAnyCheckpoint } from '../../../engine/evidence/checkpoint.ts'
import { cosignedAt } from '../../../engine/evidence/cosignature.ts'
import { Witness, type WitnessAnswer, type WitnessOptions } from '../../../engine/evidence/index.ts'
import { signatureLine } from '../../../engine/evidence/signed-note.ts'
import { cosigner, MemoryLog } from './cosigned.ts'
import { FailingFiles, type Fault } from './failing-files.ts'
import { logSigner } from './signed.ts'
import { scratch, unsynced } from './workbench.ts'

const NOW = Date.UTC(2026, 3, 18, 9)
const log = new MemoryLog()

async function open(options: Partial<WitnessOptions> = {}): Promise<Witness> {
  const witness = await Witness.open({
    cosigner: cosigner(),
    logs: [logSigner().verifier],
    directory: scratch(),
    now: () => NOW,
    files: unsynced,
    ...options,
  })
  onTestFinished(() => witness.close())
  return witness
}

async function kind(witness: Witness, body: string | Promise<string>): Promise<WitnessAnswer['kind']> {
  return (await witness.add(await body)).kind
}

/** When the witness signed this, by the note that its answer makes of it; undefined: it didn't. */
function signedAt(answer: WitnessAnswer, signed: string): number | undefined {
  const note = answer.kind === 'cosigned' ? parseAnyCheckpoint(`${signed}${answer.lines}`)?.note : undefined
  return note === undefined ? undefined : cosignedAt(note, cosigner().verifier)
}

describe('a witness', () => {
  it('cosigns the first checkpoint it sees, and each that continues the one before', async () => {
    const witness = await open()
    expect(signedAt(await witness.add(await log.request(0, 7)), log.signed(7))).toBe(NOW / 1000)
    expect(signedAt(await witness.add(await log.request(7, 300)), log.signed(300))).toBe(NOW / 1000)
    expect(witness.latest('bank.example/gw-1')).toContain('\n300\n')
    expect([witness.latest('other.example'), (await open()).latest('bank.example/gw-1')]).toEqual([undefined, null])
  })

  it('cosigns the same again, with its time', async () => {
    let now = NOW
    const witness = await open({ now: () => now })
    await witness.add(await log.request(0, 7))
    now += 60_000
    expect(signedAt(await witness.add(await log.request(7, 7)), log.signed(7))).toBe(NOW / 1000 + 60)
    now -= 3_600_000 // Its clock is set back: what it signs later must not look older.
    expect(signedAt(await witness.add(await log.request(7, 9)), log.signed(9))).toBe(NOW / 1000 + 60)
  })

  test.each<[string, number, () => Promise<string>, WitnessAnswer]>([
    ['an old size of its own choice', 7, () => log.request(5, 9), { kind: 'conflict', size: 7, forked: false }],
    ['nothing known yet', 7, () => log.request(0, 9), { kind: 'conflict', size: 7, forked: false }],
    ['a smaller tree', 9, () => log.request(7, 7), { kind: 'conflict', size: 9, forked: false }],
    ['an old size beyond its own', 7, () => log.request(9, 7), { kind: 'malformed' }],
    [
      'another root of the same size',
      7,
      () => new MemoryLog({ fork: 3 }).request(7, 7),
      { kind: 'conflict', size: 7, forked: true },
    ],
    ['a fork', 7, () => new MemoryLog({ fork: 3 }).request(7, 9), { kind: 'inconsistent', size: 7 }],
    ['no proof', 7, async () => addCheckpointText(7, [], log.signed(9)), { kind: 'inconsistent', size: 7 }],
    [
      'a proof from nothing',
      0,
      async () => addCheckpointText(0, await log.proof(7, 9), log.signed(9)),
      { kind: 'inconsistent', size: 0 },
    ],
    [
      'another log',
      7,
      () => new MemoryLog({ signer: logSigner(7, 'other.example') }).request(7, 9),
      { kind: 'unknown' },
    ],
    ['another key', 7, () => new MemoryLog({ signer: logSigner(8) }).request(7, 9), { kind: 'unsigned' }],
    [
      'another text under the signature',
      7,
      async () => (await log.request(7, 9)).replace('\n9\n', '\n8\n'),
      { kind: 'unsigned' },
    ],
  ])('refuses %s', async (_, size, body, answer) => {
    const witness = await open()
    if (size > 0) await witness.add(await log.request(0, size))
    const before = witness.latest('bank.example/gw-1')
    expect(await witness.add(await body())).toEqual(answer)
    expect(witness.latest('bank.example/gw-1')).toBe(before)
  })

  test.each([
    '',
    'old 0\n',
    'old 00\n\n',
    'old -1\n\n',
    'old 0\n\nbank.example/gw-1\n',
    `old 0\n${'AAAA'.repeat(10)}AAA=\n`,
    'new 0\n\n',
  ])('takes %j for no request', async (head) => {
    const witness = await open()
    expect(await kind(witness, head.endsWith('\n\n') ? `${head}${log.signed(7)}` : head)).toBe('malformed')
  })

  it('takes no proof of more than 63 hashes, and no hash in another spelling', async () => {
    const witness = await open()
    const hash = Buffer.alloc(32)
    expect(await kind(witness, addCheckpointText(0, Array(63).fill(hash), log.signed(7)))).toBe('inconsistent')
    expect(await kind(witness, addCheckpointText(0, Array(64).fill(hash), log.signed(7)))).toBe('malformed')
    const spelled = addCheckpointText(0, [hash], log.signed(7)).replace('AA=', 'AB=')
    expect(await kind(witness, spelled)).toBe('malformed')
  })

  it('ignores signatures of others, and cosigns lines that extend a checkpoint without reading them', async () => {
    const witness = await open()
    const { signer } = log
    const text = `${log.signed(7).split('\n\n')[0]}\nsome extension\n`
    const note = `${text}\n${signatureLine(logSigner(3, 'stranger.example'), text)}${signatureLine(signer, text)}`
    expect(signedAt(await witness.add(addCheckpointText(0, [], note)), note)).toBe(NOW / 1000)
    expect(witness.latest('bank.example/gw-1')).not.toContain('stranger')
  })

  it('takes both keys of a log that rotates, and after that only the new', async () => {
    const directory = scratch()
    const next = new MemoryLog({ signer: logSigner(8) })
    const both = await open({ directory, logs: [log.signer.verifier, next.signer.verifier] })
    expect(await kind(both, log.request(0, 7))).toBe('cosigned')
    expect(await kind(both, next.request(7, 9))).toBe('cosigned')
    both.close()
    const after = await open({ directory, logs: [next.signer.verifier] })
    expect(await kind(after, log.request(9, 12))).toBe('unsigned')
    expect(await kind(after, next.request(9, 12))).toBe('cosigned')
  })
})

describe('its state', () => {
  it('survives it', async () => {
    const directory = scratch()
    const before = await open({ directory })
    await before.add(await log.request(0, 7))
    before.close()
    const after = await open({ directory })
    expect(await kind(after, log.request(0, 7))).toBe('conflict')
    expect(await kind(after, log.request(7, 9))).toBe('cosigned')
  })

  it('keeps the proof of a fork, the first one', async () => {
    const directory = scratch()
    const witness = await open({ directory })
    await witness.add(await log.request(0, 7))
    const forks = [new MemoryLog({ fork: 3 }), new MemoryLog({ fork: 5 })]
    for (const fork of forks) expect(await kind(witness, fork.request(7, 7))).toBe('conflict')
    const kept = readdirSync(directory).filter((name) => name.endsWith('.conflict'))
    expect(kept).toHaveLength(1)
    const text = readFileSync(join(directory, kept[0] ?? ''), 'utf8')
    expect(text).toBe(`${witness.latest('bank.example/gw-1')}\n${forks[0]?.signed(7)}`)
  })

  it('has one witness at a time', async () => {
    const directory = scratch()
    await open({ directory })
    await expect(open({ directory })).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_LOCKED',
      message: expect.stringContaining('another witness uses this state directory'),
    })
  })

  test.each<[string, (text: string) => string]>([
    ['was changed', (text) => text.replace('\n7\n', '\n6\n')],
    ['was emptied', () => ''],
    ['was put in the place of another log’s', (text) => text.replace('gw-1', 'gw-2')],
  ])('that %s stops the start', async (_, change) => {
    const directory = scratch()
    const before = await open({ directory })
    await before.add(await log.request(0, 7))
    before.close()
    const file = join(directory, readdirSync(directory).find((name) => /^[0-9a-f]{64}$/.test(name)) ?? '')
    writeFileSync(file, change(readFileSync(file, 'utf8')))
    await expect(open({ directory })).rejects.toMatchObject({ code: 'ERR_EVIDENCE_TAMPERED' })
  })

  it('belongs to one key', async () => {
    const directory = scratch()
    const before = await open({ directory })
    await before.add(await log.request(0, 7))
    before.close()
    await expect(open({ directory, cosigner: cosigner(10) })).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_TAMPERED',
      message: expect.stringContaining('give another key a state directory of its own'),
    })
  })
})

/** A witness that has signed 7 records is asked to sign 9, then 12, on a disk that fails at this step. */
async function struck(
  directory: string,
  failAt: number,
  fault: Fault,
): Promise<'unharmed' | 'signed' | 'silent' | 'went on'> {
  const files = new FailingFiles(failAt, fault)
  const failing = await open({ directory, files }).catch(() => null)
  const answer = await failing?.add(await log.request(7, 9)).catch(() => null)
  const next = await failing?.add(await log.request(9, 12)).catch(() => null)
  failing?.close()
  if (files.steps.length <= failAt) return 'unharmed'
  if (answer?.kind === 'cosigned') return 'signed'
  return (next ?? null) === null ? 'silent' : 'went on'
}

describe('a disk that fails', () => {
  test.each<Fault>(['before', 'after', 'short'])(
    'at any step, %s its effect: nothing goes out, nothing goes back',
    async (fault) => {
      for (let failAt = 0, how = ''; how !== 'unharmed'; failAt += 1) {
        const directory = scratch()
        const first = await open({ directory })
        await first.add(await log.request(0, 7))
        first.close()
        how = await struck(directory, failAt, fault)
        expect(how).not.toBe('went on')
        const after = await open({ directory })
        const size = Number(after.latest('bank.example/gw-1')?.split('\n')[1])
        expect(size).toBeGreaterThanOrEqual(how === 'silent' ? 7 : 9)
        expect(await kind(after, log.request(size, 20))).toBe('cosigned')
        after.close()
        rmSync(directory, { recursive: true })
      }
    },
  )
})

it('asked by many at once signs one history: no two roots of a size, no size after a larger one', async () => {
  const forks = [new MemoryLog(), new MemoryLog({ fork: 10 }), new MemoryLog({ fork: 40 })]
  const size = fc.integer({ min: 1, max: 60 })
  const ask = fc.record({ fork: fc.nat(2), old: fc.oneof(size, fc.constant(0)), size })
  await fc.assert(
    fc.asyncProperty(fc.array(ask, { minLength: 5, maxLength: 40 }), async (asks) => {
      const directory = scratch()
      const witness = await open({ directory })
      const signed: { size: number; root: string }[] = []
      await Promise.all(
        asks.map(async (one) => {
          const answer = await witness.add(await (forks[one.fork] ?? log).request(one.old, one.size))
          if (answer.kind === 'cosigned') {
            signed.push({ size: answer.checkpoint.size, root: answer.checkpoint.root.toString('hex') })
          }
        }),
      )
      witness.close()
      const sizes = signed.map((one) => one.size)
      expect(sizes).toEqual(sizes.toSorted((one, other) => one - other))
      expect(new Set(signed.map(({ root }) => root)).size).toBe(new Set(sizes).size)
      const history = forks.filter((fork) => signed.every((one) => fork.at(one.size).root.toString('hex') === one.root))
      expect(history.length).toBeGreaterThan(0)
    }),
    { numRuns: 60 },
  )
})

it('reads back what it writes, and nothing else as the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 300 }), fc.nat(300), async (size, from) => {
      const old = Math.min(from, size)
      const text = await log.request(old, size)
      expect(parseAddCheckpoint(text)).toMatchObject({ old, checkpoint: { size } })
      const request = parseAddCheckpoint(text)
      expect(request && addCheckpointText(request.old, request.proof, log.signed(size))).toBe(text)
    }),
    { numRuns: 50 },
  )
})

it('copied to another place and put back, its state is another witness’s: that is why no copy may be used', async () => {
  const directory = scratch()
  const witness = await open({ directory })
  await witness.add(await log.request(0, 7))
  const copy = scratch()
  cpSync(directory, copy, { recursive: true })
  await witness.add(await log.request(7, 9))
  const twin = await open({ directory: copy })
  expect(await kind(twin, new MemoryLog({ fork: 8 }).request(7, 9))).toBe('cosigned')
})

import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../../engine/access-request.ts'
import { verifyEvidence, type VerifyReport } from '../../../engine/evidence/index.ts'
import { filesOf, openLog, scratch, stepClock, writeSession } from '../../unit/evidence/workbench.ts'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 60)

/** Two writers that closed, each with two sessions and their recordings. */
async function finished(): Promise<string> {
  const directory = scratch()
  for (let day = 1; day <= 2; day += 1) {
    const log = await openLog(directory, stepClock(Date.UTC(2026, 3, day)))
    await writeSession(log, `s-${day}a`, 2)
    await writeSession(log, `s-${day}b`, 1)
    await log.close()
  }
  return directory
}

interface Bench {
  readonly names: readonly string[]
  /** Verifies the directory with one file replaced, and puts the file back. */
  readonly verify: (name: string, change: (bytes: Buffer) => Uint8Array) => Promise<VerifyReport>
}

async function bench(): Promise<Bench> {
  const directory = await finished()
  const copy = scratch()
  cpSync(directory, copy, { recursive: true })
  const files = [...filesOf(directory, 'records'), ...filesOf(directory, 'recordings')]
  return {
    names: files.map(({ name }) => name),
    verify: async (name, change) => {
      const bytes = readFileSync(join(directory, name))
      writeFileSync(join(copy, name), change(Buffer.from(bytes)))
      const report = await verifyEvidence(copy)
      writeFileSync(join(copy, name), bytes)
      return report
    },
  }
}

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const pick = <T>(items: readonly T[], at: number): T => {
  const item = items[Math.floor(at * items.length)]
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

function linesOf(bytes: Buffer): readonly string[] {
  return bytes.toString('latin1').split('\n').slice(0, -1)
}

function joined(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1')
}

describe('of a finished directory', { timeout: 600_000 }, () => {
  it('any byte that is changed is found', async () => {
    const { names, verify } = await bench()
    await fc.assert(
      fc.asyncProperty(fraction, fraction, fc.integer({ min: 1, max: 255 }), async (file, at, flip) => {
        const report = await verify(pick(names, file), (bytes) => {
          const index = Math.floor(at * bytes.length)
          return bytes.fill((bytes[index] ?? 0) ^ flip, index, index + 1)
        })
        expect(report.status).not.toBe('ok')
        expect(report.findings.length).toBeGreaterThan(0)
      }),
      { numRuns: 2 * RUNS },
    )
  })

  it('any byte that is put in or taken out is found', async () => {
    const { names, verify } = await bench()
    await fc.assert(
      fc.asyncProperty(fraction, fraction, fc.option(fc.nat(255)), async (file, at, put) => {
        const report = await verify(pick(names, file), (bytes) => {
          const index = Math.floor(at * bytes.length)
          const rest = bytes.subarray(index + (put === null ? 1 : 0))
          return Buffer.concat([bytes.subarray(0, index), Buffer.from(put === null ? [] : [put]), rest])
        })
        expect(report.status).not.toBe('ok')
      }),
      { numRuns: RUNS },
    )
  })

  it('any line that is dropped, doubled or moved is found', async () => {
    const { names, verify } = await bench()
    await fc.assert(
      fc.asyncProperty(
        fraction,
        fraction,
        fraction,
        fc.constantFrom('drop', 'double', 'move'),
        async (file, from, to, how) => {
          const report = await verify(pick(names, file), (bytes) => {
            const lines = linesOf(bytes)
            const source = Math.floor(from * lines.length)
            const rest = how === 'double' ? lines : lines.toSpliced(source, 1)
            if (how === 'drop') return joined(rest)
            let target = Math.floor(to * (rest.length + 1))
            if (how === 'move' && target === source) target = source === 0 ? rest.length : 0
            return joined(rest.toSpliced(target, 0, lines[source] ?? ''))
          })
          expect(report.status).not.toBe('ok')
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('any cut is found; only one at the end of the newest records reads as incomplete', async () => {
    const { names, verify } = await bench()
    await fc.assert(
      fc.asyncProperty(fraction, fraction, async (file, at) => {
        const name = pick(names, file)
        const { status } = await verify(name, (bytes) => bytes.subarray(0, Math.floor(at * bytes.length)))
        const allowed = name === names[1] ? ['incomplete', 'tampered'] : ['tampered']
        expect(allowed).toContain(status)
      }),
      { numRuns: RUNS },
    )
  })
})

it('any text in a record or a frame comes back as it was', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 200 })
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 8 }), fc.jsonValue(), async (texts, body) => {
      const directory = scratch()
      const log = await openLog(directory)
      const plain: JsonValue = JSON.parse(JSON.stringify(body))
      for (const session of texts) {
        log.append({ event: 'session.opened', session, detail: { text: session } })
        log.appendFrame(session, { dir: 'client', kind: 'note', decision: null, body: plain })
      }
      await log.close()
      expect(await verifyEvidence(directory)).toMatchObject({
        status: 'ok',
        frames: texts.length,
        records: texts.length + 2,
      })
    }),
    { numRuns: Math.ceil(RUNS / 2) },
  )
})

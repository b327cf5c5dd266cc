import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  openEvidenceLog,
  readFrames,
  readRecords,
  retain,
  type LegalHold,
  type Erasable,
  type RecordDraft,
  type RetentionRule,
} from '../../../engine/evidence/index.ts'
import { directorySource, fileOf } from '../../../engine/evidence/directory-source.ts'
import { overwrite, type Overwriter } from '../../../engine/evidence/overwriting.ts'
import { intent, PRINCIPAL, unsynced } from '../../unit/evidence/workbench.ts'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 40)
const HOUR = 3_600_000
const START = Date.UTC(2026, 3, 18, 9)
const NAMES = ['public.customers', 'public.accounts', 'public.notes', 'hr.staff'] as const

interface Step {
  readonly resources: readonly string[]
  readonly session: number
  readonly agent: string
  readonly frames: number
}

const step: fc.Arbitrary<Step> = fc.record({
  resources: fc.subarray([...NAMES], { maxLength: 2 }),
  session: fc.integer({ min: 0, max: 2 }),
  agent: fc.constantFrom('anna', 'bot'),
  frames: fc.integer({ min: 0, max: 3 }),
})
const pattern = fc.constantFrom(...NAMES, 'public.*', 'public.*', '*', '*', '*.staff', 'public.c+')
const rule: fc.Arbitrary<RetentionRule> = fc
  .tuple(pattern, fc.integer({ min: 1, max: 8 }))
  .map(([resource, hours]) => ({ resource, olderThan: `${hours}h`, olderThanMs: hours * HOUR }))
const optional = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of, { nil: null, freq: 2 })
const hour = fc.integer({ min: 0, max: 12 }).map((hours) => START + hours * HOUR)
const hold: fc.Arbitrary<LegalHold> = fc.record({
  name: fc.constantFrom('h1', 'h2'),
  reason: fc.constant('a case'),
  resource: optional(pattern),
  session: optional(fc.constantFrom('s-0', 's-1')),
  agent: optional(fc.constantFrom('anna', 'bot')),
  from: optional(hour),
  to: optional(hour),
})
const history = fc.record({
  steps: fc.array(step, { minLength: 2, maxLength: 12 }),
  rules: fc.array(rule, { maxLength: 4 }),
  holds: fc.array(hold, { maxLength: 2 }),
})

/** One entry with a payload, as the test itself knows it. */
interface Entry {
  readonly canary: string
  readonly time: number
  readonly about: Pick<Step, 'resources' | 'agent'> & { readonly session: string }
}

/** An hour a step; the last is the hour at which retention runs. */
async function write(directory: string, steps: readonly Step[]): Promise<readonly Entry[]> {
  let now = START
  const clock = { now: () => now, monotonic: () => BigInt(now) * 1_000_000n }
  const log = await openEvidenceLog({ directory, instance: 'gw', files: unsynced, ...clock })
  const entries: Entry[] = []
  for (const [index, { resources, session: number, agent, frames }] of steps.entries()) {
    now = START + index * HOUR
    const session = `s-${number}`
    const decision = `d-${index}`
    const about = { resources, agent, session }
    const canary = (what: string): string => {
      entries.push({ canary: `canary-${index}-${what}-end`, time: now, about })
      return `canary-${index}-${what}-end`
    }
    log.append({
      ...intent(decision, session),
      principal: { ...PRINCIPAL, id: agent },
      resources: resources.map((name) => ({ type: 'table', name, labels: [], parts: [] })),
      payload: { block: { statement: canary('record') }, values: [] },
    })
    for (let frame = 0; frame < frames; frame += 1) {
      const body = { rows: [[canary(`frame${frame}`)]] }
      log.appendFrame(session, { dir: 'upstream', kind: 'sql.rows', decision, body })
    }
    const payload = { answer: { rows: [[canary('answer')]] } }
    const outcome = { answer: 'sql.rows', status: 'ok' }
    await log.append({ event: 'outcome.ok', session, decision, outcome, payload }).durable
  }
  await log.close()
  return entries
}

/** The rule in words, once more: the first rule that names each resource, all of them over, and no hold. */
function goes(entry: Entry, rules: readonly RetentionRule[], holds: readonly LegalHold[], now: number): boolean {
  const { time, about } = entry
  const names = about.resources.length === 0 ? [''] : about.resources
  const over = names.every((name) => {
    const first = rules.find(({ resource }) => fits(resource, name))
    return first !== undefined && time < now - first.olderThanMs
  })
  return over && !holds.some((each) => held(each, entry))
}

function held(
  { resource, session, agent, from, to }: LegalHold,
  { time, about }: Pick<Entry, 'time' | 'about'>,
): boolean {
  return (
    (resource === null || about.resources.some((name) => fits(resource, name))) &&
    (session === null || session === about.session) &&
    (agent === null || agent === about.agent) &&
    (from === null || time >= from) &&
    (to === null || time <= to)
  )
}

function fits(pattern: string, name: string): boolean {
  if (pattern === '*') return true
  if (pattern === 'public.*') return name.startsWith('public.')
  return pattern === '*.staff' ? name.endsWith('.staff') : pattern === name
}

function files(directory: string): ReadonlyMap<string, string> {
  const all = new Map<string, string>()
  for (const folder of ['records', 'recordings'])
    for (const name of readdirSync(join(directory, folder)).toSorted())
      all.set(`${folder}/${name}`, readFileSync(join(directory, folder, name), 'latin1'))
  return all
}

/** Whatever stands where a payload was is `null` and spaces; every other byte is where it was. */
function onlyErased(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): boolean {
  return [...before].every(([name, text]) => {
    const now = after.get(name)?.slice(0, text.length) ?? ''
    const lines = now.split('\n')
    return text.split('\n').every((line, index) => {
      const found = lines[index] ?? ''
      if (found === line) return true
      const at = line.lastIndexOf(',"salted":{') + ',"salted":'.length
      return found === `${line.slice(0, at)}${'null'.padEnd(line.length - at - 1)}}`
    })
  })
}

async function named(directory: string): Promise<ReadonlySet<string>> {
  const places = new Set<string>()
  for await (const { record } of readRecords(directory, { mark: 'retention.applied' })) {
    const ranges = record.detail?.['erased']
    if (!Array.isArray(ranges)) continue
    for (const { kind, writer, from, to } of ranges)
      for (let seq = Number(from); seq <= Number(to); seq += 1) places.add(`${kind} ${writer} ${seq}`)
  }
  return places
}

/** Every payload that is gone, or half gone. */
async function gone(directory: string): Promise<readonly string[]> {
  const places: string[] = []
  for await (const { record, payload } of readRecords(directory))
    if (payload === null) places.push(`record ${record.writerId} ${record.seq}`)
  for (const name of readdirSync(join(directory, 'recordings')))
    for await (const { frame, payload } of readFrames(directory, name.replace(/\.ndjson$/, '')))
      if (payload === null) places.push(`frame ${frame.writerId} ${frame.seq}`)
  return places
}

function erasable(directory: string, overwriter?: Overwriter): Erasable {
  const source = directorySource(directory)
  return {
    source,
    erase: (kind, writer, payloads) => overwrite(fileOf(directory, kind, writer), payloads, overwriter),
  }
}

/** The log that notes what is erased, as the command has it. */
async function run(
  directory: string,
  options: { readonly rules: readonly RetentionRule[]; readonly holds: readonly LegalHold[]; readonly now: number },
  overwriter?: Overwriter,
): Promise<Awaited<ReturnType<typeof retain>>> {
  const clock = { now: () => options.now, monotonic: () => BigInt(options.now) * 1_000_000n }
  const log = await openEvidenceLog({ directory, instance: 'gw-cli', files: unsynced, ...clock })
  const record = (draft: RecordDraft): Promise<void> => log.append(draft).durable
  try {
    return await retain(erasable(directory, overwriter), { ...options, reason: null, record })
  } finally {
    await log.close()
  }
}

async function inScratch(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-retention-'))
  try {
    await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

test('exactly the payloads that should go are gone, and every other byte stays', async () => {
  const property = fc.asyncProperty(history, async ({ steps, rules, holds }) =>
    inScratch(async (directory) => {
      const entries = await write(directory, steps)
      const now = START + steps.length * HOUR
      const before = files(directory)
      const due = entries.filter((entry) => goes(entry, rules, holds, now))
      const dry = await retain(erasable(directory), { rules, holds, now, reason: null, record: null })
      expect(files(directory)).toEqual(before)
      const report = await run(directory, { rules, holds, now })
      const after = files(directory)
      expect(onlyErased(before, after)).toBe(true)
      const all = [...after.values()].join('')
      const missing = entries.filter(({ canary }) => !all.includes(canary))
      expect(missing.map(({ canary }) => canary)).toEqual(due.map(({ canary }) => canary))
      const counted = ({ due: counts }: typeof report): number =>
        counts.reduce((sum, { records, frames }) => sum + records + frames, 0)
      expect([counted(report), counted(dry)]).toEqual([due.length, due.length])
      const places = await named(directory)
      expect((await gone(directory)).every((place) => places.has(place))).toBe(true)
      const again = await run(directory, { rules, holds, now })
      expect([counted(again), again.finished, again.damaged]).toEqual([0, 0, []])
    }),
  )
  await fc.assert(property, { numRuns: RUNS })
})

test('a run that dies anywhere has erased nothing that is not recorded, and the next one finishes it', async () => {
  const dying = fc.record({ history, writes: fc.integer({ min: 0, max: 20 }), torn: fc.integer({ min: 0, max: 100 }) })
  const property = fc.asyncProperty(dying, async ({ history: { steps, rules, holds }, writes, torn }) =>
    inScratch(async (directory) => {
      const entries = await write(directory, steps)
      const now = START + steps.length * HOUR
      const before = files(directory)
      const due = entries.filter((entry) => goes(entry, rules, holds, now))
      await run(directory, { rules, holds, now }, dyingAfter(writes, torn)).catch((error: unknown) => {
        if (!(error instanceof Error) || error.message !== 'the machine died') throw error
      })
      const places = await named(directory)
      expect((await gone(directory)).every((place) => places.has(place))).toBe(true)
      const report = await run(directory, { rules, holds, now })
      expect(report.damaged).toEqual([])
      const after = files(directory)
      expect(onlyErased(before, after)).toBe(true)
      const all = [...after.values()].join('')
      const missing = entries.filter(({ canary }) => !all.includes(canary))
      expect(missing.map(({ canary }) => canary)).toEqual(due.map(({ canary }) => canary))
    }),
  )
  await fc.assert(property, { numRuns: RUNS })
})

/** Half of its last write reaches the disk. */
function dyingAfter(writes: number, percent: number): Overwriter {
  let left = writes
  return {
    async open(path) {
      const { open } = await import('node:fs/promises')
      const file = await open(path, 'r+')
      return {
        async write(bytes, offset) {
          if (left > 0) {
            left -= 1
            await file.write(bytes, 0, bytes.length, offset)
            return
          }
          await file.write(bytes, 0, Math.floor((bytes.length * percent) / 100), offset)
          throw new Error('the machine died')
        },
        datasync: () => file.datasync(),
        close: () => file.close(),
      }
    },
  }
}

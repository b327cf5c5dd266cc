import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, describe, test } from 'vitest'
import { signCheckpoint } from '../../../../engine/evidence/checkpoint.ts'
import { verifyBundle, type Query } from '../../../../engine/evidence/index.ts'
import type { Predicate } from '../../../../engine/evidence/bundle/manifest.ts'
import { scratch } from '../workbench.ts'
import { logSigner } from '../signed.ts'
import { verifyInPython } from './python.ts'
import { editLines, replaceIn, reseal } from './reseal.ts'
import { contentOf, exportTo, richDirectory, trust } from './workbench.ts'

/** What whoever holds the export key, and not the log's, does to a bundle before signing it again. */
interface Attack {
  readonly name: string
  /** What our verifier says; the one in Python says the same, unless it leaves that to ours. */
  readonly says: string
  readonly pythonToo?: false
  readonly query?: Partial<Query>
  readonly change?: (predicate: Predicate) => Predicate
  readonly act: (bundle: string) => void
}

const nothing = (): void => {}
const RECORDING = /^recordings\//
const drop = (at: number) => (lines: readonly string[]) => lines.toSpliced(at, 1)
const swap = (lines: readonly string[]): readonly string[] => [lines[1] ?? '', lines[0] ?? '', ...lines.slice(2)]
/** Another hash than this one, which has an `f` in front one time in sixteen. */
const otherHash = (hash: string): string => `${hash.startsWith('f') ? '0' : 'f'}${hash.slice(1)}`
const recordingOf = (bundle: string): string => [...contentOf(bundle).keys()].find((name) => RECORDING.test(name)) ?? ''
const counted = (change: Partial<Predicate['counts']>) => (predicate: Predicate) => ({
  ...predicate,
  counts: { ...predicate.counts, ...change },
})
const HOUR = { from: '2026-04-18T09:00:00.020Z', to: '2026-04-18T09:00:00.033Z' }
const ROOT = 'do not lead to the signed root'

const ATTACKS: readonly Attack[] = [
  {
    name: 'leaves out a record',
    says: 'records of the stretch are missing',
    act: (at) => editLines(at, 'records.ndjson', drop(7)),
  },
  {
    name: 'leaves out the last record',
    says: ROOT,
    query: HOUR,
    act: (at) => editLines(at, 'records.ndjson', (lines) => lines.slice(0, -1)),
  },
  {
    name: 'leaves out a record of a selection',
    says: ROOT,
    query: { agent: 'collector' },
    act: (at) => editLines(at, 'records.ndjson', drop(3)),
  },
  { name: 'swaps two records', says: ROOT, act: (at) => editLines(at, 'records.ndjson', swap) },
  {
    name: 'moves a record to another leaf',
    says: ROOT,
    query: { control: 'IS.II.C.18' },
    act: (at) => replaceIn(at, 'records.ndjson', '"index":7,', '"index":8,'),
  },
  {
    name: 'rewrites a record with its leaf',
    says: 'the line was changed',
    act: (at) => replaceIn(at, 'records.ndjson', '"verdict":"reject"', '"verdict":"forward"'),
  },
  {
    name: 'rewrites a payload',
    says: 'the payload was changed',
    act: (at) => replaceIn(at, 'records.ndjson', '"amount":"100"', '"amount":"900"'),
  },
  {
    name: 'erases a payload',
    says: 'payloads are erased that no retention.applied',
    act: (at) => replaceIn(at, 'records.ndjson', /"salted":\{"body":.*?"salt":"[0-9a-f]{32}"\}/, '"salted":null'),
  },
  {
    name: 'drops a frame',
    says: 'does not follow the frame before it',
    act: (at) => editLines(at, recordingOf(at), drop(0)),
  },
  {
    name: 'drops the last frames',
    says: 'names a frame that is not in',
    act: (at) => editLines(at, recordingOf(at), (lines) => lines.slice(0, -1)),
  },
  {
    name: 'rewrites a frame’s payload',
    says: 'the payload was changed',
    act: (at) => replaceIn(at, recordingOf(at), '***-**-1234', '***-**-0000'),
  },
  {
    name: 'drops a recording',
    says: 'names a frame that is not in|the line was changed|the file is gone',
    act: (at) => rmSync(join(at, recordingOf(at))),
  },
  {
    name: 'changes a hash of the proof',
    says: ROOT,
    query: HOUR,
    act: (at) => editLines(at, 'proofs/hashes.txt', (lines) => [otherHash(lines[0] ?? ''), ...lines.slice(1)]),
  },
  {
    name: 'adds a hash to the proof',
    says: ROOT,
    act: (at) => writeFileSync(join(at, 'proofs/hashes.txt'), `${'0'.repeat(64)}\n`),
  },
  {
    name: 'hides where the stretch was cut',
    says: ROOT,
    query: HOUR,
    act: (at) => editLines(at, 'proofs/context.ndjson', drop(1)),
  },
  {
    name: 'claims less than was asked for',
    says: 'a record that was not asked for',
    change: (p) => ({ ...p, query: { ...p.query, agent: 'collector' } }),
    act: nothing,
  },
  {
    name: 'claims other times',
    says: 'the stretch ends outside the times',
    query: HOUR,
    change: (p) => ({ ...p, query: { ...p.query, from: '2026-04-18T09:00:00.024Z' } }),
    act: nothing,
  },
  {
    name: 'claims a selection to be the whole',
    says: 'records of the stretch are missing',
    query: { agent: 'collector' },
    change: (p) => ({ ...p, query: { ...p.query, agent: null } }),
    act: nothing,
  },
  {
    name: 'claims another checkpoint',
    says: 'not the checkpoint that the manifest names',
    change: (p) => ({ ...p, log: { ...p.log, size: p.log.size - 1 } }),
    act: nothing,
  },
  {
    name: 'signs a checkpoint of its own',
    says: 'signed with another key, or changed',
    act: (at) =>
      writeFileSync(
        join(at, 'checkpoint.txt'),
        signCheckpoint({ origin: 'bank.example/gw-1', size: 30, root: Buffer.alloc(32, 1) }, logSigner(8)),
      ),
  },
  {
    name: 'counts other records',
    says: 'the counts are not those of the records',
    change: counted({ records: 29 }),
    act: nothing,
  },
  {
    name: 'counts other events',
    says: 'the counts are not those of the records',
    change: counted({ events: {} }),
    act: nothing,
  },
  {
    name: 'counts other frames',
    says: 'the counts are not those of the records',
    change: counted({ frames: 0 }),
    act: nothing,
  },
  { name: 'leaves a file out', says: 'name ocsf.ndjson', act: (at) => rmSync(join(at, 'ocsf.ndjson')) },
  {
    name: 'makes a denied request an allowed one, in OCSF',
    says: 'not what the records make',
    pythonToo: false,
    act: (at) => replaceIn(at, 'ocsf.ndjson', '"action":"Denied"', '"action":"Allowed"'),
  },
  {
    name: 'improves the OSCAL',
    says: 'not what the records make',
    pythonToo: false,
    act: (at) => replaceIn(at, 'oscal/assessment-results.json', 'Observations only.', 'All satisfied.'),
  },
  {
    name: 'rewrites VERIFY.md',
    says: 'not what the records make',
    pythonToo: false,
    act: (at) => replaceIn(at, 'VERIFY.md', '--log-key LOG_KEY', ''),
  },
  {
    name: 'rewrites what policy was in force',
    says: 'not what the records make',
    pythonToo: false,
    act: (at) => replaceIn(at, `policy/${'cd'.repeat(32)}/policy.json`, '"r1"', '"r2"'),
  },
  {
    name: 'adds a file',
    says: 'no file of an export',
    pythonToo: false,
    act: (at) => writeFileSync(join(at, 'note.txt'), 'please read'),
  },
]

describe('an insider with the export key', () => {
  test.each(ATTACKS)('$name', async ({ says, query = {}, change, act, pythonToo }) => {
    const { out } = await exportTo(await richDirectory(), query)
    act(out)
    reseal(out, change)
    const { status, findings } = await verifyBundle(out, trust)
    expect(findings.map(({ message, found }) => `${message} ${found}`).join('\n')).toMatch(new RegExp(says))
    expect(status).toBe('tampered')
    if (pythonToo === false) return
    const python = verifyInPython(out)
    expect(python.said).toMatch(new RegExp(says))
    expect(python.code).toBe(says.startsWith('payloads are erased') ? 2 : 1) // derived files are ours to look at
  })

  it('who changes nothing is not found guilty of anything', async () => {
    const { out } = await exportTo(await richDirectory())
    const copy = join(scratch(), 'copy')
    cpSync(out, copy, { recursive: true })
    reseal(copy)
    expect(contentOf(copy)).toEqual(contentOf(out))
  })
})

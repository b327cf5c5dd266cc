import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { signCheckpoint } from '../../../../engine/evidence/checkpoint.ts'
import { verifyBundle, verifyEvidence } from '../../../../engine/evidence/index.ts'
import { logSigner, openSigned } from '../signed.ts'
import { fileOf, openLog, scratch, stepClock } from '../workbench.ts'
import { replaceIn, reseal } from './reseal.ts'
import { contentOf, exportTo, richDirectory, trust, writeDay } from './workbench.ts'

const recordsIn = (
  bundle: string,
): readonly { readonly index: number; readonly record: { readonly event: string } }[] =>
  readFileSync(join(bundle, 'records.ndjson'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
const eventsIn = (bundle: string, name = 'records.ndjson'): readonly string[] =>
  readFileSync(join(bundle, name), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line): string => JSON.parse(line).record.event)

/** What an auditor's build says that every policy bundle is. */
const policiesAre = (digest: string) => ({ ...trust, policyDigest: () => Promise.resolve(digest) })

describe('an export', () => {
  it('of the same question at the same checkpoint has the same bytes', async () => {
    const directory = await richDirectory()
    for (const query of [{}, { agent: 'collector' }, { from: '2026-04-18T09:00:00.020Z' }]) {
      const [one, other] = [await exportTo(directory, query), await exportTo(directory, query)]
      expect(contentOf(other.out)).toEqual(contentOf(one.out))
      expect(other.manifest).toBe(one.manifest)
    }
  })

  it('at an earlier checkpoint is not changed by what the log became since', async () => {
    const directory = await richDirectory()
    const checkpoint = readFileSync(join(directory, 'log/checkpoint'), 'utf8')
    const before = await exportTo(directory, { agent: 'collector' })
    const log = await openSigned(directory, stepClock(Date.UTC(2026, 5, 1)))
    await writeDay(log, 1)
    await log.close()
    const after = await exportTo(directory, { agent: 'collector' }, { checkpoint })
    expect(contentOf(after.out)).toEqual(contentOf(before.out))
    expect((await exportTo(directory, { agent: 'collector' })).predicate.counts.records).toBe(26)
  })

  it('has every file that it may have, and none of its own making', async () => {
    const directory = await richDirectory()
    const { out } = await exportTo(directory)
    const recording = `recordings/${readdirSync(join(directory, 'recordings'))[0]}`
    expect([...contentOf(out).keys()]).toEqual([
      'VERIFY.md',
      'checkpoint.txt',
      'manifest.dsse.json',
      'ocsf.ndjson',
      'oscal/assessment-results.json',
      `policy/${'cd'.repeat(32)}/policy.json`,
      'proofs/context.ndjson',
      'proofs/hashes.txt',
      recording,
      'records.ndjson',
    ])
    expect(contentOf(out).get(recording)).toEqual(contentOf(directory).get(recording))
    expect((await verifyEvidence(directory)).status).toBe('ok')
  })

  it('of some time is the stretch of the log that holds it, with what was just before and after', async () => {
    const directory = await richDirectory()
    const times = { from: '2026-04-18T09:00:00.013Z', to: '2026-04-18T09:00:00.017Z' }
    const { out, predicate } = await exportTo(directory, times)
    expect(recordsIn(out).map(({ index }) => index)).toEqual([9, 10, 11, 12])
    expect(predicate.range).toEqual({ first: 9, last: 12 })
    expect(eventsIn(out, 'proofs/context.ndjson')).toEqual(['policy.activated', 'decision.hold', 'decision.forward'])
    expect(await verifyBundle(out, trust)).toMatchObject({ status: 'ok', checkpoint: 'verified', manifest: 'verified' })
  })

  it('takes along an approval that was granted before the time and used in it', async () => {
    const directory = await richDirectory()
    const { out } = await exportTo(directory, { from: '2026-04-18T09:00:00.015Z' })
    expect(eventsIn(out)[0]).toBe('decision.forward')
    expect(eventsIn(out, 'proofs/context.ndjson')).toContain('approval.granted')
    expect((await verifyBundle(out, trust)).status).toBe('ok')
  })

  it('of an agent has its sessions, the answers to its holds and its outcomes, and nobody else’s', async () => {
    const { out, predicate } = await exportTo(await richDirectory(2), { agent: 'collector' })
    expect(predicate.counts.events).toEqual({
      'identity.verified': 2,
      'session.opened': 2,
      'decision.mask': 2,
      'decision.reject': 2,
      'decision.hold': 2,
      'decision.forward': 4,
      'approval.requested': 2,
      'approval.granted': 2,
      'outcome.ok': 4,
      'outcome.failed': 2,
      'session.closed': 2,
    })
    expect(readFileSync(join(out, 'records.ndjson'), 'utf8')).not.toContain('reconciler-')
    expect(predicate.counts.frames).toBe(4)
  })

  it('of nothing says so, and verifies', async () => {
    const { out, predicate } = await exportTo(await richDirectory(), { from: '2030-01-01T00:00:00.000Z' })
    expect(predicate).toMatchObject({ range: null, counts: { records: 0, frames: 0 } })
    expect((await verifyBundle(out, trust)).status).toBe('ok')
  })

  it('without a key says that nobody signed it, and is refused where a key was expected', async () => {
    const { out } = await exportTo(await richDirectory(), {}, { signer: null })
    expect(readFileSync(join(out, 'VERIFY.md'), 'utf8')).toContain('**not signed**')
    expect(await verifyBundle(out, { logKey: trust.logKey })).toMatchObject({ status: 'ok', manifest: 'none' })
    expect(await verifyBundle(out, trust)).toMatchObject({ status: 'tampered', manifest: 'wrong' })
  })

  it('takes along reports and policy bundles that are at hand', async () => {
    const digest = 'cd'.repeat(32)
    const { out } = await exportTo(
      await richDirectory(),
      {},
      {
        policyFile: (asked) => Promise.resolve(asked === digest ? Buffer.from('bundle') : null),
        reports: ({ size, origin }) => Promise.resolve([{ name: 'controls.csv', content: `${origin},${size}\r\n` }]),
      },
    )
    expect(contentOf(out).get('controls.csv')?.toString()).toBe('bank.example/gw-1,30\r\n')
    expect(contentOf(out).get(`policy/${digest}/bundle.tar.gz`)?.toString()).toBe('bundle')
    expect((await verifyBundle(out, policiesAre(digest))).status).toBe('ok')
    expect((await verifyBundle(out, policiesAre('ef'.repeat(32)))).status).toBe('tampered')
  })

  it('keeps an erased payload erased, which only a retention.applied makes right', async () => {
    const directory = await richDirectory()
    const file = fileOf(directory, 'records')
    const text = file.read().toString('utf8')
    const salted = /"salted":\{"body":.*?"salt":"[0-9a-f]{32}"\}/.exec(text)?.[0] ?? ''
    const at = text.slice(0, text.indexOf(salted)).split('\n').length
    const log = await openSigned(directory, stepClock(Date.UTC(2026, 5, 1)))
    const erased = [{ kind: 'record', writer: file.name.slice(8, -7), from: at, to: at }]
    await log.append({ event: 'retention.applied', detail: { rule: 'old', erased } }).durable
    await log.close()
    file.write(Buffer.from(text.replace(salted, '"salted":null'.padEnd(salted.length))))
    const { out } = await exportTo(directory, { agent: 'reconciler' })
    expect(readFileSync(join(out, 'records.ndjson'), 'utf8')).toContain(`"salted":null${' '.repeat(9)}`)
    expect(await verifyBundle(out, trust)).toMatchObject({ status: 'ok', findings: [] })
    const before = signCheckpoint(
      { ...(await rootOf(directory, 30)), origin: 'bank.example/gw-1', size: 30 },
      logSigner(),
    )
    const earlier = await exportTo(directory, { agent: 'reconciler' }, { checkpoint: before })
    expect((await verifyBundle(earlier.out, trust)).status).toBe('incomplete')
  })
})

/** The root of the log's first records, from an export that says what it found. */
async function rootOf(directory: string, size: number): Promise<{ readonly root: Buffer }> {
  const wrong = signCheckpoint({ origin: 'bank.example/gw-1', size, root: Buffer.alloc(32) }, logSigner())
  const message = await exportTo(directory, {}, { checkpoint: wrong }).then(
    () => '',
    (error: Error) => error.message,
  )
  return { root: Buffer.from(/found root (\S+);/.exec(message)?.[1] ?? '', 'base64') }
}

const out = (): string => join(scratch(), 'bundle')

/** Why it was refused, and what is left where the bundle would have been. */
async function refusal(
  at: string,
  work: Promise<unknown>,
): Promise<{ readonly code: unknown; readonly left: readonly string[] }> {
  const code = await work.then(
    () => 'not refused',
    (error: unknown): unknown => Reflect.get(Object(error), 'code'),
  )
  return { code, left: readdirSync(dirname(at)) }
}

const unnoted = (): Promise<void> => Promise.reject(new Error('the disk is full'))

describe('an export is refused, and leaves nothing behind,', () => {
  it('where the records are not those that were signed', async () => {
    const directory = await richDirectory()
    const at = out()
    const checkpoint = signCheckpoint({ origin: 'bank.example/gw-1', size: 30, root: Buffer.alloc(32, 7) }, logSigner())
    expect(await refusal(at, exportTo(directory, {}, { checkpoint, out: at }))).toEqual({
      code: 'ERR_EVIDENCE_TAMPERED',
      left: [],
    })
    const more = signCheckpoint({ origin: 'bank.example/gw-1', size: 31, root: Buffer.alloc(32, 7) }, logSigner())
    expect(await refusal(at, exportTo(directory, {}, { checkpoint: more, out: at }))).toEqual({
      code: 'ERR_EVIDENCE_TAMPERED',
      left: [],
    })
  })

  it('where a recording lacks what records name', async () => {
    const directory = await richDirectory()
    const file = fileOf(directory, 'recordings')
    file.write(file.read().subarray(0, 100))
    const at = out()
    expect(await refusal(at, exportTo(directory, {}, { out: at }))).toEqual({ code: 'ERR_EVIDENCE_TAMPERED', left: [] })
  })

  it('without a checkpoint, with other text for one, and with the log’s own key', async () => {
    const bare = scratch()
    await (await openLog(bare)).close()
    const at = out()
    expect(await refusal(at, exportTo(bare, {}, { out: at }))).toEqual({ code: 'ERR_EVIDENCE_EXPORT', left: [] })
    const directory = await richDirectory()
    expect(await refusal(at, exportTo(directory, {}, { out: at, checkpoint: 'bank' }))).toEqual({
      code: 'ERR_EVIDENCE_EXPORT',
      left: [],
    })
    expect(await refusal(at, exportTo(directory, {}, { out: at, signer: logSigner() }))).toEqual({
      code: 'ERR_EVIDENCE_EXPORT',
      left: [],
    })
    const sameName = logSigner(99, 'bank.example/gw-1')
    expect(await refusal(at, exportTo(directory, {}, { out: at, signer: sameName }))).toEqual({
      code: 'ERR_EVIDENCE_EXPORT',
      left: [],
    })
  })

  it('where something is in the way, which is left as it is', async () => {
    const at = out()
    mkdirSync(at)
    writeFileSync(join(at, 'mine'), 'x')
    const made = exportTo(await richDirectory(), {}, { out: at })
    expect(await refusal(at, made)).toEqual({ code: 'ERR_EVIDENCE_EXPORT', left: ['bundle'] })
    expect(readdirSync(at)).toEqual(['mine'])
  })

  it('when it can’t be noted', async () => {
    const at = out()
    await expect(exportTo(await richDirectory(), {}, { out: at, beforePublishing: unnoted })).rejects.toThrow(
      'the disk is full',
    )
    expect(readdirSync(dirname(at))).toEqual([])
  })
})

describe('verifying a bundle', () => {
  it('says what it could not check', async () => {
    const { out } = await exportTo(await richDirectory())
    expect(await verifyBundle(out)).toMatchObject({ status: 'ok', manifest: 'unchecked', checkpoint: 'unchecked' })
  })

  it('tells a changed mapping from a changed bundle', async () => {
    const { out } = await exportTo(await richDirectory())
    const copy = join(scratch(), 'copy')
    cpSync(out, copy, { recursive: true })
    replaceIn(copy, 'ocsf.ndjson', '"1.8.0"', '"1.9.0"')
    reseal(copy, (predicate) => ({ ...predicate, mapping: { ...predicate.mapping, version: 2, ocsf: '1.9.0' } }))
    const { status, findings } = await verifyBundle(copy, trust)
    expect(status).toBe('cannot')
    expect(findings.map(({ message }) => message)).toEqual([
      'derived files are of a mapping that this build doesn’t know',
    ])
  })
})

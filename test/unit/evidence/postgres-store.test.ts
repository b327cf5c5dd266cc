import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { EvidenceReader } from '../../../console/evidence-reader.ts'
import { SHIPPED_CONTROLS } from '../../../engine/controls/index.ts'
import {
  EVERYTHING,
  exportEvidence,
  openEvidence,
  postgresStore,
  pullEvidence,
  readFrames,
  retain,
  sourceOf,
  verifierText,
  verifyEvidence,
  type Erasable,
  type EvidenceLog,
  type EvidenceSource,
  type PostgresAddress,
  type RetainReport,
  type WriterOptions,
} from '../../../engine/evidence/index.ts'
import { openDirectoryOrder } from '../../../engine/evidence/directory-order.ts'
import { localFiles } from '../../../engine/evidence/file-store.ts'
import { checkSession, collectSession } from '../../../engine/replay/index.ts'
import type { OverviewDoor } from '../../../engine/overview/index.ts'
import { startDatabases, type Databases } from '../../support/databases.ts'
import { startWitness } from '../../support/witness-process.ts'
import { openIndexOf } from '../overview/setting.ts'
import { collectBothWays } from '../replay/both-ways.ts'
import { recordSession, SESSION } from '../replay/recorded-session.ts'
import { cosigner } from './cosigned.ts'
import { logSigner, openSigned } from './signed.ts'
import { fileOf, intent, linesOf, outcome, rows, scratch, stepClock, writeLines, writeSession } from './workbench.ts'

let databases: Databases
beforeAll(async () => {
  databases = await startDatabases()
})
afterAll(async () => {
  await databases?.[Symbol.asyncDispose]()
})

const signer = logSigner()
const QUIET = { everyMs: 3_600_000, heartbeatMs: 3_600_000 }

/** A log in a database, that signs when it is closed. */
async function openIn(address: PostgresAddress, options: Partial<WriterOptions> = {}): Promise<EvidenceLog> {
  const store = postgresStore(address, { patienceMs: 0 })
  onTestFinished(() => store.close())
  return openEvidence(store, { instance: 'gw-1', signer, rhythm: QUIET, ...stepClock(), ...options })
}

/** Pulls into a new directory and verifies that. */
async function pulled(address: PostgresAddress): Promise<string> {
  const directory = scratch()
  await pullEvidence(address, directory)
  return directory
}

/** Every file beneath a directory, with its content; locks are no evidence. */
function filesIn(directory: string): Readonly<Record<string, string>> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const all = entries.map(({ parentPath, name }): [string, string] => {
    const path = join(parentPath, name)
    return [path.slice(directory.length + 1), readFileSync(path, 'latin1')]
  })
  return Object.fromEntries(all.filter(([path]) => !path.startsWith('locks/')))
}

function countingRandom(): (bytes: number) => Uint8Array {
  let count = 0
  return (bytes) => Buffer.alloc(bytes, (count += 1))
}

describe('the same gateway, once over files and once over a database', () => {
  it('leaves the same bytes', async () => {
    const directory = scratch()
    const address = await databases.create()
    for (let day = 1; day <= 3; day += 1) {
      const options = (): Partial<WriterOptions> => ({
        ...stepClock(Date.UTC(2026, 3, day)),
        random: countingRandom(),
      })
      const logs = [await openSigned(directory, options()), await openIn(address, options())]
      for (const log of logs) {
        await writeSession(log, `s-${day}`, 70)
        await log.appendFrame('s-u', rows('d', ['line\u2028separator', 'quote " back \\ tab \t', '\u{1f512}', '\0']))
          .durable
        await log.close()
      }
    }
    const order = await openDirectoryOrder(directory, localFiles)
    await order.resume((await order.sequence()).runs) // As a start does, and a pull: runs joined.
    await order.release()
    const copy = await pulled(address)
    expect(filesIn(copy)).toEqual(filesIn(directory))
    expect(await verifyEvidence(copy, { logKey: signer.verifier })).toMatchObject({ status: 'ok', findings: [] })
  })
})

describe('recovery', () => {
  it('closes what a lost connection left, whether or not its last batch took effect', async () => {
    const address = await databases.create()
    const failures: unknown[] = []
    const log = await openIn(address, { onFailure: (error) => failures.push(error) })
    await writeSession(log, 's-1', 2)
    await log.append(intent('d-open')).durable
    await databases.sql(address, END_ALL_SESSIONS)
    await expect(log.append(intent('d-after')).durable).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_WRITE',
      fatal: true,
    })
    await expect(log.append(intent('d-later')).durable).rejects.toBe(failures[0])
    await expect(log.close()).rejects.toMatchObject({ code: 'ERR_EVIDENCE_WRITE' })
    const next = await openIn(address, stepClock(Date.UTC(2026, 3, 19)))
    expect(next.inDoubt.map(({ decision }) => decision)).toEqual(['d-open'])
    await next.close()
    const report = await verifyEvidence(await pulled(address), { logKey: signer.verifier })
    expect(report).toMatchObject({ status: 'ok', findings: [], writers: [{ state: 'crash' }, { state: 'clean' }] })
  })

  it('refuses a changed row, and a row that is gone', async () => {
    const address = await databases.create()
    const log = await openIn(address)
    await writeSession(log, 's-1', 3)
    await databases.sql(address, END_ALL_SESSIONS)
    await log.close().catch(() => undefined)
    await databases.sql(
      address,
      `UPDATE evidence_lines SET line = replace(line, 'reconciler', 'recanciler') WHERE seq = 3`,
    )
    await expect(openIn(address)).rejects.toMatchObject({ code: 'ERR_EVIDENCE_TAMPERED', fatal: true })
    await databases.sql(address, `DELETE FROM evidence_lines WHERE seq = 3`)
    await expect(openIn(address)).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_TAMPERED',
      message: expect.stringContaining('the sequence is broken'),
    })
  })

  it('refuses to sign beyond a checkpoint whose tile or root is gone', async () => {
    const address = await databases.create()
    const log = await openIn(address)
    await writeSession(log, 's-1', 3)
    await log.close()
    await databases.sql(address, 'UPDATE evidence_tiles SET hashes = overlay(hashes placing $$x$$ from 1)')
    await expect(openIn(address)).rejects.toMatchObject({ code: 'ERR_EVIDENCE_TAMPERED' })
    await databases.sql(address, 'DELETE FROM evidence_tiles')
    await expect(openIn(address)).rejects.toMatchObject({ code: 'ERR_EVIDENCE_TAMPERED' })
  })
})

const END_ALL_SESSIONS = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
  WHERE application_name = 'countersign evidence' AND datname = current_database()`

describe('one writer an instance', () => {
  it('a second one is refused while the first lives, and let in when it is gone', async () => {
    const address = await databases.create()
    const first = await openIn(address, { rhythm: { ...QUIET, everyMs: 50 } })
    await expect(openIn(address)).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_LOCKED',
      message: expect.stringMatching(/^postgres:.*another process writes evidence as instance "gw-1"/),
    })
    const other = await openIn(address, { instance: 'gw-2' })
    await other.close()
    await first.close()
    await (await openIn(address)).close()
    expect(await verifyEvidence(await pulled(address))).toMatchObject({ status: 'ok' })
  })

  it('a writer that another process has ended writes nothing any more', async () => {
    const address = await databases.create()
    const log = await openIn(address)
    await databases.sql(address, 'UPDATE evidence_writers SET ended = true')
    await expect(log.append(intent('d-1')).durable).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_WRITE',
      message: expect.stringContaining('0 of 1 lines were taken: this writer was ended by another process'),
    })
    await log.close().catch(() => undefined)
    expect(await databases.sql(address, 'SELECT count(*)::integer AS lines FROM evidence_lines')).toEqual([
      { lines: 1 },
    ])
  })

  it('no seq can be taken twice, and no record follows one that another follows', async () => {
    const address = await databases.create()
    const log = await openIn(address)
    await log.append(intent('d-1')).durable
    await log.append(outcome('d-1')).durable
    await log.close()
    const again = (columns: string): Promise<unknown> =>
      databases.sql(
        address,
        `INSERT INTO evidence_lines SELECT writer, kind, ${columns}, line FROM evidence_lines WHERE seq = 2`,
      )
    await expect(again(`seq, '\\x00'`)).rejects.toThrow(/evidence_lines_pkey/)
    await expect(again('seq + 100, prev')).rejects.toThrow(/evidence_lines_chain/)
  })

  it('a batch of 60 MB goes in whole', { timeout: 60_000 }, async () => {
    const address = await databases.create()
    const log = await openIn(address)
    const text = 'x'.repeat(60_000)
    const frames = Array.from({ length: 1000 }, (_, index) => log.appendFrame('s-1', rows(`d-${index}`, text)).durable)
    await Promise.all(frames)
    await log.close()
    expect(await verifyEvidence(await pulled(address))).toMatchObject({ status: 'ok', frames: 1000 })
  })
})

describe('the tables', () => {
  it('are made once, however many gateways start at once', async () => {
    const address = await databases.create()
    const logs = await Promise.all(['a', 'b', 'c', 'd'].map((instance) => openIn(address, { instance })))
    await Promise.all(logs.map((log) => log.close()))
    expect(await verifyEvidence(await pulled(address))).toMatchObject({ status: 'ok', writers: [{}, {}, {}, {}] })
  })

  it('of a later version are left alone', async () => {
    const address = await databases.create()
    await (await openIn(address)).close()
    await databases.sql(address, 'INSERT INTO evidence_migrations VALUES (99)')
    const refused = { code: 'ERR_EVIDENCE_STORE', message: expect.stringMatching(/schema \d+ or earlier; found 99/) }
    await expect(openIn(address)).rejects.toMatchObject(refused)
    await expect(pullEvidence(address, scratch())).rejects.toMatchObject(refused)
  })

  it('serve a role that may read and add to them, and make none', async () => {
    const address = await databases.create()
    await (await openIn(address)).close()
    await databases.sql(
      address,
      `CREATE ROLE gateway LOGIN PASSWORD 'secret';
      GRANT SELECT ON ALL TABLES IN SCHEMA public TO gateway;
      GRANT INSERT ON evidence_writers, evidence_lines, evidence_runs, evidence_tiles, evidence_documents TO gateway;
      GRANT UPDATE (ended) ON evidence_writers TO gateway;
      GRANT UPDATE ON evidence_documents, evidence_tiles TO gateway; GRANT DELETE ON evidence_tiles TO gateway`,
    )
    const narrow = { ...address, user: 'gateway', password: 'secret' }
    const log = await openIn(narrow)
    await writeSession(log, 's-1', 1)
    await log.close()
    expect(await verifyEvidence(await pulled(narrow))).toMatchObject({ status: 'ok', records: 8 })
  })

  it('are not looked for in a database of another encoding, nor on a server that is not there', async () => {
    const address = await databases.create()
    await databases.sql(
      address,
      `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'`,
    )
    await expect(openIn({ ...address, database: 'latin' })).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_STORE',
      message: expect.stringContaining('encoding UTF8; found LATIN1'),
    })
    await expect(openIn({ ...address, port: 1 })).rejects.toMatchObject({ code: 'ERR_EVIDENCE_STORE', fatal: true })
    await expect(openIn({ ...address, password: 'wrong' })).rejects.toMatchObject({
      message: expect.not.stringContaining('wrong'),
    })
  })
})

/** A database with a session in it, and a directory that was pulled from it. */
async function pulledOnce(): Promise<{ readonly address: PostgresAddress; readonly directory: string }> {
  const address = await databases.create()
  const log = await openIn(address)
  await writeSession(log, 's-1', 3)
  await log.close()
  return { address, directory: await pulled(address) }
}

describe('pulling', () => {
  it('again brings what is new and leaves the rest, and a copy that was cut short is completed', async () => {
    const { address, directory } = await pulledOnce()
    const checkpoint = readFileSync(join(directory, 'log', 'checkpoint'), 'utf8')
    const next = await openIn(address, stepClock(Date.UTC(2026, 3, 19)))
    await writeSession(next, 's-2', 2)
    await next.close()
    for (const part of ['records', 'recordings'] as const) {
      const file = fileOf(directory, part)
      file.write(file.read().subarray(0, -20))
    }
    expect(await pullEvidence(address, directory)).toMatchObject({ writers: 2, records: 1 + 8, frames: 1 + 2 })
    expect(await pullEvidence(address, directory)).toMatchObject({ writers: 2, records: 0, frames: 0 })
    expect(filesIn(directory)).toEqual(filesIn(await pulled(address)))
    const trust = { logKey: signer.verifier, since: checkpoint }
    expect(await verifyEvidence(directory, trust)).toMatchObject({ status: 'ok', findings: [] })
  })

  it('refuses a database that has other lines than were pulled, or went back', async () => {
    const { address, directory } = await pulledOnce()
    const before = filesIn(directory)
    const tampered = { code: 'ERR_EVIDENCE_TAMPERED', message: expect.stringContaining('pulled before') }
    await databases.sql(address, `DELETE FROM evidence_lines WHERE seq = (SELECT max(seq) FROM evidence_lines)`)
    await expect(pullEvidence(address, directory)).rejects.toMatchObject(tampered)
    await databases.sql(address, 'DELETE FROM evidence_documents')
    await expect(pullEvidence(address, directory)).rejects.toMatchObject(tampered)
    expect(filesIn(directory)).toEqual(before)
  })

  it('finds a gap in the rows', async () => {
    const { address } = await pulledOnce()
    await databases.sql(address, `DELETE FROM evidence_lines WHERE kind = 'record' AND seq = 4`)
    await expect(pullEvidence(address, scratch())).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_TAMPERED',
      message: expect.stringContaining('lines without a gap'),
    })
  })

  it('what was changed in the database is found in the directory', async () => {
    const { address } = await pulledOnce()
    await databases.sql(address, `UPDATE evidence_lines SET line = replace(line, '"rows":1', '"rows":2')`)
    expect(await verifyEvidence(await pulled(address))).toMatchObject({ status: 'tampered' })
  })
})

it('leaves a directory of its own alone when it isn’t one that was pulled', async () => {
  const address = await databases.create()
  const log = await openIn(address)
  await writeSession(log, 's-1', 1)
  await log.close()
  const directory = await pulled(address)
  const file = fileOf(directory, 'records')
  writeLines(file, [...linesOf(file), '{"more":"lines than the database has"}'])
  const other = scratch()
  cpSync(directory, other, { recursive: true })
  mkdirSync(join(other, 'notes'))
  writeFileSync(join(other, 'notes', 'mine'), 'x')
  await expect(pullEvidence(address, other)).rejects.toMatchObject({ code: 'ERR_EVIDENCE_TAMPERED' })
})

it('is followed by an index as a directory is: writer by writer, each record once, read back whole', async () => {
  const address = await databases.create()
  const store = postgresStore(address)
  onTestFinished(() => store.close())
  const [one, two] = [await openIn(address), await openIn(address, { instance: 'gw-2' })]
  await writeSession(one, 's-1', 30)
  const index = await openIndexOf(store.source)
  expect(await index.advance()).toBe(64)
  await writeSession(two, 's-2', 2)
  await Promise.all([two.close(), one.close()]) // each waits a while for the other to sign what it wrote
  expect(await index.advance()).toBeGreaterThanOrEqual(8)
  expect(await index.advance()).toBe(0)
  expect((await index.ask.sessions({ limit: 9 })).rows.map(({ id, decisions }) => [id, decisions])).toEqual(
    expect.arrayContaining([
      ['s-1', 30],
      ['s-2', 2],
    ]),
  )
  const whole = await index.ask.decision({ id: 's-1-d29', payload: false })
  expect(whole?.records.map(({ fields }) => fields['event'])).toEqual(['decision.forward', 'outcome.ok'])
})

/** Two gateways' evidence in one database, one of them with the session that is asked for; made once. */
async function twoGateways(): Promise<{ readonly address: PostgresAddress; readonly source: EvidenceSource }> {
  const address = await (recorded ??= recordTwo())
  const store = postgresStore(address)
  onTestFinished(() => store.close())
  return { address, source: store.source }
}

let recorded: Promise<PostgresAddress> | null = null

async function recordTwo(): Promise<PostgresAddress> {
  const address = await databases.create()
  const [one, two] = [await openIn(address), await openIn(address, { instance: 'gw-2' })]
  await writeSession(one, 's-1', 20)
  await recordSession(two)
  await writeSession(one, 's-2', 20)
  await Promise.all([two.close(), one.close()])
  return address
}

describe('a page reads a database as it reads a directory', () => {
  it('one session, without reading the others, with its proofs', async () => {
    const { address, source } = await twoGateways()
    const directory = await pulled(address)
    const found = await collectBothWays(source, SESSION)
    expect(found).toEqual(await collectSession(directory, SESSION))
    expect(found.records.every(({ index }) => index !== null)).toBe(true)
    const { checks } = await checkSession(found, [verifierText(signer.verifier)])
    expect(checks.filter(({ state }) => state === 'bad')).toEqual([])
    const index = await openIndexOf(source)
    const places = await index.ask.replay({ id: SESSION })
    expect(places?.records.flatMap((each) => each.places).length).toBeLessThan(40) // of 100
  })

  it('on its own threads, and exports all of it into the same bundle', async () => {
    const { address, source } = await twoGateways()
    const index = await openIndexOf(source)
    const place = { evidence: { postgres: address }, exportKey: null, controls: SHIPPED_CONTROLS, policies: [] }
    const ask: OverviewDoor['ask'] = (name, asked) => Promise.resolve(index.ask[name](asked))
    const reader = new EvidenceReader({ ...place, producer: '0.0.0' }, { ask, onAdvance: () => () => undefined })
    onTestFinished(() => reader.close())
    expect(JSON.parse((await reader.session(SESSION)) ?? '')).toEqual(await collectSession(source, SESSION))
    expect(await reader.session('none')).toBeNull()
    const [there, here] = [join(scratch(), 'bundle'), join(scratch(), 'bundle')]
    const query = { ...EVERYTHING, session: SESSION }
    await reader.export({ query, out: there, onProgress: () => undefined, beforePublishing: () => Promise.resolve() })
    await exportEvidence({ query, out: here, evidence: await pulled(address), signer: null, producer: '0.0.0' })
    expect(filesIn(there)).toEqual(filesIn(here))
  })

  it('a row that is gone is missed, and not read over', async () => {
    const { address, source } = await twoGateways()
    await databases.sql(address, `DELETE FROM evidence_lines WHERE kind = 'record' AND seq = 40`)
    const out = join(scratch(), 'bundle')
    const asked = exportEvidence({ evidence: source, out, query: EVERYTHING, signer: null, producer: '0.0.0' })
    await expect(asked).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_TAMPERED',
      message: expect.stringContaining('record 40'),
    })
  })
})

describe('retention, a new key and a witness, as over a directory', () => {
  it('erases the same payloads, and what was pulled verifies by the first key and the witness', async () => {
    const [next, by] = [logSigner(8), cosigner()]
    const witness = await startWitness({ cosigner: by, logs: [signer.verifier, next.verifier], home: scratch() })
    onTestFinished(() => witness.kill())
    const witnesses = [{ url: witness.url, key: by.verifier }]
    const address = await databases.create()
    const old = await openIn(address, { ...stepClock(Date.UTC(2026, 1, 1)), witnesses })
    await writeSession(old, 's-old', 3)
    await old.close()
    const second = await openIn(address, { signer: next, previousSigner: signer, witnesses })
    await writeSession(second, 's-new', 2)
    await retainIn(address)
    await second.close()
    const directory = await pulled(address)
    expect(await payloadsIn(directory)).toEqual({ 's-old': { erased: 3, kept: 0 }, 's-new': { erased: 0, kept: 2 } })
    const trust = { logKey: signer.verifier, witnessKeys: [by.verifier] }
    expect(await verifyEvidence(directory, trust)).toMatchObject({
      status: 'ok',
      findings: [],
      events: { 'key.rotated': 1, 'retention.applied': 1 },
    })
  })

  it('a run that dies anywhere is finished by the next, and none erases what is not recorded', async () => {
    const address = await databases.create()
    const log = await openIn(address, { ...stepClock(Date.UTC(2026, 1, 1)) })
    await writeSession(log, 's-old', 3)
    await log.close()
    const death = new Error('the machine died')
    await expect(retainIn(address, () => Promise.reject(death))).rejects.toThrow('the machine died')
    expect(await payloadsIn(await pulled(address))).toEqual({ 's-old': { erased: 0, kept: 3 } })
    const { finished, due } = await retainIn(address)
    expect([finished, due]).toEqual([3, []])
    await (await openIn(address, stepClock(Date.UTC(2026, 6, 1)))).close() // signs what the notes left
    const directory = await pulled(address)
    expect(await payloadsIn(directory)).toEqual({ 's-old': { erased: 3, kept: 0 } })
    expect((await verifyEvidence(directory)).findings).toEqual([])
  })
})

async function retainIn(address: PostgresAddress, erase?: Erasable['erase']): Promise<RetainReport> {
  const store = postgresStore(address)
  onTestFinished(() => store.close())
  const notes = await openEvidence(store, { instance: 'gw-1-cli', ...stepClock(Date.UTC(2026, 5, 1)) })
  try {
    return await retain(
      { source: store.source, erase: erase ?? ((...payloads) => store.erase(...payloads)) },
      {
        rules: [{ resource: '*', olderThan: '30d', olderThanMs: 30 * 24 * 3_600_000 }],
        holds: [],
        now: Date.UTC(2026, 3, 19),
        reason: null,
        record: (draft) => notes.append(draft).durable,
      },
    )
  } finally {
    await notes.close()
  }
}

/** Of frames, by session: how many answers are gone, and how many are there. */
async function payloadsIn(
  directory: string,
): Promise<Readonly<Record<string, { readonly erased: number; readonly kept: number }>>> {
  const found: Record<string, { erased: number; kept: number }> = {}
  for (const { id } of await sourceOf(directory).writers()) {
    for await (const { frame, payload } of readFrames(directory, id)) {
      const counts = (found[frame.session] ??= { erased: 0, kept: 0 })
      if (payload === null) counts.erased += 1
      else counts.kept += 1
    }
  }
  return found
}

import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { verifierText, type EvidenceLog, type NoteSigner, type RecordDraft } from '../../../engine/evidence/index.ts'
import { signatureLine } from '../../../engine/evidence/signed-note.ts'
import { checkSession, entriesOf, replayOf, type Check, type SessionEvidence } from '../../../engine/replay/index.ts'
import { logSigner, openSigned } from '../evidence/signed.ts'
import { scratch } from '../evidence/workbench.ts'
import { collectBothWays } from './both-ways.ts'
import { recordedDirectory, recordSession, SESSION } from './recorded-session.ts'

const evidenceIn = (directory: string): Promise<SessionEvidence> => collectBothWays(directory, SESSION)

async function checked(
  directory: string,
  name: Check['name'],
  keys: readonly string[] = [],
): Promise<Check | undefined> {
  const { checks } = await checkSession(await evidenceIn(directory), keys)
  return checks.find((each) => each.name === name)
}

async function noted(...drafts: readonly RecordDraft[]): Promise<string> {
  const directory = scratch()
  const log = await openSigned(directory)
  await recordSession(log)
  for (const draft of drafts) await log.append(draft).durable
  await log.close()
  return directory
}

/** Blanks the payload beside the refused DELETE: record 10 of its writer. */
function erasedCopy(directory: string, writer: string): string {
  const copy = scratch()
  cpSync(directory, copy, { recursive: true })
  const path = join(copy, 'records', `${writer}.ndjson`)
  const blanked = readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => {
      const at = line.indexOf(',"salted":') + ',"salted":'.length
      return line.includes('DELETE FROM') ? `${line.slice(0, at)}null${' '.repeat(line.length - at - 5)}}` : line
    })
  writeFileSync(path, blanked.join('\n'))
  return copy
}

const exported = (query: object): RecordDraft => {
  const detail: RecordDraft['detail'] = JSON.parse(JSON.stringify({ query, by: 'axel', reason: 'exam' }))
  return { event: 'evidence.exported', detail: detail ?? {} }
}

/** As docs/evidence-format.md has it: both keys sign what the log was when the one gave way to the other. */
function rotated(from: NoteSigner, to: NoteSigner, by: readonly NoteSigner[] = [from, to]): RecordDraft {
  const [old, next] = [verifierText(from.verifier), verifierText(to.verifier)]
  const root = Buffer.alloc(32, 1)
  const text = `countersign/key-rotation/v1\norigin bank.example/gw-1\nsize 3\nroot ${root.toString('base64')}\nold ${old}\nnew ${next}\n`
  const statement = `${text}\n${by.map((signer) => signatureLine(signer, text)).join('')}`
  return { event: 'key.rotated', detail: { old, new: next, size: 3, root: root.toString('hex'), statement } }
}

async function directoryOf(signer: NoteSigner, ...drafts: readonly RecordDraft[]): Promise<string> {
  const directory = scratch()
  const log = await openSigned(directory, { signer })
  for (const draft of drafts) await log.append(draft).durable
  await recordSession(log)
  await log.close()
  return directory
}

const key = (signer: NoteSigner): string => verifierText(signer.verifier)

async function erased(range: (seq: number) => object): Promise<string> {
  const directory = scratch()
  const log = await openSigned(directory)
  await recordSession(log)
  const lines = readFileSync(join(directory, 'records', `${log.writerId}.ndjson`), 'utf8').split('\n')
  const seq = lines.findIndex((line) => line.includes('DELETE FROM')) + 1
  const about = { rule: 'public.transfers older than 90d', cutoff: '2026-04-18T09:00:00.000Z', reason: 'retention' }
  const stretch = { kind: 'record', writer: log.writerId, ...range(seq) }
  const detail: RecordDraft['detail'] = JSON.parse(JSON.stringify({ ...about, erased: [stretch] }))
  await log.append({ event: 'retention.applied', detail: detail ?? {} }).durable
  await log.close()
  return erasedCopy(directory, log.writerId)
}

describe('what was erased of a session', () => {
  test('is right by the record that names its stretch, and told with the rule', async () => {
    const directory = await erased((seq) => ({ from: seq - 2, to: seq }))
    expect(await checked(directory, 'payloads')).toMatchObject({ state: 'ok' })
    const replay = replayOf(SESSION, entriesOf(await evidenceIn(directory)))
    expect(replay.erasures).toMatchObject([{ rule: 'public.transfers older than 90d', reason: 'retention' }])
    expect(replay.steps[2]).toMatchObject({ statement: null, erased: [expect.any(String)] })
  })

  test.each([
    ['another stretch', (seq: number) => ({ from: seq + 1, to: seq + 9 })],
    ['the recording’s', (seq: number) => ({ from: seq, to: seq, kind: 'frame' })],
    ['another writer’s', (seq: number) => ({ from: seq, to: seq, writer: 'gw-2.1776502800000-070707070707' })],
  ])('is wrong by a record that names %s', async (_name, range) => {
    expect(await checked(await erased(range), 'payloads')).toMatchObject({ state: 'bad' })
  })
})

describe('who took the session away', () => {
  test.each([
    ['all of the log', { from: null, to: null, agent: null, session: null, control: null }, 1],
    ['this session', { session: SESSION }, 1],
    ['its agent, that day', { agent: 'reconciler', from: '2026-04-18T00:00:00Z', to: '2026-04-19T00:00:00Z' }, 1],
    ['by control, that day', { control: 'IS.II.C.18', from: '2026-04-18T00:00:00Z', to: null }, 1],
    ['another session', { session: 'another' }, 0],
    ['another agent', { agent: 'auditor-bot' }, 0],
    ['another day', { from: '2026-04-19T00:00:00Z', to: null }, 0],
    ['up to the day before', { from: null, to: '2026-04-18T00:00:00Z' }, 0],
  ])('with %s', async (_name, query, times) => {
    const { viewings } = replayOf(SESSION, entriesOf(await evidenceIn(await noted(exported(query)))))
    const told = { event: 'evidence.exported', by: 'axel', reason: 'exam' }
    expect(viewings).toMatchObject(Array.from({ length: times }, () => told))
  })
})

test('an answer that was withheld is an alarm, and one of the session’s own records', async () => {
  const directory = scratch()
  const log = await openSigned(directory)
  await log.append({ event: 'session.opened', session: SESSION }).durable
  const detail = { code: 'ERR_OBLIGATION_UNENFORCEABLE', message: 'the server describes another type' }
  await log.append({ event: 'masking.failed_closed', session: SESSION, detail }).durable
  await log.append({ event: 'session.closed', session: SESSION, detail: { reason: 'failed', records: 2 } }).durable
  await log.close()
  const { alarms, steps } = replayOf(SESSION, entriesOf(await evidenceIn(directory)))
  expect(steps).toEqual([])
  expect(alarms).toMatchObject([
    { event: 'masking.failed_closed', message: 'ERR_OBLIGATION_UNENFORCEABLE: the server describes another type' },
  ])
  expect(await checked(directory, 'session')).toMatchObject({ state: 'ok' })
})

test('a hold that was asked for in an earlier session, to which this one came back, is told with its answer', async () => {
  const directory = scratch()
  const log = await openSigned(directory)
  const terms = { approvers: ['payments'], quorum: 1, reason_required: false }
  const hold = { id: 'a-9', requestedAt: 1, expiresAt: 9, terms, answers: [] }
  const yes = { by: 'ann', issuer: 'i', answer: 'approve', reason: null, at: 5 }
  const put = (draft: RecordDraft): Promise<void> => log.append(draft).durable
  await put({
    event: 'approval.requested',
    session: 'earlier',
    decision: 'd-0',
    approval: { ...hold, state: 'requested' },
  })
  await put({ event: 'session.opened', session: SESSION })
  await put({ event: 'decision.hold', session: SESSION, decision: 'd-1', verdict: 'hold' })
  const granted = { ...hold, state: 'granted', answers: [yes] }
  await put({ event: 'approval.granted', session: 'earlier', decision: 'd-0', approval: granted })
  await put({ event: 'decision.forward', session: SESSION, decision: 'd-1', approval: { id: 'a-9', state: 'used' } })
  await put({ event: 'session.closed', session: SESSION, detail: { reason: 'client terminated', records: 3 } })
  await log.close()
  const { steps } = replayOf(SESSION, entriesOf(await evidenceIn(directory)))
  expect(steps).toMatchObject([{ hold: { approval: 'a-9', state: 'granted', answers: [{ by: 'ann' }] } }])
  expect(await checked(directory, 'session')).toMatchObject({ state: 'ok' })
})

test('a policy is in force since it was activated before the session, not since it was again', async () => {
  const directory = await recordedDirectory({
    around: async (log: EvidenceLog) => {
      const policy = { revision: 'r1', digest: 'cd'.repeat(32) }
      await log.append({ event: 'policy.activated', policy, detail: { pack: 'again' } }).durable
    },
  })
  const { policies, openedAt } = replayOf(SESSION, entriesOf(await evidenceIn(directory)))
  expect(policies).toMatchObject([{ pack: 'starter' }])
  expect((policies[0]?.since ?? '') < (openedAt ?? '')).toBe(true)
})

describe('a log whose key was rotated', () => {
  const first = logSigner(7)
  const second = logSigner(8)
  const third = logSigner(9)

  test('is checked by the first key, through every rotation, and by the last', async () => {
    const directory = await directoryOf(third, rotated(first, second), rotated(second, third))
    expect(await checked(directory, 'signature', [key(first)])).toMatchObject({
      state: 'ok',
      found: expect.stringMatching(/through 2 rotations$/),
    })
    expect(await checked(directory, 'signature', [key(third)])).toMatchObject({ state: 'ok' })
    expect(await checked(directory, 'signature', [key(logSigner(10))])).toMatchObject({ state: 'bad' })
  })

  test('is not by a rotation that one of the keys has not signed', async () => {
    for (const by of [[second], [first], [second, third]]) {
      const directory = await directoryOf(second, rotated(first, second, by))
      expect(await checked(directory, 'signature', [key(first)])).toMatchObject({ state: 'bad' })
    }
  })

  test('is not by a key that was compromised before', async () => {
    const gone = { event: 'key.compromised', detail: { key: key(first), from: 2 } } as const
    expect(await checked(await directoryOf(first, gone), 'signature', [key(first)])).toMatchObject({ state: 'bad' })
    const later = { event: 'key.compromised', detail: { key: key(first), from: 1000 } } as const
    expect(await checked(await directoryOf(first, later), 'signature', [key(first)])).toMatchObject({ state: 'ok' })
  })
})

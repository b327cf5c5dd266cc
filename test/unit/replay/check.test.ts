import { createPrivateKey, sign } from 'node:crypto'
import { hash } from 'node:crypto'
import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { verifierText } from '../../../engine/evidence/index.ts'
import { checkSession, type SessionCheck } from '../../../engine/replay/check.ts'
import { collectSession } from '../../../engine/replay/collect.ts'
import type { JsonValue } from '../../../engine/replay/json.ts'
import { parseSessionEvidence, type SessionEvidence } from '../../../engine/replay/session-evidence.ts'
import { logSigner } from '../evidence/signed.ts'
import { writeSession } from '../evidence/workbench.ts'
import { recordedDirectory, SESSION } from './recorded-session.ts'

const KEY = verifierText(logSigner().verifier)

async function recorded(): Promise<SessionEvidence> {
  let time = 0
  const around = (log: Parameters<typeof writeSession>[0]): Promise<void> =>
    writeSession(log, `other-${(time += 1)}`, 3)
  const evidence = await collectSession(await recordedDirectory({ around }), SESSION)
  if (evidence === null) throw new Error('no such session')
  return evidence
}

const states = ({ checks }: SessionCheck): Readonly<Record<string, string>> =>
  Object.fromEntries(checks.map(({ name, state }) => [name, state]))

const swap = (text: string): string => text.replace('DELETE FROM transfers', 'SELECT 1             ')

const blank = (text: string): string => {
  const at = text.indexOf(',"salted":{') + ',"salted":'.length
  return `${text.slice(0, at)}null${' '.repeat(text.length - at - 5)}}`
}

const HONEST = {
  bytes: 'ok',
  payloads: 'ok',
  recording: 'ok',
  session: 'ok',
  inclusion: 'ok',
  signature: 'ok',
  witness: 'absent',
}

describe('the evidence of one session', () => {
  test('holds when it is as it was recorded, other sessions around it', async () => {
    const check = await checkSession(await recorded(), [KEY])
    expect(states(check)).toEqual(HONEST)
    expect(check.state).toBe('ok')
  })

  test('without a key is not wholly checked, and says which key it takes', async () => {
    const check = await checkSession(await recorded())
    expect(check.state).toBe('unchecked')
    expect(check.checks.find(({ name }) => name === 'signature')?.found).toContain('bank.example/gw-1')
  })

  test.each([
    ['another log’s key', verifierText(logSigner(8).verifier)],
    ['a key of another name', verifierText(logSigner(7, 'bank.example/other').verifier)],
  ])('does not hold by %s', async (_name, key) => {
    expect(states(await checkSession(await recorded(), [key]))).toEqual({ ...HONEST, signature: 'bad' })
  })

  test('text that is no key counts for nothing', async () => {
    const check = await checkSession(await recorded(), [KEY.replace('+', '-'), KEY.slice(0, -4), ''])
    expect(states(check)).toEqual({ ...HONEST, signature: 'unchecked' })
  })
})

describe('what was done to it is found', () => {
  let honest: SessionEvidence
  beforeEach(async () => {
    honest ??= await recorded() // plain text: the directory may go
  })

  const without = (event: string): SessionEvidence => ({
    ...honest,
    records: honest.records.filter(({ line }) => !line.includes(`"event":"${event}"`)),
  })

  test.each([
    ['a rejection left out', () => without('decision.reject'), 'session'],
    ['an outcome left out', () => without('outcome.failed'), 'session'],
    ['the yes to a hold left out', () => without('approval.granted'), 'session'],
    ['a frame left out', () => ({ ...honest, frames: honest.frames.toSpliced(1, 1) }), 'recording'],
    ['the last frame left out', () => ({ ...honest, frames: honest.frames.slice(0, -1) }), 'recording'],
    ['two frames changed over', () => ({ ...honest, frames: honest.frames.toReversed() }), 'recording'],
    ['two records changed over', () => ({ ...honest, records: honest.records.toReversed() }), 'inclusion'],
    ['a record twice', () => ({ ...honest, records: honest.records.flatMap((each) => [each, each]) }), 'inclusion'],
    ['the evidence of another session', () => ({ ...honest, session: 'other-1' }), 'recording'],
    [
      'an older checkpoint',
      () => ({ ...honest, checkpoint: (honest.checkpoint ?? '').replace(/\n\d+\n/, '\n9\n') }),
      'inclusion',
    ],
    ['no checkpoint any more', () => ({ ...honest, checkpoint: 'bank.example/gw-1\n' }), 'inclusion'],
  ])('%s', async (_name, change, where) => {
    const check = await checkSession(change(), [KEY])
    expect(states(check)).toMatchObject({ [where]: 'bad' })
    expect(check.state).toBe('bad')
  })

  test('the end left out is at least no proof of completeness', async () => {
    expect(states(await checkSession(without('session.closed'), [KEY]))).toMatchObject({ session: 'unchecked' })
  })

  test('a payload in place of another, and one erased that no event tells of', async () => {
    const changed = { ...honest, records: honest.records.map((each) => ({ ...each, line: swap(each.line) })) }
    expect(states(await checkSession(changed, [KEY]))).toMatchObject({ bytes: 'bad', inclusion: 'ok' })
    const erased = { ...honest, frames: honest.frames.map(blank) }
    expect(states(await checkSession(erased, [KEY]))).toMatchObject({ bytes: 'ok', payloads: 'bad' })
  })

  test('any one character that is another', async () => {
    const text = JSON.stringify(honest)
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.integer({ min: 1, max: 94 }), async (at, by) => {
        const code = text.charCodeAt(at)
        const other = String.fromCharCode(code < 0x20 || code > 0x7e ? 0x21 : 0x20 + ((code - 0x20 + by) % 95))
        const changed = `${text.slice(0, at)}${other}${text.slice(at + 1)}`
        const evidence = parseSessionEvidence(parsed(changed))
        if (evidence === undefined) return
        const same = JSON.stringify(evidence) === text // a number with another spelling of the same value
        const { state } = await checkSession(evidence, [KEY])
        expect([state, same, changed.slice(Math.max(0, at - 40), at + 40)]).toEqual([
          same ? 'ok' : 'bad',
          same,
          expect.anything(),
        ])
      }),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 150) },
    )
  })
})

function parsed(text: string): JsonValue {
  try {
    const value: JsonValue = JSON.parse(text)
    return value
  } catch {
    return null
  }
}

describe('a witness', () => {
  const seed = Buffer.alloc(32, 9)
  const privateKey = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  })
  const publicKey = Buffer.from(privateKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  const typed = Buffer.concat([Buffer.of(4), publicKey])
  const id = hash('sha256', Buffer.concat([Buffer.from('witness.example/w1\n'), typed]), 'buffer').subarray(0, 4)
  const witnessKey = `witness.example/w1+${id.toString('hex')}+${typed.toString('base64')}`

  /** C2SP tlog-cosignature, said again with Node's own crypto. */
  function cosigned(evidence: SessionEvidence, time: bigint, signedTime = time): SessionEvidence {
    const checkpoint = evidence.checkpoint ?? ''
    const text = checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1)
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(time)
    const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${signedTime}\n${text}`), privateKey)
    const line = `— witness.example/w1 ${Buffer.concat([id, bytes, signature]).toString('base64')}\n`
    return { ...evidence, checkpoint: `${checkpoint}${line}` }
  }

  test('who cosigned is told, with the time', async () => {
    const check = await checkSession(cosigned(await recorded(), 1_800_000_000n), [KEY, witnessKey])
    expect(states(check)).toEqual({ ...HONEST, witness: 'ok' })
    expect(check.checks.at(-1)?.found).toBe('seen by witness.example/w1 at 2027-01-15T08:00:00Z')
  })

  test('whose time was moved is no witness', async () => {
    const check = await checkSession(cosigned(await recorded(), 1_800_000_000n, 1_700_000_000n), [KEY, witnessKey])
    expect(states(check)).toMatchObject({ witness: 'bad' })
  })

  test('whose key nobody gave is named, not believed', async () => {
    const check = await checkSession(cosigned(await recorded(), 1_800_000_000n), [KEY])
    expect(states(check)).toMatchObject({ witness: 'unchecked' })
  })

  test('a log’s signature is none of a witness’s', async () => {
    const forged = `bank.example/gw-1+${'00'.repeat(4)}+${typed.toString('base64')}`
    expect(states(await checkSession(await recorded(), [KEY, forged]))).toEqual(HONEST)
  })
})

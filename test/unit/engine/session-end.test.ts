import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { IdentityError, type Principal } from '../../../engine/index.ts'
import { SessionEnd, type EndRooms } from '../../../engine/session-end.ts'
import { AGENT, openRooms, request, type TestRooms } from '../../support/rooms.ts'

async function rooms(): Promise<TestRooms> {
  const opened = await openRooms()
  onTestFinished(() => opened[Symbol.asyncDispose]())
  return opened
}

const options = { signal: new AbortController().signal, patienceMs: 0 }
const endsAt = (opened: TestRooms, seconds: number): Principal => ({
  ...AGENT,
  expires_at: Math.floor(opened.clock / 1000) + seconds,
})

describe('a token that is over, where sessions end at the next request', () => {
  test('rejects it, records why, and tells the plane to end the session', async () => {
    const opened = await rooms()
    const session = opened.session(endsAt(opened, 60))
    expect((await session.decide(request(opened), options)).reasons[0]?.rule).not.toBe('token_expired')
    opened.clock += 61_000
    expect(session.over.aborted).toBe(false)
    const decision = await session.decide(request(opened), options)
    expect([decision.verdict.kind, decision.reasons[0]?.rule]).toEqual(['reject', 'token_expired'])
    await vi.waitFor(() => expect(session.over.aborted).toBe(true))
    expect(session.over.reason).toMatchObject({ code: 'ERR_IDENTITY_EXPIRED' })
    await session.close('credential over')
    const events = opened.records().map(({ event }) => event)
    expect(events.slice(-3)).toEqual(['decision.reject', 'credential.expired', 'session.closed'])
  })
})

describe('the end of a session', () => {
  const refusals: { now: IdentityError | null } = { now: null }
  const watchers = new Set<() => void>()
  const revocations: NonNullable<EndRooms['revocations']> = {
    refusal: () => refusals.now,
    watch: (changed) => {
      watchers.add(changed)
      return () => watchers.delete(changed)
    },
  }
  const revoked = new IdentityError('ERR_IDENTITY_REVOKED', 'the token has been revoked')
  const change = (refusal: IdentityError | null): void => {
    refusals.now = refusal
    for (const changed of watchers) changed()
  }
  const open = (
    around: Partial<EndRooms>,
    record = vi.fn(async () => undefined),
  ): readonly [SessionEnd, typeof record] => {
    change(null)
    const principal = { ...AGENT, expires_at: Math.floor(Date.now() / 1000) + 1 }
    const end = new SessionEnd(principal, { now: Date.now, revocations, ...around }, record)
    onTestFinished(() => end.close())
    return [end, record]
  }

  test('comes at once, where it is so configured, when its token is over', async () => {
    const [end, record] = open({ endings: { expiry: 'at_once', revocation: 'next_request' } })
    await vi.waitFor(() => expect(end.signal.aborted).toBe(true), 20_000)
    expect(record).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'ERR_IDENTITY_EXPIRED' }))
  })

  test('comes at once when its token is revoked, and is told once', async () => {
    const [end, record] = open({})
    change(revoked)
    change(revoked)
    await vi.waitFor(() => expect(end.signal.reason).toBe(revoked))
    expect(record).toHaveBeenCalledTimes(1)
  })

  test('waits for the next request, where it is so configured', () => {
    const [end, record] = open({ endings: { expiry: 'next_request', revocation: 'next_request' } })
    change(revoked)
    expect([end.signal.aborted, end.refusal(), record.mock.calls.length]).toEqual([false, revoked, 0])
  })

  test('does not come while nobody knows what is revoked: decisions are held back meanwhile', () => {
    const unsure = new IdentityError('ERR_IDENTITY_UNSURE', 'unsure', { retryable: true })
    const [end] = open({})
    change(unsure)
    expect([end.signal.aborted, end.refusal()]).toEqual([false, unsure])
    change(null)
    expect(end.refusal()).toBe(null)
  })

  test('comes even when it can not be recorded', async () => {
    const [end] = open(
      {},
      vi.fn(() => Promise.reject(new Error('the disk is full'))),
    )
    change(revoked)
    await vi.waitFor(() => expect(end.signal.aborted).toBe(true))
  })

  test('leaves nobody waiting behind', () => {
    const [end] = open({})
    expect(watchers.size).toBe(1)
    end.close()
    expect(watchers.size).toBe(0)
  })
})

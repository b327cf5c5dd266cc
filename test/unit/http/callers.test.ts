import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { IdentityError, type PlaneHost } from '../../../engine/index.ts'
import { Callers, type Entered } from '../../../planes/http/session/callers.ts'
import { AGENT } from '../../support/rooms.ts'
import { ScriptedEngine } from '../../support/scripted-engine.ts'

const IDLE_MS = 15 * 60_000
const MINUTE = 60_000

let closed: string[]
let opened: number
let over: AbortController
let isRefused: boolean
let callers: Callers
beforeEach(() => {
  vi.useFakeTimers()
  ;[closed, opened, over, isRefused] = [[], 0, new AbortController(), false]
  const engine = new ScriptedEngine(() => Promise.resolve())
  const host: PlaneHost = {
    ...engine.host(),
    identify: () =>
      isRefused ? Promise.reject(new IdentityError('ERR_IDENTITY_REVOKED', 'revoked')) : Promise.resolve(AGENT),
    openSession: () => {
      opened += 1
      const session = Object.create(engine, {
        over: { value: over.signal },
        close: { value: (reason: string) => Promise.resolve(void closed.push(reason)) },
      })
      return Promise.resolve(session)
    },
  }
  callers = new Callers(host, IDLE_MS, Date.now)
})
afterEach(async () => {
  await callers.close('test over')
  vi.useRealTimers()
})

const enter = (): Promise<Entered> => callers.enter('token', { source: null, client: null, certificate: null })

test('a session whose principal may not go on is closed behind what runs in it, once', async () => {
  const [one, other] = [await enter(), await enter()]
  over.abort(new IdentityError('ERR_IDENTITY_REVOKED', 'revoked'))
  one.leave()
  expect(closed).toEqual([])
  other.leave()
  expect(closed).toEqual(['credentials over'])
  await callers.close('gateway stopped')
  expect(closed).toEqual(['credentials over'])
})

test('a long answer keeps its session open, though its token is verified again meanwhile', async () => {
  const long = await enter()
  await vi.advanceTimersByTimeAsync(2 * MINUTE)
  const short = await enter()
  expect(short.session).toBe(long.session)
  short.leave()
  await vi.advanceTimersByTimeAsync(2 * IDLE_MS)
  expect([opened, closed]).toEqual([1, []])
  long.leave()
  await vi.advanceTimersByTimeAsync(2 * IDLE_MS)
  expect(closed).toEqual(['idle'])
  expect((await enter()).session).not.toBe(long.session)
})

test('a token that is refused when it is verified again ends the session, behind what runs in it', async () => {
  const long = await enter()
  await vi.advanceTimersByTimeAsync(2 * MINUTE)
  isRefused = true
  await expect(enter()).rejects.toThrow(IdentityError)
  await vi.advanceTimersByTimeAsync(0)
  expect(closed).toEqual([])
  long.leave()
  expect(closed).toEqual(['token refused'])
})

test('a session that ends while its token is verified again is not gone on with', async () => {
  ;(await enter()).leave()
  await vi.advanceTimersByTimeAsync(2 * MINUTE)
  const again = enter()
  over.abort()
  over = new AbortController()
  await again
  expect([opened, closed]).toEqual([2, ['credentials over']])
})

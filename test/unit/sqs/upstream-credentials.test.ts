import { expect, test } from 'vitest'
import { RoleSessions, sessionNameOf, tagsOf } from '../../../planes/sqs/upstream-credentials.ts'
import { AGENT } from '../../support/rooms.ts'

const NOW = 1_800_000_000_000
const session = (expiresMs: number) => ({
  accessKeyId: 'ASIA',
  secretAccessKey: 's',
  sessionToken: 't',
  expiration: new Date(expiresMs),
})

test('one session is asked for a principal, however many wait, and another one shortly before it ends', async () => {
  let [now, asked] = [NOW, 0]
  const sessions = new RoleSessions(
    () => Promise.resolve(session(now + 3600_000 + (asked += 1))),
    () => now,
  )
  const all = await Promise.all([1, 2, 3].map(() => sessions.of({ ...AGENT, token_id: 'another' })))
  expect(new Set(all).size).toBe(1)
  now += 54 * 60_000
  expect(await sessions.of(AGENT)).toBe(all[0])
  now += 2 * 60_000
  expect(await sessions.of(AGENT)).not.toBe(all[0])
  expect(asked).toBe(2)
})

test('who is another in any way that a tag tells has another session', async () => {
  let asked = 0
  const sessions = new RoleSessions(
    () => Promise.resolve(session(NOW + 3600_000 + (asked += 1))),
    () => NOW,
  )
  const others = [
    {},
    { owner: 'oscar' },
    { groups: ['x'] },
    { roles: ['x'] },
    { act: ['svc'] },
    { issuer: 'https://i' },
  ]
  await Promise.all(others.map((more) => sessions.of({ ...AGENT, ...more })))
  expect(asked).toBe(others.length)
})

test('a failure is told to who waits, and the next one asks again', async () => {
  let asked = 0
  const sessions = new RoleSessions(
    () => ((asked += 1) === 1 ? Promise.reject(new Error('denied')) : Promise.resolve(session(NOW + 3600_000))),
    () => NOW,
  )
  await expect(sessions.of(AGENT)).rejects.toThrow('denied')
  expect((await sessions.of(AGENT)).accessKeyId).toBe('ASIA')
})

test('tags hold a principal’s values whole or there are none of them', () => {
  const tags = { agent: 'id', owner: 'owner', groups: 'groups' } as const
  expect(tagsOf({ ...AGENT, groups: ['b', 'a'] }, tags)).toEqual([
    { Key: 'agent', Value: 'reconciler' },
    { Key: 'owner', Value: 'olivia' },
    { Key: 'groups', Value: 'a b' },
  ])
  expect(tagsOf({ ...AGENT, owner: null, groups: [] }, tags)).toEqual([{ Key: 'agent', Value: 'reconciler' }])
  for (const id of ['a*', 'x'.repeat(257), 'a\nb', ''])
    expect(() => tagsOf({ ...AGENT, id }, tags)).toThrow('session tag')
})

test('session names hold what AWS takes', () => {
  expect(sessionNameOf('spiffe://bank/agent é')).toBe('spiffe---bank-agent--')
  expect(sessionNameOf('x'.repeat(80))).toHaveLength(64)
  expect(sessionNameOf('a')).toBe('a-')
})

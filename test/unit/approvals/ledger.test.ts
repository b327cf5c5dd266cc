import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ann, ben, codeOf, DIGEST, draft, forever, overEachStore, principal, setUp, terms } from './setting.ts'

const refusal = (code: string, message: RegExp): object =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

/** What a promise was rejected with, taken note of at once. */
function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => error,
  )
}

/** How many of them came to what. */
async function tally(outcomes: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const settled of await Promise.allSettled(outcomes)) {
    const key = settled.status === 'fulfilled' ? 'fulfilled' : codeOf(settled.reason)
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}

// A fake clock and a real server's answers don't keep company: what expires by it is tried over SQLite alone.
overEachStore((store) => {
  describe('single use', () => {
    it('spends an approval once, whoever comes second', async () => {
      const { ledger, yes } = await setUp()
      const { id } = await ledger.request(draft())
      await expect(ledger.use(id, DIGEST)).rejects.toEqual(
        refusal('ERR_APPROVAL_STATE', /is requested and can't be used/),
      )
      await yes(id)
      await expect(ledger.use(id, DIGEST)).resolves.toMatchObject({ state: 'used' })
      await expect(ledger.use(id, DIGEST)).rejects.toEqual(refusal('ERR_APPROVAL_STATE', /is used and can't be used/))
    })

    it('of 100 concurrent uses lets one through', async () => {
      const { ledger, journal, yes } = await setUp()
      const { id } = await ledger.request(draft())
      await yes(id)
      const uses = Array.from({ length: 100 }, () => ledger.use(id, DIGEST))
      expect(await tally(uses)).toEqual({ fulfilled: 1, ERR_APPROVAL_STATE: 99 })
      expect(journal.filter(({ event }) => event === 'approval.used')).toHaveLength(1)
    })

    it('releases no other request: one changed digit of the digest is refused and spends nothing', async () => {
      const { ledger, yes } = await setUp()
      const { id } = await ledger.request(draft())
      await yes(id)
      const other = `${DIGEST.slice(0, -1)}e`
      await expect(ledger.use(id, other)).rejects.toEqual(refusal('ERR_APPROVAL_DIGEST', /another request than this/))
      await expect(ledger.use(id, DIGEST)).resolves.toMatchObject({ state: 'used' })
    })
  })

  describe('concurrent answers', () => {
    it('of 100 come to one outcome, the same for all', async () => {
      const { ledger, journal, yes, no } = await setUp()
      const { id } = await ledger.request(draft())
      const waiting = ledger.settled(id, forever())
      const people = Array.from({ length: 100 }, (_, index) => principal(`person-${index}`))
      const answers = people.map((by, index) => (index % 2 === 0 ? yes(id, by) : no(id, by)))
      expect(await tally(answers)).toEqual({ fulfilled: 1, ERR_APPROVAL_STATE: 99 })
      const { state, answers: said } = await waiting
      expect(['granted', 'denied']).toContain(state)
      expect(said).toHaveLength(1)
      expect(journal.map(({ event }) => event)).toEqual(['approval.requested', `approval.${state}`])
    })

    it('of one person count once', async () => {
      const { ledger, yes } = await setUp()
      const { id } = await ledger.request(draft(terms({ quorum: 2 })))
      expect(await tally(Array.from({ length: 50 }, () => yes(id)))).toEqual({ fulfilled: 1, ERR_APPROVAL_TWICE: 49 })
      await expect(ledger.get(id)).resolves.toMatchObject({ state: 'requested', answers: [{ by: 'ann' }] })
    })
  })

  describe('attaching', () => {
    it('of 100 concurrent requests for the same thing asks people once', async () => {
      const { ledger, journal } = await setUp()
      const asked = await Promise.all(Array.from({ length: 100 }, () => ledger.request(draft())))
      expect(new Set(asked.map(({ id }) => id)).size).toBe(1)
      expect(journal).toHaveLength(1)
    })

    it('finds the open hold, the granted unused one, and no settled one', async () => {
      const { ledger, yes, no } = await setUp()
      const first = await ledger.request(draft())
      await yes(first.id)
      await expect(ledger.request(draft())).resolves.toMatchObject({ id: first.id, state: 'granted' })
      await ledger.use(first.id, DIGEST)
      const second = await ledger.request(draft())
      expect(second).toMatchObject({ id: 'approval-2', state: 'requested' })
      await no(second.id)
      await expect(ledger.request(draft())).resolves.toMatchObject({ id: 'approval-3', state: 'requested' })
    })

    it.each([
      ['another request', { digest: 'f'.repeat(64) }],
      ['another requester', { requester: principal('robot', { kind: 'agent' }) }],
      ['another issuer', { requester: { ...draft().requester, issuer: 'https://other.test' } }],
      ['another policy', { policy: { revision: 'r1', digest: 'f'.repeat(64) } }],
    ])('does not attach %s', async (_name, overrides) => {
      const { ledger } = await setUp()
      const one = await ledger.request(draft())
      const other = await ledger.request(draft(overrides))
      expect(other.id).not.toBe(one.id)
    })
  })

  describe('expiry', () => {
    it('is for all: waiting, answering, using, attaching', async () => {
      const { ledger, journal, clock, yes } = await setUp()
      const { id, expiresAt } = await ledger.request(draft())
      const other = await ledger.request(draft({ digest: 'f'.repeat(64) }))
      await yes(other.id)
      clock.now = expiresAt
      await expect(yes(id)).rejects.toEqual(refusal('ERR_APPROVAL_EXPIRED', /has expired: the client must ask again/))
      await expect(ledger.use(other.id, other.digest)).rejects.toEqual(
        refusal('ERR_APPROVAL_EXPIRED', /before it was used/),
      )
      await expect(ledger.settled(id, forever())).resolves.toMatchObject({ state: 'expired' })
      await expect(ledger.request(draft())).resolves.toMatchObject({ id: 'approval-3', state: 'requested' })
      expect(journal.filter(({ event }) => event === 'approval.expired').map(({ approval }) => approval.id)).toEqual([
        id,
        other.id,
      ])
    })

    it.skipIf(store === 'PostgreSQL')('comes by itself, a millisecond before it not yet', async () => {
      vi.useFakeTimers()
      onTestFinished(() => void vi.useRealTimers())
      const { ledger, clock } = await setUp(':memory:')
      const { id, expiresAt, requestedAt } = await ledger.request(draft(terms({ expires_in: 90 })))
      const waiting = ledger.settled(id, forever())
      clock.now = expiresAt - 1
      await vi.advanceTimersByTimeAsync(expiresAt - requestedAt - 1)
      await expect(ledger.get(id)).resolves.toMatchObject({ state: 'requested' })
      clock.now = expiresAt
      await vi.advanceTimersByTimeAsync(1)
      await expect(waiting).resolves.toMatchObject({ state: 'expired' })
    })

    it.skipIf(store === 'PostgreSQL')('survives a timer that was early', async () => {
      vi.useFakeTimers()
      onTestFinished(() => void vi.useRealTimers())
      const { ledger, clock } = await setUp()
      const { id, expiresAt } = await ledger.request(draft(terms({ expires_in: 40 * 24 * 3600 }))) // more than setTimeout takes
      await vi.advanceTimersByTimeAsync(2 ** 31)
      await expect(ledger.get(id)).resolves.toMatchObject({ state: 'requested' })
      clock.now = expiresAt
      await vi.advanceTimersByTimeAsync(40 * 24 * 3600 * 1000)
      await expect(ledger.get(id)).resolves.toMatchObject({ state: 'expired' })
    })
  })

  describe('waiting', () => {
    it('ends with the signal, and leaves the hold as it is', async () => {
      const { ledger } = await setUp()
      const { id } = await ledger.request(draft())
      const client = new AbortController()
      const waiting = ledger.settled(id, client.signal)
      client.abort(new Error('the client is gone'))
      await expect(waiting).rejects.toThrow('the client is gone')
      await expect(ledger.settled(id, client.signal)).rejects.toThrow('the client is gone')
      await expect(ledger.get(id)).resolves.toMatchObject({ state: 'requested' })
    })

    it('does not miss an answer that came first, and wakes all who wait', async () => {
      const { ledger, yes } = await setUp()
      const { id } = await ledger.request(draft())
      const before = Array.from({ length: 5 }, () => ledger.settled(id, forever()))
      await yes(id)
      const all = await Promise.all([...before, ledger.settled(id, forever())])
      expect(all.map(({ state }) => state)).toEqual(Array.from({ length: 6 }, () => 'granted'))
    })

    it('for what is unknown is refused', async () => {
      const { ledger, yes } = await setUp()
      await expect(ledger.settled('nothing', forever())).rejects.toEqual(
        refusal('ERR_APPROVAL_UNKNOWN', /no approval nothing/),
      )
      await expect(yes('nothing')).rejects.toEqual(refusal('ERR_APPROVAL_UNKNOWN', /no approval nothing/))
      await expect(ledger.use('nothing', DIGEST)).rejects.toEqual(refusal('ERR_APPROVAL_UNKNOWN', /no approval/))
      await expect(ledger.withdraw('nothing')).rejects.toEqual(refusal('ERR_APPROVAL_UNKNOWN', /no approval/))
      await expect(ledger.get('nothing')).resolves.toBeNull()
    })
  })

  describe('withdrawing', () => {
    it('ends a hold, open or granted', async () => {
      const { ledger, yes } = await setUp()
      const open = await ledger.request(draft())
      await ledger.withdraw(open.id)
      await expect(yes(open.id)).rejects.toEqual(refusal('ERR_APPROVAL_STATE', /it is withdrawn/))
      const granted = await ledger.request(draft())
      await yes(granted.id)
      await ledger.withdraw(granted.id)
      await expect(ledger.use(granted.id, DIGEST)).rejects.toEqual(
        refusal('ERR_APPROVAL_STATE', /is withdrawn and can't/),
      )
    })

    it('does nothing while another client waits on it, nor to what is settled', async () => {
      const { ledger, no } = await setUp()
      const { id } = await ledger.request(draft())
      const waiting = ledger.settled(id, forever())
      await ledger.withdraw(id)
      await expect(ledger.get(id)).resolves.toMatchObject({ state: 'requested' })
      await no(id)
      await expect(waiting).resolves.toMatchObject({ state: 'denied' })
      await ledger.withdraw(id)
      await expect(ledger.get(id)).resolves.toMatchObject({ state: 'denied' })
    })
  })

  describe('evidence first', () => {
    it('changes nothing and tells nobody when the log refuses', async () => {
      const { ledger, journal, fault, yes } = await setUp()
      const { id } = await ledger.request(draft())
      const settled = vi.fn<() => void>()
      void ledger.settled(id, forever()).then(settled)
      fault.journal = new Error('the disk is full')
      await expect(yes(id)).rejects.toThrow('the disk is full')
      await expect(ledger.request(draft({ digest: 'f'.repeat(64) }))).rejects.toThrow('the disk is full')
      await expect(ledger.get(id)).resolves.toMatchObject({ state: 'requested', version: 1, answers: [] })
      expect(await ledger.list()).toHaveLength(1)
      expect(settled).not.toHaveBeenCalled()
      fault.journal = null
      await expect(yes(id)).resolves.toMatchObject({ state: 'granted', version: 2 })
      expect(journal.map(({ event }) => event)).toEqual(['approval.requested', 'approval.granted'])
    })

    it.skipIf(store === 'PostgreSQL')('refuses those who wait when an expiry can not be recorded', async () => {
      vi.useFakeTimers()
      onTestFinished(() => void vi.useRealTimers())
      const { ledger, clock, fault } = await setUp()
      const { id, expiresAt } = await ledger.request(draft())
      const outcome = failure(ledger.settled(id, forever()))
      fault.journal = new Error('the disk is full')
      clock.now = expiresAt
      await vi.advanceTimersByTimeAsync(600_000)
      expect(await outcome).toBe(fault.journal)
    })

    it('ends the ledger when the store loses what the log has', async () => {
      const { ledger, database, journal, fault, yes } = await setUp()
      const { id } = await ledger.request(draft())
      const outcome = failure(ledger.settled(id, forever()))
      fault.afterJournal = () => database.updateTable('approvals').set({ version: 7 }).execute() // another writer
      await expect(yes(id)).rejects.toEqual(refusal('ERR_STATE_QUERY', /that evidence has could not be stored/))
      expect(await outcome).toEqual(refusal('ERR_STATE_QUERY', /restart the gateway/))
      await expect(ledger.get(id)).rejects.toEqual(refusal('ERR_STATE_QUERY', /restart the gateway/))
      await expect(ledger.request(draft())).rejects.toEqual(refusal('ERR_STATE_QUERY', /restart the gateway/))
      expect(journal.map(({ event }) => event)).toEqual(['approval.requested', 'approval.granted'])
    })
  })

  describe('listing and closing', () => {
    it('lists by state, newest first', async () => {
      const { ledger, clock, yes } = await setUp()
      for (const digit of ['1', '2', '3']) {
        clock.now += 1
        await ledger.request(draft({ digest: digit.repeat(64) }))
      }
      await yes('approval-2', ben)
      expect((await ledger.list()).map(({ id }) => id)).toEqual(['approval-3', 'approval-2', 'approval-1'])
      expect((await ledger.list({ state: 'granted' })).map(({ id }) => id)).toEqual(['approval-2'])
      expect(await ledger.list({ state: 'denied' })).toEqual([])
    })

    it('refuses everything once closed, and those who still wait', async () => {
      const { ledger, yes } = await setUp()
      const { id } = await ledger.request(draft())
      const waiting = failure(ledger.settled(id, forever()))
      await ledger.close()
      expect(await waiting).toMatchObject({ code: 'ERR_APPROVAL_CLOSED' })
      await expect(yes(id, ann)).rejects.toMatchObject({ code: 'ERR_APPROVAL_CLOSED', retryable: true })
      await expect(ledger.request(draft())).rejects.toMatchObject({ code: 'ERR_APPROVAL_CLOSED' })
      await expect(ledger.list()).rejects.toMatchObject({ code: 'ERR_APPROVAL_CLOSED' })
      await ledger.close()
    })
  })
})

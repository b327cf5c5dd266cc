import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { rebuild, type Approval } from '../../../engine/approvals/index.ts'
import { ann, codeOf, DIGEST, draft, openStore, overEachStore, placeOf, setUp, terms } from './setting.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-approvals-'))
  return () => rm(directory, { recursive: true })
})

overEachStore(() => {
  describe('killed with SIGKILL between evidence and the store', () => {
    it.each([
      ['requested', 1, 'ERR_APPROVAL_STATE'],
      ['granted', 2, 'used'],
      ['used', 3, 'ERR_APPROVAL_STATE'],
    ])('after approval.%s was durable: the restart has it', async (state, version, then) => {
      expect(await die(state)).toBe('SIGKILL')
      const log = (await readFile(join(directory, 'log'), 'utf8')).trim().split('\n')
      const recorded = log.map((line): unknown => JSON.parse(line))
      expect(recorded).toHaveLength(version)
      const database = await openStore(join(directory, 'state'))
      const behind = await database.selectFrom('approvals').select(['version']).execute()
      expect(behind).toEqual([{ version: version - 1 }]) // it did die before the store
      await expect(rebuild(database, recorded)).resolves.toBe(1)
      await expect(rebuild(database, recorded)).resolves.toBe(0)
      await database.destroy()
      const { ledger } = await setUp(join(directory, 'state'))
      const attached = await ledger.get('approval-1')
      expect(attached).toMatchObject({ state, version })
      const used = await ledger.use('approval-1', DIGEST).then((approval) => approval.state, codeOf)
      expect(used).toBe(then)
    })
  })

  describe('holds found open on start', () => {
    it('stay answerable, or are expired before anybody is told', async () => {
      const path = join(directory, 'state')
      const before = await setUp(path)
      const short = await before.ledger.request(draft(terms({ expires_in: 10 })))
      const long = await before.ledger.request(draft({ digest: 'f'.repeat(64) }))
      await before.ledger.close()
      const after = await setUp(path, before.clock.now + 10_000)
      expect(after.journal.map(({ event, approval }) => [event, approval.id])).toEqual([['approval.expired', short.id]])
      await expect(after.yes(long.id)).resolves.toMatchObject({ state: 'granted' })
      await expect(after.ledger.get(short.id)).resolves.toMatchObject({ state: 'expired' })
    })
  })

  describe('rebuilding', () => {
    it('makes the whole table from nothing but evidence, and a second time changes nothing', async () => {
      const approvals = await history()
      const database = await openStore(':memory:')
      onTestFinished(() => database.destroy())
      await expect(rebuild(database, approvals)).resolves.toBe(4)
      await expect(rebuild(database, approvals)).resolves.toBe(0)
      const rows = await database.selectFrom('approvals').select(['id', 'state', 'version']).orderBy('id').execute()
      expect(rows.map((row) => ({ ...row }))).toEqual([
        { id: 'approval-1', state: 'requested', version: 2 },
        { id: 'approval-2', state: 'withdrawn', version: 2 },
      ])
    })

    it.each<[string, (all: readonly Approval[]) => unknown[], RegExp]>([
      ['a gap', (all) => all.filter(({ version }) => version !== 1), /at version 2, requested, where .* has nothing/],
      ['a jump', ([one]) => [one, { ...one, version: 3 }], /version 3, requested, where .* has version 1, requested/],
      [
        'a step that is none',
        ([one]) => [one, { ...one, version: 2, state: 'used' }],
        /used, where .* version 1, requested/,
      ],
      ['a birth as granted', ([one]) => [{ ...one, state: 'granted' }], /version 1, granted, where .* has nothing/],
      ['an unknown state', ([one]) => [{ ...one, state: 'blessed' }], /approval\/state must be equal to one of/],
      ['a field too many', ([one]) => [{ ...one, note: '' }], /must NOT have additional properties/],
      [
        'a field too few',
        ([one]) => [{ ...one, digest: undefined }],
        /required property 'digest'|digest must be string/,
      ],
      ['a decision’s reference', () => [{ id: 'approval-1', state: 'used' }], /must have required property/],
      ['nothing', () => [null], /approval must be object/],
    ])('refuses evidence with %s, and leaves the table as it was', async (_name, change, message) => {
      const approvals = await history()
      const database = await openStore(':memory:')
      onTestFinished(() => database.destroy())
      await expect(rebuild(database, change(approvals))).rejects.toEqual(
        expect.objectContaining({ code: 'ERR_STATE_REBUILD', message: expect.stringMatching(message) }),
      )
      expect(await database.selectFrom('approvals').selectAll().execute()).toEqual([])
    })
  })
})

/** Runs a gateway that is killed when this event is durable; resolves with the signal that ended it. */
async function die(dieAfter: string): Promise<string | null> {
  const child = fork(join(import.meta.dirname, 'dying-gateway.ts'), [
    directory,
    dieAfter,
    JSON.stringify(await placeOf(join(directory, 'state'))),
  ])
  await once(child, 'exit')
  return child.signalCode
}

/** The evidence of one hold with one yes of two, and of one that was withdrawn. */
async function history(): Promise<readonly Approval[]> {
  const { ledger, journal, yes } = await setUp()
  const { id } = await ledger.request(draft(terms({ quorum: 2 })))
  await yes(id, ann)
  await ledger.request(draft({ digest: 'f'.repeat(64) }))
  await ledger.withdraw('approval-2')
  return journal.map(({ approval }) => approval)
}

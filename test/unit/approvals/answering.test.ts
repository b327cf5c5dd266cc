import { describe, expect, it } from 'vitest'
import type { ApprovalDraft } from '../../../engine/approvals/index.ts'
import type { Principal } from '../../../engine/index.ts'
import { ann, ben, draft, principal, reconciler, setUp, terms } from './setting.ts'

const refusal = (code: string, message: RegExp): object =>
  expect.objectContaining({ name: 'ApprovalError', code, message: expect.stringMatching(message) })

describe('who may not answer', () => {
  it.each<[string, Principal, Partial<ApprovalDraft>, string, RegExp]>([
    ['the agent itself', principal('reconciler', { kind: 'agent' }), {}, 'ERR_APPROVAL_PERSON', /only a person/],
    ['another agent in the group', principal('robot', { kind: 'agent' }), {}, 'ERR_APPROVAL_PERSON', /only a person/],
    ['a workload in the group', principal('batch', { kind: 'workload' }), {}, 'ERR_APPROVAL_PERSON', /only a person/],
    [
      'somebody acting through a person',
      principal('ann', { act: ['robot'] }),
      {},
      'ERR_APPROVAL_PERSON',
      /as themselves/,
    ],
    ['a person for themselves', ann, { requester: ann }, 'ERR_APPROVAL_SELF', /nobody answers their own/],
    [
      'the requester by the name another issuer knows them by',
      principal('ann', { issuer: 'https://other.test' }),
      { requester: ann },
      'ERR_APPROVAL_SELF',
      /their own request/,
    ],
    [
      'whom the agent acts for',
      ann,
      { requester: principal('robot', { kind: 'agent', act: ['ben', 'ann'] }) },
      'ERR_APPROVAL_SELF',
      /their own request/,
    ],
    ["the agent's owner", principal('olivia'), {}, 'ERR_APPROVAL_OWNER', /owner of reconciler can't/],
    ['a stranger', principal('eve', { groups: ['agents'] }), {}, 'ERR_APPROVAL_GROUP', /only members of payments/],
    ['somebody in no group', principal('eve', { groups: [] }), {}, 'ERR_APPROVAL_GROUP', /only members of payments/],
    [
      'one whose role is named like the group',
      principal('eve', { groups: [], roles: ['payments'] }),
      {},
      'ERR_APPROVAL_GROUP',
      /members/,
    ],
  ])('%s', async (_name, by, overrides, code, message) => {
    const { ledger, journal, yes, no } = await setUp()
    const { id } = await ledger.request(draft(overrides))
    await expect(yes(id, by)).rejects.toEqual(refusal(code, message))
    await expect(no(id, by)).rejects.toEqual(refusal(code, message))
    await expect(ledger.get(id)).resolves.toMatchObject({ state: 'requested', answers: [], version: 1 })
    expect(journal).toHaveLength(1)
  })
})

describe('a reason', () => {
  it.each([null, '', '   ', '\n\t'])('is demanded where policy asks for one, and %j is none', async (reason) => {
    const { ledger, yes, no } = await setUp()
    const { id } = await ledger.request(draft(terms({ reason_required: true })))
    await expect(yes(id, ann, reason)).rejects.toEqual(refusal('ERR_APPROVAL_REASON', /asks for a reason/))
    await expect(no(id, ann, reason)).rejects.toEqual(refusal('ERR_APPROVAL_REASON', /asks for a reason/))
    await expect(yes(id, ann, ' ticket 12 ')).resolves.toMatchObject({
      state: 'granted',
      answers: [{ reason: 'ticket 12' }],
    })
  })

  it.each(['x'.repeat(2_001), '\ud800'])('is text of bounded length', async (reason) => {
    const { ledger, yes } = await setUp()
    const { id } = await ledger.request(draft())
    await expect(yes(id, ann, reason)).rejects.toEqual(refusal('ERR_APPROVAL_REASON', /at most 2000/))
  })
})

describe('N of M', () => {
  it('needs that many distinct people', async () => {
    const { ledger, journal, yes } = await setUp()
    const { id } = await ledger.request(draft(terms({ quorum: 2 })))
    await expect(yes(id, ann)).resolves.toMatchObject({ state: 'requested' })
    await expect(yes(id, ann)).rejects.toEqual(refusal('ERR_APPROVAL_TWICE', /ann has answered already/))
    const twin = principal('ann', { issuer: 'https://other.test' })
    await expect(yes(id, twin)).rejects.toEqual(refusal('ERR_APPROVAL_TWICE', /ann has answered already/))
    await expect(ledger.use(id, draft().digest)).rejects.toMatchObject({ code: 'ERR_APPROVAL_STATE' })
    await expect(yes(id, ben)).resolves.toMatchObject({ state: 'granted', answers: [{ by: 'ann' }, { by: 'ben' }] })
    expect(journal.map(({ event, by }) => [event, by?.id])).toEqual([
      ['approval.requested', undefined],
      ['approval.answered', 'ann'],
      ['approval.granted', 'ben'],
    ])
  })

  it('is denied by one, whatever the others said', async () => {
    const { ledger, yes, no } = await setUp()
    const { id } = await ledger.request(draft(terms({ quorum: 3 })))
    await yes(id, ann)
    await expect(no(id, ben, 'not today')).resolves.toMatchObject({ state: 'denied' })
    await expect(yes(id, principal('cleo'))).rejects.toEqual(refusal('ERR_APPROVAL_STATE', /it is denied/))
  })

  it('takes a member of any of the groups', async () => {
    const { ledger, yes } = await setUp()
    const { id } = await ledger.request(draft(terms({ approvers: ['risk', 'payments'] })))
    await expect(yes(id, ann)).resolves.toMatchObject({ state: 'granted' })
  })
})

describe('terms', () => {
  it.each([
    [{ approvers: [] }, /group of approvers/],
    [{ quorum: 0 }, /quorum of at least 1/],
    [{ quorum: 1.5 }, /quorum/],
    [{ quorum: Number.NaN }, /quorum/],
    [{ expires_in: 0 }, /time after which it expires/],
    [{ expires_in: -1 }, /time/],
    [{ expires_in: Number.NaN }, /time/],
    [{ expires_in: Number.POSITIVE_INFINITY }, /time/],
  ])('that nobody could meet or anybody would are refused: %j', async (overrides, message) => {
    const { ledger, journal } = await setUp()
    await expect(ledger.request(draft(terms(overrides)))).rejects.toEqual(refusal('ERR_APPROVAL_TERMS', message))
    expect(journal).toEqual([])
    await expect(ledger.list()).resolves.toEqual([])
  })
})

it('an approval holds of its requester what binds it, and nothing of the token', async () => {
  const { ledger } = await setUp()
  const approval = await ledger.request(draft())
  expect(approval.requester).toEqual({
    id: 'reconciler',
    kind: 'agent',
    act: [],
    owner: 'olivia',
    issuer: reconciler.issuer,
  })
  expect(JSON.stringify(approval)).not.toContain(reconciler.token_digest)
})

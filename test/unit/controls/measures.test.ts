import { beforeAll, describe, expect, test } from 'vitest'
import { controlReport, isCitable, loadControlPack, type ControlPack } from '../../../engine/controls/index.ts'
import { isMeasured } from '../../../engine/controls/measures.ts'
import type { MeasureResult } from '../../../engine/controls/measure.ts'
import { readRecords, type RecordDraft } from '../../../engine/evidence/index.ts'
import { ACTIVATED, AGENT, approval, decision, outcome, scopeOf, signedLog, table } from './signed-log.ts'

let pack: ControlPack

beforeAll(async () => {
  pack = await loadControlPack()
})

/** One measure of one control over a log of these records. */
async function measured(
  control: string,
  what: RegExp,
  ...runs: readonly (readonly RecordDraft[])[]
): Promise<MeasureResult> {
  const directory = await signedLog(...runs)
  const report = await controlReport(directory, pack, await scopeOf(directory, { controls: [control] }))
  const found = report.sections[0]?.measures.filter((measure) => what.test(measure.what)) ?? []
  expect(found).toHaveLength(1)
  return (
    found[0] ?? {
      what: '',
      expectation: '',
      measured: '',
      state: 'listed',
      exceptions: { listed: [], omitted: 0 },
      breakdown: null,
    }
  )
}

const opened = (principal = AGENT, session = 's-1'): RecordDraft => ({
  event: 'session.opened',
  session,
  principal,
  detail: {},
})
const verified = (principal = AGENT): RecordDraft => ({ event: 'identity.verified', principal, detail: {} })
const closed = (session = 's-1'): RecordDraft => ({ event: 'session.closed', session, detail: { reason: 'client' } })
const write = { action: { name: 'postgres.insert', class: 'write' } } as const
const used = (id: string): Partial<RecordDraft> => ({ ...write, approval: { id, state: 'used' } })

/** Each measure over records that are as expected, and over some that are not: what the exception must say. */
const cases: readonly {
  readonly control: string
  readonly what: RegExp
  readonly good: readonly RecordDraft[]
  readonly bad: readonly RecordDraft[]
  readonly says: RegExp
}[] = [
  {
    control: 'IS.II.C.7(c)',
    what: /approver, requester and the agent’s owner/,
    good: [approval('requested', 'a'), approval('granted', 'a', [{ by: 'ann' }])],
    bad: [approval('requested', 'a'), approval('granted', 'a', [{ by: 'ann' }, { by: 'olivia' }])],
    says: /approval a: olivia asked for it or owns the agent, and approved it/,
  },
  {
    control: 'GLBA.III.C.1.e',
    what: /approver, requester and the agent’s owner/,
    good: [approval('granted', 'a', [{ by: 'ann' }])],
    bad: [approval('granted', 'a', [{ by: 'reconciler' }])],
    says: /reconciler asked for it/,
  },
  {
    control: 'IS.II.C.7(c)',
    what: /approver, requester and the agent’s owner/,
    good: [approval('granted', 'a', [{ by: 'ann' }])],
    bad: [approval('granted', 'a', [])],
    says: /granted without an approver/,
  },
  {
    control: 'IS.II.C.7(c)',
    what: /as many different approvers/,
    good: [approval('granted', 'a', [{ by: 'ann' }, { by: 'ben' }], 2)],
    bad: [approval('granted', 'a', [{ by: 'ann' }, { by: 'ann' }], 2)],
    says: /1 people said yes, policy asked for 2/,
  },
  {
    control: 'IS.II.C.7(c)',
    what: /granted before, used once/,
    good: [approval('granted', 'a', [{ by: 'ann' }]), decision('forward', 'd', used('a')), outcome('d')],
    bad: [decision('forward', 'd', used('a')), outcome('d'), approval('granted', 'a', [{ by: 'ann' }])],
    says: /approval a was not granted before/,
  },
  {
    control: 'IS.II.C.7(c)',
    what: /granted before, used once/,
    good: [approval('granted', 'a', [{ by: 'ann' }]), decision('forward', 'd', used('a'))],
    bad: [
      approval('granted', 'a', [{ by: 'ann' }]),
      decision('forward', 'd', used('a')),
      decision('forward', 'e', used('a')),
    ],
    says: /used already/,
  },
  {
    control: 'IS.II.C.7(c)',
    what: /Holds that were answered/,
    good: [approval('requested', 'a'), approval('denied', 'a', [{ by: 'ann', answer: 'deny' }])],
    bad: [approval('requested', 'a')],
    says: /no answer in the log yet/,
  },
  {
    control: 'IS.II.C.18',
    what: /whose outcome is recorded/,
    good: [decision('forward', 'd'), outcome('d')],
    bad: [decision('forward', 'd')],
    says: /in doubt: its outcome is unknown \(shutdown\)/,
  },
  {
    control: 'IS.II.C.13',
    what: /Labelled fields/,
    good: [
      decision('mask', 'd', { resources: [table('c', 'ssn')], masks: [{ field: 'c.ssn', method: 'last4' }] }),
      decision('reject', 'e', { resources: [table('c', 'ssn')] }),
    ],
    bad: [
      decision('mask', 'd', {
        resources: [table('c', 'ssn'), table('c', 'dob')],
        masks: [{ field: 'c.ssn', method: 'last4' }],
      }),
    ],
    says: /^c\.dob \(pii\) handed out without a mask$/,
  },
  {
    control: 'PR.AA-05',
    what: /in force before/,
    good: [ACTIVATED, decision('forward', 'd')],
    bad: [decision('forward', 'd'), ACTIVATED],
    says: /policy (?:cd){32} was not activated before/,
  },
  {
    control: 'PR.AA-05',
    what: /name the rule/,
    good: [decision('reject', 'd')],
    bad: [decision('reject', 'd', { reasons: [] })],
    says: /no rule is named/,
  },
  {
    control: 'PR.AA-03',
    what: /credential verified before/,
    good: [verified(), opened()],
    bad: [verified({ ...AGENT, token_digest: '00'.repeat(32) }), opened()],
    says: /was not verified before/,
  },
  {
    control: 'IS.II.C.7(b)',
    what: /Agents seen that have an owner/,
    good: [opened()],
    bad: [opened({ ...AGENT, owner: null })],
    says: /agent reconciler has no owner/,
  },
  {
    control: 'IS.II.C.15',
    what: /had not expired/,
    good: [decision('forward', 'd')],
    bad: [decision('forward', 'd', { principal: { ...AGENT, expires_at: 1_700_000_000 } })],
    says: /its credential ended 2023-11-14/,
  },
  {
    control: 'CRI.DE.CM-03.03',
    what: /Writes and destructive/,
    good: [approval('granted', 'a', [{ by: 'ann' }]), decision('forward', 'd', used('a'))],
    bad: [decision('forward', 'd', write)],
    says: /postgres\.insert went through without an approval/,
  },
  {
    control: 'DE.CM-03',
    what: /whose recording the records name/,
    good: [opened(), closed()],
    bad: [opened(), decision('forward', 'd'), outcome('d'), closed()],
    says: /1 request let through, no recording named/,
  },
  {
    control: 'DE.CM-03',
    what: /recorded start and end/,
    good: [opened(), closed()],
    bad: [opened()],
    says: /the gateway ended before it did/,
  },
]

describe('each measure tells what is as expected from what is not:', () => {
  test.for(cases)('$control $what', async ({ control, what, good, bad, says }) => {
    expect((await measured(control, what, good)).exceptions.listed).toEqual([])
    const { state, exceptions, measured: found } = await measured(control, what, bad)
    expect({ state, found }).toMatchObject({ state: 'exceptions', found: expect.not.stringContaining('100 %') })
    expect(exceptions.listed.map((each) => each.what)).toEqual([expect.stringMatching(says)])
    expect(exceptions.listed[0]).toMatchObject({
      record: expect.stringMatching(/^gw-1\.\S+:\d+$/),
      index: expect.any(Number),
    })
  })
})

test('an outcome after the period still settles what was asked in it', async () => {
  const directory = await signedLog([decision('forward', 'd'), decision('forward', 'e'), outcome('d')])
  let settled = ''
  for await (const { record } of readRecords(directory)) if (record.event === 'outcome.ok') settled = record.ts
  const scope = await scopeOf(directory, { to: settled, controls: ['IS.II.C.18'] })
  const [section] = (await controlReport(directory, pack, scope)).sections
  expect(section?.population.byEvent).toEqual({ 'decision.forward': 2 })
  expect(section?.measures.find(({ what }) => /outcome is recorded/.test(what))?.measured).toBe('1 of 2 (50 %)')
})

test('counts by account, by action and by rule', async () => {
  const masks = [{ field: 'c.ssn', method: 'last4', count: 7 }]
  const log = [decision('mask', 'd'), outcome('d', masks), decision('reject', 'e'), decision('hold', 'f', write)]
  expect((await measured('IS.II.C.18', /by account/, log)).breakdown?.rows).toEqual([
    ['reconciler', '3', '0', '1', '1', '1', '2', '7'],
  ])
  expect((await measured('IS.II.C.15(b)', /by action/, log)).breakdown?.rows).toEqual([
    ['postgres.select', '2', '0', '1', '0', '1'],
    ['postgres.insert', '1', '0', '0', '1', '0'],
  ])
  expect((await measured('IS.II.C.18', /by rule/, log)).breakdown?.rows).toEqual([['a-rule', '1', '1']])
  expect((await measured('IS.II.C.13', /Values masked/, log)).measured).toBe('7 values')
})

test('names without end are counted and not kept', async () => {
  const many = Array.from({ length: 60 }, (_, at) =>
    decision('reject', `d-${at}`, { principal: { ...AGENT, id: `agent-${at}` } }),
  )
  const { breakdown, measured: found } = await measured('IS.II.C.18', /by account/, many)
  expect(found).toBe('60 decisions on 60 accounts')
  expect(breakdown).toMatchObject({ rows: { length: 40 }, omitted: 20 })
})

test('exceptions beyond those kept are counted', async () => {
  const many = Array.from({ length: 520 }, (_, at) => decision('reject', `d-${at}`, { reasons: [] }))
  const { exceptions, measured: found } = await measured('PR.AA-05', /name the rule/, many)
  expect(exceptions).toMatchObject({ listed: { length: 500 }, omitted: 20 })
  expect(found).toBe('0 of 520 (0 %)')
})

test('100 % is said of nothing less', async () => {
  const many = Array.from({ length: 2001 }, (_, at) => decision('reject', `d-${at}`, at === 7 ? { reasons: [] } : {}))
  expect((await measured('PR.AA-05', /name the rule/, many)).measured).toBe('2,000 of 2,001 (99.9 %)')
})

test('of every control that may be cited it is told how its metric is measured, or why it can’t be', () => {
  const citable = [...pack.controls.values()].filter(isCitable).map(({ id }) => id)
  expect(citable.filter((id) => !isMeasured(id))).toEqual([])
})

import type { JsonValue } from '../access-request.ts'
import { listAt, numberAt, textAt, textsAt } from './field.ts'
import { amount, ExceptionList, listed, plural, Share, Tally, type Measure, type Seen } from './measure.ts'

type Verdicts = { decisions: number; forward: number; mask: number; hold: number; reject: number }
const noVerdicts = (): Verdicts => ({ decisions: 0, forward: 0, mask: 0, hold: 0, reject: 0 })

/** The verdict of a decision; null for any other record. */
export function verdictOf({ record: { event } }: Pick<Seen, 'record'>): 'forward' | 'mask' | 'hold' | 'reject' | null {
  switch (event) {
    case 'decision.forward':
      return 'forward'
    case 'decision.mask':
      return 'mask'
    case 'decision.hold':
      return 'hold'
    case 'decision.reject':
      return 'reject'
    default:
      return null
  }
}

/** Whether it is an intent that tells its outcome itself: it was answered at once. */
function isSettled(seen: Pick<Seen, 'fields' | 'record'>): boolean {
  return isIntent(seen) && textAt(seen.fields, 'outcome', 'status') !== null
}

/** Whether it let something happen. */
export function isIntent(seen: Pick<Seen, 'record'>): boolean {
  const verdict = verdictOf(seen)
  return verdict === 'forward' || verdict === 'mask'
}

export function decisionsWithReason(): Measure {
  const share = new Share()
  return {
    take: (seen) => {
      if (!seen.inPeriod || verdictOf(seen) === null) return
      share.count(seen, listAt(seen.fields, 'reasons').length > 0, 'no rule is named')
    },
    result: () => share.result('Decisions that name the rule behind them'),
  }
}

/** Held against every activation before it in the log, the period's or an earlier one. */
export function decisionsUnderKnownPolicy(): Measure {
  const share = new Share()
  const activated = new Set<string>()
  return {
    take: (seen) => {
      const digest = textAt(seen.fields, 'policy', 'digest')
      if (seen.record.event === 'policy.activated' && digest !== null) activated.add(digest)
      if (!seen.inPeriod || verdictOf(seen) === null) return
      const known = digest !== null && activated.has(digest)
      share.count(seen, known, `policy ${digest ?? 'unnamed'} was not activated before`)
    },
    result: () => share.result('Decisions under a policy revision that the log shows being put in force before'),
  }
}

/** What is let happen has a known end. An intent without one stands in doubt. */
export function intentsWithOutcome(): Measure {
  const share = new Share()
  const open = new Map<string, Seen>()
  return {
    take: (seen) => {
      const { event, decision } = seen.record
      if (decision === null) return
      if (isIntent(seen)) open.set(decision, seen)
      if (isSettled(seen)) {
        open.delete(decision)
        if (seen.inPeriod) share.count(seen, true, '')
      }
      if (!event.startsWith('outcome.')) return
      const intent = open.get(decision)
      open.delete(decision)
      if (intent?.inPeriod !== true) return
      const why = textAt(seen.fields, 'detail', 'reason') ?? 'no reason given'
      share.count(intent, event !== 'outcome.unknown', `in doubt: its outcome is unknown (${why})`)
    },
    result: () => {
      for (const intent of open.values()) if (intent.inPeriod) share.count(intent, false, 'no outcome in the log yet')
      open.clear()
      return share.result('Requests let through whose outcome is recorded')
    },
  }
}

/** A labelled part that is handed out, as it is or within an expression, has a mask in the intent that lets it out. */
export function labelledPartsMasked(): Measure {
  const share = new Share()
  return {
    take: (seen) => {
      if (!seen.inPeriod || !isIntent(seen)) return
      const masks = new Set(listAt(seen.fields, 'masks').map((mask) => textAt(mask, 'field')))
      for (const { field, labels } of labelledOutputs(seen.fields.resources)) {
        share.count(seen, masks.has(field), `${field} (${labels.join(', ')}) handed out without a mask`)
      }
    },
    result: () => share.result('Labelled fields in answers that policy let through, masked'),
  }
}

function* labelledOutputs(
  resources: JsonValue | undefined,
): Generator<{ readonly field: string; readonly labels: readonly string[] }> {
  for (const resource of listAt(resources)) {
    for (const part of listAt(resource, 'parts')) {
      const labels = textsAt(part, 'labels')
      const uses = textsAt(part, 'uses')
      if (labels.length === 0 || !(uses.includes('output') || uses.includes('derived'))) continue
      yield { field: `${textAt(resource, 'name') ?? '?'}.${textAt(part, 'name') ?? '?'}`, labels }
    }
  }
}

/** How often each field was masked, as the outcomes count it. */
export function maskedValues(): Measure {
  const fields = new Tally<{ values: number; answers: number }>(() => ({ values: 0, answers: 0 }))
  let values = 0
  return {
    take: ({ fields: { outcome }, inPeriod }) => {
      if (!inPeriod) return
      for (const mask of listAt(outcome, 'masks')) {
        const row = fields.row(`${textAt(mask, 'field') ?? '?'} by ${textAt(mask, 'method') ?? '?'}`)
        const count = numberAt(mask, 'count') ?? 0
        row.answers += 1
        row.values += count
        values += count
      }
    },
    result: () => {
      const rows = fields.breakdown(
        ['Field and method', 'Answers', 'Values masked'],
        (row) => row.values,
        (row) => [amount(row.answers), amount(row.values)],
      )
      return listed('Values masked before they were handed out', plural(values, 'value'), rows)
    },
  }
}

/** Writes and destructive requests that went through: a person released each. Transaction control is neither. */
export function writesWithApproval(): Measure {
  const share = new Share()
  return {
    take: (seen) => {
      if (!seen.inPeriod || !isIntent(seen)) return
      const kind = textAt(seen.fields, 'action', 'class')
      if (kind !== 'write' && kind !== 'destroy') return
      const released = textAt(seen.fields, 'approval', 'state') === 'used'
      share.count(
        seen,
        released,
        `${textAt(seen.fields, 'action', 'name') ?? 'a write'} went through without an approval`,
      )
    },
    result: () => share.result('Writes and destructive requests let through that a person had approved'),
  }
}

/** Per account: what it asked, what became of it, what it got. */
export function accounts(): Measure {
  const tally = new Tally(() => ({ ...noVerdicts(), rows: 0, masked: 0 }))
  const who = new Map<string, string>()
  let decisions = 0
  return {
    take: (seen) => {
      const { decision, event } = seen.record
      if (decision === null) return
      const verdict = verdictOf(seen)
      if (verdict !== null) {
        const id = textAt(seen.fields, 'principal', 'id') ?? 'unnamed'
        if (isIntent(seen)) who.set(decision, id)
        if (!seen.inPeriod) return
        decisions += 1
        count(tally.row(id), verdict)
      }
      if (!event.startsWith('outcome.') && !isSettled(seen)) return
      const id = who.get(decision)
      who.delete(decision)
      if (!seen.inPeriod || id === undefined) return
      const row = tally.row(id)
      row.rows += numberAt(seen.fields, 'outcome', 'rows') ?? 0
      for (const mask of listAt(seen.fields, 'outcome', 'masks')) row.masked += numberAt(mask, 'count') ?? 0
    },
    result: () => {
      const rows = tally.breakdown(
        ['Account', ...VERDICT_COLUMNS, 'Rows handed out or changed', 'Values masked'],
        (row) => row.decisions,
        (row) => [...verdictCells(row), amount(row.rows), amount(row.masked)],
      )
      return listed('Requests by account', `${plural(decisions, 'decision')} on ${plural(tally.size, 'account')}`, rows)
    },
  }
}

const VERDICT_COLUMNS = ['Decisions', 'Forwarded', 'Masked', 'Held', 'Rejected']

function count(row: Verdicts, verdict: keyof Omit<Verdicts, 'decisions'>): void {
  row.decisions += 1
  row[verdict] += 1
}

function verdictCells({ decisions, forward, mask, hold, reject }: Verdicts): readonly string[] {
  return [decisions, forward, mask, hold, reject].map(amount)
}

export function decisionsByAction(): Measure {
  const tally = new Tally(noVerdicts)
  let decisions = 0
  return {
    take: (seen) => {
      const verdict = verdictOf(seen)
      if (verdict === null || !seen.inPeriod) return
      decisions += 1
      count(tally.row(textAt(seen.fields, 'action', 'name') ?? 'unnamed'), verdict)
    },
    result: () => {
      const rows = tally.breakdown(['Action', ...VERDICT_COLUMNS], (row) => row.decisions, verdictCells)
      return listed('Decisions by action', plural(decisions, 'decision'), rows)
    },
  }
}

/** Rejections and holds by the rules that gave them; what no rule allowed stands under the library's own name for it. */
export function refusalsByRule(): Measure {
  const tally = new Tally(() => ({ rejected: 0, held: 0 }))
  let refused = 0
  return {
    take: (seen) => {
      const verdict = verdictOf(seen)
      if (!seen.inPeriod || (verdict !== 'reject' && verdict !== 'hold')) return
      refused += 1
      for (const reason of listAt(seen.fields, 'reasons')) {
        const row = tally.row(textAt(reason, 'rule') ?? 'unnamed')
        if (verdict === 'reject') row.rejected += 1
        else row.held += 1
      }
    },
    result: () => {
      const rows = tally.breakdown(
        ['Rule', 'Rejected', 'Held'],
        (row) => row.rejected + row.held,
        (row) => [amount(row.rejected), amount(row.held)],
      )
      return listed('Requests rejected or held, by rule', plural(refused, 'request'), rows)
    },
  }
}

export function labelledAccess(): Measure {
  const tally = new Tally(noVerdicts)
  let decisions = 0
  return {
    take: (seen) => {
      const verdict = verdictOf(seen)
      if (verdict === null || !seen.inPeriod) return
      const names = new Set<string>()
      for (const resource of listAt(seen.fields, 'resources')) {
        const labelled = listAt(resource, 'parts').some((part) => listAt(part, 'labels').length > 0)
        if (labelled) names.add(textAt(resource, 'name') ?? 'unnamed')
      }
      if (names.size > 0) decisions += 1
      for (const name of names) count(tally.row(name), verdict)
    },
    result: () => {
      const rows = tally.breakdown(['Resource', ...VERDICT_COLUMNS], (row) => row.decisions, verdictCells)
      return listed('Requests that touch labelled fields, by resource', plural(decisions, 'decision'), rows)
    },
  }
}

/** Answers that could not be masked as policy asked, and were withheld: nothing got out, but somebody should look. */
export function answersWithheld(): Measure {
  const found = new ExceptionList()
  return {
    take: (seen) => {
      if (!seen.inPeriod || seen.record.event !== 'masking.failed_closed') return
      found.add(seen, `withheld: ${textAt(seen.fields, 'detail', 'message') ?? 'no reason given'}`)
    },
    result: () => ({
      what: 'Answers withheld because they could not be masked',
      expectation: 'listed',
      measured: plural(found.count, 'answer'),
      state: found.count === 0 ? 'as expected' : 'exceptions',
      exceptions: found.all(),
      breakdown: null,
    }),
  }
}

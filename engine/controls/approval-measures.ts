import type { JsonObject } from '../access-request.ts'
import { listAt, numberAt, textAt } from './field.ts'
import { Share, type Measure } from './measure.ts'

const GRANTED: ReadonlySet<string> = new Set(['approval.granted', 'access.granted'])

/**
 * Everybody whose yes granted a hold is somebody else than who asked (and than those it was asked through), and than the
 * agent's owner. Taken from the approval as it was granted, where all answers stand.
 */
export function approversApart(): Measure {
  const share = new Share()
  return {
    take: (seen) => {
      const { event, approval } = seen.record
      if (!seen.inPeriod || !GRANTED.has(event) || approval === null) return
      const asking = askers(approval)
      const same = approversOf(approval).find((by) => asking.has(by))
      const none = approversOf(approval).length === 0
      const what = none
        ? 'granted without an approver'
        : `${same ?? ''} asked for it or owns the agent, and approved it`
      share.count(seen, !none && same === undefined, `approval ${textAt(approval, 'id') ?? '?'}: ${what}`)
    },
    result: () => share.result('Approvals where approver, requester and the agent’s owner are different people'),
  }
}

function askers(approval: JsonObject): ReadonlySet<string> {
  const { requester } = approval
  const names = [textAt(requester, 'id'), textAt(requester, 'owner'), ...listAt(requester, 'act')]
  return new Set(names.filter((name) => typeof name === 'string'))
}

/** The ids of those who said yes. */
export function approversOf(approval: JsonObject): readonly string[] {
  return listAt(approval, 'answers')
    .filter((answer) => textAt(answer, 'answer') === 'approve')
    .map((answer) => textAt(answer, 'by') ?? 'unnamed')
}

/** As many different people as policy asked for. */
export function quorumReached(): Measure {
  const share = new Share()
  return {
    take: (seen) => {
      const { event, approval } = seen.record
      if (!seen.inPeriod || !GRANTED.has(event) || approval === null) return
      const people = new Set(approversOf(approval)).size
      const quorum = numberAt(approval, 'terms', 'quorum') ?? Number.POSITIVE_INFINITY
      const what = `approval ${textAt(approval, 'id') ?? '?'}: ${people} people said yes, policy asked for ${quorum}`
      share.count(seen, people >= quorum, what)
    },
    result: () => share.result('Approvals with as many different approvers as policy asked for'),
  }
}

/** A release names an approval that was granted before it in the log, and no other release has used it. */
export function releasesApproved(): Measure {
  const share = new Share()
  const granted = new Set<string>()
  return {
    take: (seen) => {
      const { event, approval } = seen.record
      const id = textAt(approval ?? undefined, 'id')
      if (id === null) return
      if (event === 'approval.granted') granted.add(id)
      if (!event.startsWith('decision.') || textAt(approval ?? undefined, 'state') !== 'used') return
      const usable = granted.delete(id)
      if (seen.inPeriod) share.count(seen, usable, `approval ${id} was not granted before, or was used already`)
    },
    result: () => share.result('Held requests released on an approval granted before, used once'),
  }
}

/** Every hold came to an end that the log shows. */
export function holdsAnswered(): Measure {
  const share = new Share()
  const open = new Map<string, Parameters<Measure['take']>[0]>()
  const ends: ReadonlySet<string> = new Set([...GRANTED, 'approval.denied', 'approval.expired', 'approval.withdrawn'])
  return {
    take: (seen) => {
      const { event, approval } = seen.record
      const id = textAt(approval ?? undefined, 'id')
      if (id === null || !event.startsWith('approval.')) return
      if (event === 'approval.requested') open.set(id, seen)
      const asked = ends.has(event) ? open.get(id) : undefined
      if (asked === undefined) return
      open.delete(id)
      if (asked.inPeriod) share.count(asked, true, '')
    },
    result: () => {
      for (const [id, asked] of open) {
        if (asked.inPeriod) share.count(asked, false, `approval ${id} has no answer in the log yet`)
      }
      open.clear()
      return share.result('Holds that were answered, withdrawn, or ran out')
    },
  }
}

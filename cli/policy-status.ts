import type { InForceView, PolicyView, ProposalView } from '../console/policy-view.ts'
import type { Command } from './command.ts'
import { POLICY_USAGE, policyCommand } from './policy-api.ts'
import { printable } from './printable.ts'

const USAGE = `usage: countersign policy status

Which policy is in force, since when and by whom; what a rollback goes back to; what is proposed.

${POLICY_USAGE}`

/** `countersign policy status`. */
export const statusCommand: Command = policyCommand({
  usage: USAGE,
  positionals: 0,
  ask: (client) => client.status(),
  text: statusText,
})

export function statusText({ review, here, active, previous, proposals }: PolicyView): string {
  const follows = active !== null && active.policy.digest !== here.digest
  const lines = [
    `in force   ${forceText(active)}`,
    ...(follows ? [`here       ${named(here)}: this gateway has not followed yet`] : []),
    ...(here.suspended ? ['SUSPENDED  this gateway decides nothing: it does not know which policy is in force'] : []),
    `before     ${forceText(previous)}`,
    `review     ${review === 'required' ? 'required, by another person than the proposer' : 'not required'}`,
    ...proposals.toReversed().map((proposal) => `proposed   ${proposalText(proposal)}`),
  ]
  return `${lines.join('\n')}\n`
}

export function proposalText({ policy, by, at, tested, review }: ProposalView): string {
  const said =
    review === null
      ? 'not reviewed'
      : `${review.answer === 'approve' ? 'approved' : 'rejected'} by ${review.by}${review.reason === null ? '' : `: ${review.reason}`}`
  return printable(`${named(policy)} by ${by} at ${at}; tests ${tested ?? 'not run'}; ${said}`)
}

function forceText(force: InForceView | null): string {
  if (force === null) return 'none'
  return printable(`${named(force.policy)} since ${force.since}, by ${force.by ?? 'the configuration'}`)
}

function named({ revision, digest }: { readonly revision: string; readonly digest: string }): string {
  return `${printable(revision)} (${digest.slice(0, 12)})`
}

import { UsageError } from './exit.ts'
import type { ProposalView } from '../console/policy-view.ts'
import type { Command } from './command.ts'
import { POLICY_USAGE, policyCommand, type Said } from './policy-api.ts'
import { bundleFile, type PolicyClient } from './policy-client.ts'
import { proposalText, statusText } from './policy-status.ts'

const PROPOSE = `usage: countersign policy propose BUNDLE [--test-result FILE]

Sends a bundle to the gateway, which checks its signature, runs its self-test and keeps it for review.

  --test-result FILE  an in-toto statement with a test-result over this bundle, such as a pipeline's
${POLICY_USAGE}`

const REVIEW = `usage: countersign policy review DIGEST --approve|--reject [--reason TEXT]

Says yes or no to another person's proposal. The digest may be cut to its first eight digits.

  --approve, --reject  one of them
  --reason TEXT        why; recorded
${POLICY_USAGE}`

const ACTIVATE = `usage: countersign policy activate BUNDLE|DIGEST

Puts a policy in force. A file is proposed first, where it isn't yet; where the configuration asks for a review, only
what another person has approved comes into force. Other gateways on the same state follow within a second.

${POLICY_USAGE}`

const ROLLBACK = `usage: countersign policy rollback

Puts the policy that was in force before this one back in force. Once more undoes it.

${POLICY_USAGE}`

/** `countersign policy propose`. */
export const proposeCommand: Command = policyCommand({
  usage: PROPOSE,
  extra: { 'test-result': { type: 'string' } },
  positionals: 1,
  ask: propose,
  text: (proposal) => `proposed   ${proposalText(proposal)}\n`,
})

async function propose(client: PolicyClient, { positionals, values }: Said): Promise<ProposalView> {
  const proposal = await client.propose(await bundleFile(positionals[0] ?? ''))
  const file = values['test-result']
  if (typeof file !== 'string') return proposal
  return client.reportTest(proposal.policy.digest, parsed(Buffer.from(await bundleFile(file)).toString('utf8'), file))
}

function parsed(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`--test-result: ${file} is not JSON`)
  }
}

/** `countersign policy review`. */
export const reviewCommand: Command = policyCommand({
  usage: REVIEW,
  extra: { approve: { type: 'boolean' }, reject: { type: 'boolean' }, reason: { type: 'string' } },
  positionals: 1,
  ask: async (client, { positionals, values: { approve, reject, reason } }) => {
    if ((approve === true) === (reject === true)) throw new UsageError(`say --approve or --reject\n\n${REVIEW}`)
    const { policy } = await client.named(digestOnly(positionals[0] ?? ''))
    return client.review(
      policy.digest,
      approve === true ? 'approve' : 'reject',
      typeof reason === 'string' ? reason : null,
    )
  },
  text: (proposal) => `reviewed   ${proposalText(proposal)}\n`,
})

function digestOnly(text: string): string {
  if (/^[0-9a-f]{8,64}$/.test(text)) return text
  throw new UsageError('a review names its proposal by its digest: `countersign policy status` shows it')
}

/** `countersign policy activate`. */
export const activateCommand: Command = policyCommand({
  usage: ACTIVATE,
  positionals: 1,
  ask: async (client, { positionals }) => client.activate((await client.named(positionals[0] ?? '')).policy.digest),
  text: statusText,
})

/** `countersign policy rollback`. */
export const rollbackCommand: Command = policyCommand({
  usage: ROLLBACK,
  positionals: 0,
  ask: (client) => client.rollback(),
  text: statusText,
})

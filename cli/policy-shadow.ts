import type { ShadowStatus } from '../engine/shadow/index.ts'
import type { CommandIo } from './command.ts'
import { POLICY_USAGE, policyCommand } from './policy-api.ts'
import { printable } from './printable.ts'

const USAGE = `usage: countersign policy shadow BUNDLE|DIGEST
       countersign policy shadow --status
       countersign policy shadow --end

Asks a candidate what the live policy is asked, on live traffic, in a thread of its own; counts where it would have
answered otherwise, and obeys it in nothing. What can't be asked in time is dropped, and counted as that. --end stops it
and records what was found as a test of the candidate's.

${POLICY_USAGE}`

/** `countersign policy shadow`. */
export function shadowCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const without = argv.includes('--status') || argv.includes('--end') || argv.includes('--help') || argv.includes('-h')
  const command = policyCommand({
    usage: USAGE,
    extra: { status: { type: 'boolean' }, end: { type: 'boolean' } },
    positionals: without ? 0 : 1,
    ask: async (client, { positionals, values }) => {
      if (values['end'] === true) return client.endShadow()
      if (values['status'] === true) return client.shadowStatus()
      return client.shadow((await client.named(positionals[0] ?? '')).policy.digest)
    },
    text: shadowText,
  })
  return command(argv, io)
}

function shadowText({ candidate, counts }: ShadowStatus): string {
  const { compared, same, dropped, failed, differences, examples } = counts
  const lines = [
    candidate === null ? 'no candidate runs beside the live policy' : `candidate  ${candidate}`,
    `compared   ${compared}, of which ${same} answered the same`,
    `failed     ${failed} without a verdict (in force: rejected)`,
    `dropped    ${dropped} not asked`,
    ...Object.entries(differences).map(([key, count]) => `differs    ${count} × ${key}`),
    ...examples.map(
      ({ decision, action, live, candidate: other }) =>
        `example    decision ${decision}, ${action}: ${live.verdict} by ${live.rules.join(', ')}; candidate ${other.verdict} by ${other.rules.join(', ')}`,
    ),
  ]
  return `${lines.map(printable).join('\n')}\n`
}

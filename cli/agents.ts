import { API_USAGE, apiCommand, none, onlyOne, type Said } from './api-command.ts'
import { apiClient } from './api-options.ts'
import { agentPage, agentTable, readAgent, readAgents, readAgentWhole } from './agent-page.ts'
import { visible } from './approval-page.ts'
import type { Command, CommandIo } from './command.ts'
import { UsageError } from './exit.ts'
import { printedJson } from './printable.ts'

const USAGE = `usage: countersign agents list
       countersign agents show AGENT
       countersign agents quarantine AGENT --reason TEXT
       countersign agents release AGENT --reason TEXT

Every agent with its owner, purpose and risk, when it was last used, and which rules it met; out of service, and back.
Quarantine ends its sessions at every gateway, and lets in no token of it, until it is released.

  --reason TEXT      why; recorded
${API_USAGE}

exit: 0 done, 1 refused, 64 wrong usage, 69 no gateway, 77 not allowed
`

const OPTIONS = { reason: { type: 'string' } } as const

/** `countersign agents …`: the access review, and the switch. Resolves with the exit code. */
export const agentsCommand: Command = apiCommand(USAGE, OPTIONS, run)

async function run({ values, positionals }: Said<typeof OPTIONS>, io: CommandIo): Promise<string> {
  const [verb = '', ...ids] = positionals
  const { json } = values
  switch (verb) {
    case 'list': {
      none(verb, 'agent', ids)
      const answer = await (await apiClient(values, io)).ask('GET', 'v1/agents')
      return json ? printedJson(answer) : agentTable(readAgents(answer))
    }
    case 'show': {
      const answer = await (await apiClient(values, io)).ask('GET', `v1/agents/${one(verb, ids)}`)
      return json ? printedJson(answer) : agentPage(readAgentWhole(answer))
    }
    case 'quarantine':
    case 'release': {
      const path = `v1/agents/${one(verb, ids)}/${verb}`
      const value = { reason: reasonOf(values) }
      const answer = await (await apiClient(values, io)).ask('POST', path, { kind: 'json', value })
      if (json) return printedJson(answer)
      const { quarantine } = readAgent(answer)
      const state = quarantine.length > 0 ? 'in quarantine: its sessions end, and it is let in nowhere' : 'released'
      return `${visible(ids[0] ?? '')} is ${state}\n`
    }
    default:
      throw new UsageError(
        verb === '' ? 'say what to do: list, show, quarantine or release' : `no such command: ${verb}`,
      )
  }
}

function one(verb: string, ids: readonly string[]): string {
  return encodeURIComponent(onlyOne(verb, 'agent', 'countersign agents list', ids))
}

export function reasonOf({ reason }: { readonly reason?: string | undefined }): string {
  if (reason !== undefined && reason.trim() !== '') return reason
  throw new UsageError('--reason: expected why, in a few words; found nothing')
}

import { parseArgs } from 'node:util'
import { apiClient, tellRefusal } from './api-options.ts'
import { agentPage, agentTable, readAgent, readAgents, readAgentWhole } from './agent-page.ts'
import { visible } from './approval-page.ts'
import type { CommandIo } from './command.ts'
import { EXIT, UsageError } from './exit.ts'
import { printedJson } from './printable.ts'

const USAGE = `usage: countersign agents list
       countersign agents show AGENT
       countersign agents quarantine AGENT --reason TEXT
       countersign agents release AGENT --reason TEXT

Every agent with its owner, purpose and risk, when it was last used, and which rules it met; out of service, and back.
Quarantine ends its sessions at every gateway, and lets in no token of it, until it is released.

  --reason TEXT      why; recorded
  --api URL          the gateway's API (COUNTERSIGN_API; default http://127.0.0.1:7420)
  --token-file FILE  where your token is (else COUNTERSIGN_TOKEN, else what countersign login got)
  --json             what the API answered, as JSON

exit: 0 done, 1 refused, 64 wrong usage, 69 no gateway, 77 not allowed
`

type Options = ReturnType<typeof parse>['values']

/** `countersign agents …`: the access review, and the switch. Resolves with the exit code. */
export async function agentsCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  try {
    const { values, positionals } = parse(argv)
    if (values.help) io.stdout.write(USAGE)
    else io.stdout.write(await run(positionals, values, io))
    return EXIT.ok
  } catch (error) {
    return tellRefusal(error, USAGE, io)
  }
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      reason: { type: 'string' },
      api: { type: 'string' },
      'token-file': { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
}

async function run([verb = '', agent, ...more]: readonly string[], options: Options, io: CommandIo): Promise<string> {
  switch (verb) {
    case 'list': {
      if (agent !== undefined) throw new UsageError('list takes no agent; show does')
      const answer = await (await apiClient(options, io)).ask('GET', 'v1/agents')
      return options.json ? printedJson(answer) : agentTable(readAgents(answer))
    }
    case 'show': {
      const answer = await (await apiClient(options, io)).ask('GET', `v1/agents/${one(verb, agent, more)}`)
      return options.json ? printedJson(answer) : agentPage(readAgentWhole(answer))
    }
    case 'quarantine':
    case 'release': {
      const path = `v1/agents/${one(verb, agent, more)}/${verb}`
      const value = { reason: reasonOf(options) }
      const answer = await (await apiClient(options, io)).ask('POST', path, { kind: 'json', value })
      if (options.json) return printedJson(answer)
      const { quarantine } = readAgent(answer)
      const state = quarantine.length > 0 ? 'in quarantine: its sessions end, and it is let in nowhere' : 'released'
      return `${visible(agent ?? '')} is ${state}\n`
    }
    default:
      throw new UsageError(
        verb === '' ? 'say what to do: list, show, quarantine or release' : `no such command: ${verb}`,
      )
  }
}

function one(verb: string, agent: string | undefined, more: readonly string[]): string {
  if (agent !== undefined && more.length === 0) return encodeURIComponent(agent)
  throw new UsageError(`${verb} takes one agent: \`countersign agents list\` shows them`)
}

export function reasonOf({ reason }: { readonly reason?: string | undefined }): string {
  if (reason !== undefined && reason.trim() !== '') return reason
  throw new UsageError('--reason: expected why, in a few words; found nothing')
}

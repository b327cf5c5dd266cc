import { API_USAGE, apiCommand, none, onlyOne, type Said } from './api-command.ts'
import { apiClient } from './api-options.ts'
import { visible } from './approval-page.ts'
import { paintFor } from './colour.ts'
import type { Command, CommandIo } from './command.ts'
import { UsageError } from './exit.ts'
import { grantPage, grantTable } from './grant-page.ts'
import { GrantsClient } from './grants-client.ts'
import { printedJson } from './printable.ts'

const USAGE = `usage: countersign grants list [--state STATE]
       countersign grants show ID
       countersign grants revoke ID [--reason TEXT]
       countersign grants review ID --justified|--unjustified --reason TEXT

Access for a time: what is in force, what was asked for, what a broken glass still owes. It is asked for with
"countersign request", and answered with "countersign approvals approve|deny".

  --state STATE      granted (in force), requested, denied, expired, withdrawn, revoked, or all (default)
  --reason TEXT      why; recorded
${API_USAGE}

exit: 0 done, 1 refused, 64 wrong usage, 69 no gateway, 77 not allowed
`
const STATES = ['granted', 'requested', 'denied', 'expired', 'withdrawn', 'revoked', 'all']

const OPTIONS = {
  state: { type: 'string', default: 'all' },
  reason: { type: 'string' },
  justified: { type: 'boolean', default: false },
  unjustified: { type: 'boolean', default: false },
} as const

type Parsed = Said<typeof OPTIONS>

/** `countersign grants …`. */
export const grantsCommand: Command = apiCommand(USAGE, OPTIONS, run)

async function run({ values, positionals }: Parsed, io: CommandIo): Promise<string> {
  const [verb = '', ...ids] = positionals
  const paint = paintFor(io)
  const client = async (): Promise<GrantsClient> => new GrantsClient(await apiClient(values, io))
  switch (verb) {
    case 'list': {
      none(verb, 'ID', ids)
      if (!STATES.includes(values.state)) {
        throw new UsageError(`--state: expected one of ${STATES.join(', ')}; found ${values.state}`)
      }
      const grants = await (await client()).list(values.state === 'all' ? null : values.state)
      if (values.json) return printedJson({ grants })
      if (grants.length === 0) return 'No grants. Access is asked for with "countersign request".\n'
      return grantTable(grants, Date.now(), paint)
    }
    case 'show': {
      const grant = await (await client()).get(onlyOne(verb, "grant's ID", 'countersign grants list', ids))
      return values.json ? printedJson(grant) : grantPage(grant, Date.now(), paint)
    }
    case 'revoke': {
      const grant = await (
        await client()
      ).revoke(onlyOne(verb, "grant's ID", 'countersign grants list', ids), values.reason ?? null)
      return values.json
        ? printedJson(grant)
        : `${visible(grant.id)}: ${grant.state}; nothing is let through by it any more\n`
    }
    case 'review': {
      const finding = findingOf(values)
      const grant = await (
        await client()
      ).review(onlyOne(verb, "grant's ID", 'countersign grants list', ids), finding, values.reason ?? '')
      return values.json ? printedJson(grant) : `${visible(grant.id)}: reviewed, ${finding}\n`
    }
    default:
      throw new UsageError(verb === '' ? 'say what to do: list, show, revoke or review' : `no such command: ${verb}`)
  }
}

function findingOf({ justified, unjustified }: Parsed['values']): 'justified' | 'unjustified' {
  if (justified !== unjustified) return justified ? 'justified' : 'unjustified'
  throw new UsageError('review takes one of --justified and --unjustified')
}

import { apiClient, tellRefusal } from './api-options.ts'
import { visible } from './approval-page.ts'
import { paintFor } from './colour.ts'
import type { Command, CommandIo } from './command.ts'
import { commandLine } from './command-line.ts'
import { EXIT, UsageError } from './exit.ts'
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
  --api URL          the gateway's API (COUNTERSIGN_API; default http://127.0.0.1:7420)
  --token-file FILE  where your token is (else COUNTERSIGN_TOKEN holds the token itself)
  --json             what the API answered, as JSON

exit: 0 done, 1 refused, 64 wrong usage, 69 no gateway, 77 not allowed
`
const STATES = ['granted', 'requested', 'denied', 'expired', 'withdrawn', 'revoked', 'all']

const OPTIONS = {
  state: { type: 'string', default: 'all' },
  reason: { type: 'string' },
  justified: { type: 'boolean', default: false },
  unjustified: { type: 'boolean', default: false },
  api: { type: 'string' },
  'token-file': { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

type Parsed = ReturnType<typeof parse>

function parse(argv: readonly string[]) {
  return commandLine(USAGE, OPTIONS, argv)
}

/** `countersign grants …`. */
export const grantsCommand: Command = async (argv, io) => {
  try {
    const parsed = parse(argv)
    io.stdout.write(parsed.values.help ? USAGE : await run(parsed, io))
    return EXIT.ok
  } catch (error) {
    return tellRefusal(error, USAGE, io)
  }
}

async function run({ values, positionals }: Parsed, io: CommandIo): Promise<string> {
  const [verb = '', id, ...more] = positionals
  const paint = paintFor(io)
  const client = async (): Promise<GrantsClient> => new GrantsClient(await apiClient(values, io))
  switch (verb) {
    case 'list': {
      if (id !== undefined) throw new UsageError('list takes no ID; show does')
      if (!STATES.includes(values.state)) {
        throw new UsageError(`--state: expected one of ${STATES.join(', ')}; found ${values.state}`)
      }
      const grants = await (await client()).list(values.state === 'all' ? null : values.state)
      if (values.json) return printedJson({ grants })
      if (grants.length === 0) return 'No grants. Access is asked for with "countersign request".\n'
      return grantTable(grants, Date.now(), paint)
    }
    case 'show': {
      const grant = await (await client()).get(oneId(verb, id, more))
      return values.json ? printedJson(grant) : grantPage(grant, Date.now(), paint)
    }
    case 'revoke': {
      const grant = await (await client()).revoke(oneId(verb, id, more), values.reason ?? null)
      return values.json
        ? printedJson(grant)
        : `${visible(grant.id)}: ${grant.state}; nothing is let through by it any more\n`
    }
    case 'review': {
      const finding = findingOf(values)
      const grant = await (await client()).review(oneId(verb, id, more), finding, values.reason ?? '')
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

function oneId(verb: string, id: string | undefined, more: readonly string[]): string {
  if (id !== undefined && more.length === 0) return id
  throw new UsageError(`${verb} takes one grant's ID: \`countersign grants list\` shows them`)
}

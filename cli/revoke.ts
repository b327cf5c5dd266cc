import { reasonOf } from './agents.ts'
import { API_USAGE, apiCommand, type Said } from './api-command.ts'
import { apiClient } from './api-options.ts'
import { visible } from './approval-page.ts'
import type { Command, CommandIo } from './command.ts'
import { UsageError } from './exit.ts'
import { printedJson } from './printable.ts'

const USAGE = `usage: countersign revoke --token ID --reason TEXT
       countersign revoke --subject NAME [--issued-before TIME] --reason TEXT
       countersign revoke --issuer URL [--issued-before TIME] --reason TEXT
       countersign revoke --list

Makes credentials worthless at every gateway within a second, for good: a token by its id (jti), a SAML assertion by its ID,
or any token by its SHA-256 in hex; all that an agent, a person or a client was issued until now, or until a time; or all
that an identity provider issued. What is exchanged for a revoked token goes with it. To keep an agent out whatever token it
comes with: countersign agents quarantine.

  --issued-before TIME
                     such as 2026-11-25T09:00:00Z; default now
  --reason TEXT      why; recorded
  --list             what has been revoked, newest first
${API_USAGE}

exit: 0 done, 1 refused, 64 wrong usage, 69 no gateway, 77 not allowed
`

const OPTIONS = {
  token: { type: 'string' },
  subject: { type: 'string' },
  issuer: { type: 'string' },
  'issued-before': { type: 'string' },
  reason: { type: 'string' },
  list: { type: 'boolean', default: false },
} as const

type Options = Said<typeof OPTIONS>['values']

/** `countersign revoke`. Resolves with the exit code. */
export const revokeCommand: Command = apiCommand(USAGE, OPTIONS, run)

async function run({ values: options, positionals }: Said<typeof OPTIONS>, io: CommandIo): Promise<string> {
  if (positionals.length > 0) throw new UsageError(`revoke takes options only; found ${positionals.join(' ')}`)
  if (options.list) {
    const answer = await (await apiClient(options, io)).ask('GET', 'v1/revocations')
    return options.json ? printedJson(answer) : table(answer)
  }
  const value = { ...targetOf(options), reason: reasonOf(options) }
  const answer = await (await apiClient(options, io)).ask('POST', 'v1/revocations', { kind: 'json', value })
  if (options.json) return printedJson(answer)
  const { id, kind, of }: { readonly id?: unknown; readonly kind?: unknown; readonly of?: unknown } = answer
  return `revoked: ${visible(String(kind))} ${visible(String(of))} (${visible(String(id))})\n`
}

function targetOf({ token, subject, issuer, 'issued-before': before }: Options): Record<string, string> {
  const given = Object.entries({ token, subject, issuer }).filter((entry) => entry[1] !== undefined)
  const [[name, value] = [], ...more] = given
  if (name === undefined || value === undefined || more.length > 0) {
    throw new UsageError('expected one of --token, --subject and --issuer')
  }
  if (before === undefined) return { [name]: value }
  if (name === 'token')
    throw new UsageError('--issued-before is of --subject and --issuer: a token was issued when it was')
  return { [name]: value, issued_before: before }
}

function table(answer: object): string {
  const rows: unknown = 'revocations' in answer ? answer.revocations : []
  const lines = (Array.isArray(rows) ? rows : []).map((row: unknown) => {
    const { kind, of, by, at, reason, released } = Object(row)
    const over = released === null ? '' : '  (released)'
    return `${visible(String(at))}  ${visible(String(kind)).padEnd(10)}  ${visible(String(of))}  by ${visible(String(by))}: ${visible(String(reason))}${over}`
  })
  return lines.length === 0 ? 'Nothing has been revoked.\n' : `${lines.join('\n')}\n`
}

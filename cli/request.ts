import { setTimeout as sleep } from 'node:timers/promises'
import type { ApprovalView } from '../console/approval-view.ts'
import { parseDuration, type GrantAsk } from '../engine/index.ts'
import { API_OPTIONS, API_USAGE } from './api-command.ts'
import { apiClient, tellRefusal } from './api-options.ts'
import { paintFor } from './colour.ts'
import type { Command, CommandIo } from './command.ts'
import { commandLine } from './command-line.ts'
import { EXIT, UsageError } from './exit.ts'
import { grantPage } from './grant-page.ts'
import { GrantsClient } from './grants-client.ts'
import { printedJson } from './printable.ts'

const USAGE = `usage: countersign request --action ACTION --resource NAME --reason TEXT [--plane PLANE] [--for DURATION] [--agent ID]
                           [--break-glass] [--wait]

Asks for access ahead, for a time. Policy says who gives it; with --break-glass it is in force at once, where policy has
a rule for that, and people review it afterwards.

  --action ACTION    an action (postgres.update) or a class of them (write); may be repeated
  --resource NAME    what it is about, as policy names it (public.accounts); may be repeated
  --reason TEXT      why; approvers read it, and it is recorded
  --plane PLANE      where (default: what stands before the dot of the first action)
  --for DURATION     how long, from when it is given, such as 90m (default 1h)
  --agent ID         for whom, where that isn't yourself: an agent that you own
  --break-glass      in an emergency: now, and reviewed afterwards
  --wait             until it is answered
${API_USAGE}

exit: 0 asked (with --wait: granted), 1 refused, 64 wrong usage, 69 no gateway, 77 not allowed
`

const OPTIONS = {
  action: { type: 'string', multiple: true, default: [] as string[] },
  resource: { type: 'string', multiple: true, default: [] as string[] },
  reason: { type: 'string' },
  plane: { type: 'string' },
  for: { type: 'string', default: '1h' },
  agent: { type: 'string' },
  'break-glass': { type: 'boolean', default: false },
  wait: { type: 'boolean', default: false },
  ...API_OPTIONS,
} as const

type Values = ReturnType<typeof parse>['values']

function parse(argv: readonly string[]) {
  return commandLine(USAGE, OPTIONS, argv)
}

const POLL_MS = 1_000

/** `countersign request`. */
export const requestCommand: Command = async (argv, io) => {
  try {
    const { values, positionals } = parse(argv)
    if (values.help) {
      io.stdout.write(USAGE)
      return EXIT.ok
    }
    if (positionals.length > 0) throw new UsageError(`request takes options only; found ${positionals.join(' ')}`)
    return await request(values, io)
  } catch (error) {
    return tellRefusal(error, USAGE, io)
  }
}

async function request(values: Values, io: CommandIo): Promise<number> {
  const ask = asked(values)
  const client = new GrantsClient(await apiClient(values, io))
  const first = await client.ask(ask)
  const grant = values.wait ? await answered(client, first) : first
  io.stdout.write(values.json ? printedJson(grant) : grantPage(grant, Date.now(), paintFor(io)))
  return !values.wait || grant.state === 'granted' ? EXIT.ok : EXIT.failed
}

async function answered(client: GrantsClient, first: ApprovalView): Promise<ApprovalView> {
  let grant = first
  while (grant.state === 'requested') {
    await sleep(POLL_MS)
    grant = await client.get(grant.id)
  }
  return grant
}

function asked(values: Values): GrantAsk {
  const { action: actions, resource: resources, reason = '', agent = null } = values
  if (actions.length === 0) throw new UsageError('--action: expected at least one, such as postgres.update; found none')
  if (resources.length === 0) throw new UsageError('--resource: expected at least one name; found none')
  if (reason.trim() === '') throw new UsageError('--reason: expected why; found nothing')
  const milliseconds = parseDuration(values.for)
  if (milliseconds === undefined || milliseconds < 60_000) {
    throw new UsageError(`--for: expected a duration of a minute or more, such as 90m; found ${values.for}`)
  }
  const plane = values.plane ?? /^([^.]+)\./.exec(actions[0] ?? '')?.[1]
  if (plane === undefined) throw new UsageError('--plane: expected one, since no action names it; found nothing')
  const seconds = Math.floor(milliseconds / 1000)
  return { agent, plane, actions, resources, seconds, reason, break_glass: values['break-glass'] }
}

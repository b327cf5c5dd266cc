import type { ApprovalView } from '../console/approval-view.ts'
import { outcome, page, table } from './approval-page.ts'
import { API_USAGE, apiCommand, none, onlyOne, type Said } from './api-command.ts'
import { apiClient } from './api-options.ts'
import { watch } from './approvals-watch.ts'
import { ApprovalsClient } from './approvals-client.ts'
import { paintFor, type Paint } from './colour.ts'
import { grantPage } from './grant-page.ts'
import type { CommandIo } from './command.ts'
import { UsageError } from './exit.ts'
import { printedJson } from './printable.ts'

const USAGE = `usage: countersign approvals list [--state STATE]
       countersign approvals show ID
       countersign approvals approve ID [--reason TEXT]
       countersign approvals deny ID [--reason TEXT]
       countersign approvals watch

  --state STATE      requested (default), granted, denied, expired, withdrawn, used, revoked, or all
  --reason TEXT      why; recorded, and shown to the one who asked
${API_USAGE}; of watch a line an approval

exit: 0 done, 1 refused, 64 wrong usage, 69 no gateway, 77 not allowed
`
const STATES = ['requested', 'granted', 'denied', 'expired', 'withdrawn', 'used', 'revoked', 'all']

/** With a clock for tests (milliseconds since 1970), and what ends `watch`. */
type Io = CommandIo & { now?(): number; readonly signal?: AbortSignal }

const OPTIONS = { state: { type: 'string' }, reason: { type: 'string' } } as const

type Options = Said<typeof OPTIONS>['values']

/** `countersign approvals …`: what waits, and yes or no to it. Resolves with the exit code. */
export const approvalsCommand: (argv: readonly string[], io: Io) => Promise<number> = apiCommand(USAGE, OPTIONS, run)

async function run({ values: options, positionals }: Said<typeof OPTIONS>, io: Io): Promise<string> {
  const [verb = '', ...ids] = positionals
  const now = io.now?.() ?? Date.now()
  switch (verb) {
    case 'list': {
      none(verb, 'ID', ids)
      const state = stateOf(options)
      const approvals = await (await client(options, io)).list(state === 'all' ? null : state)
      if (options.json) return printedJson({ approvals })
      return approvals.length === 0 ? nothing(state) : table(approvals, now, paintFor(io))
    }
    case 'show': {
      const approval = await (
        await client(options, io)
      ).get(onlyOne(verb, "approval's ID", 'countersign approvals list', ids))
      return options.json ? printedJson(approval) : pageOf(approval, now, paintFor(io))
    }
    case 'watch':
      none(verb, 'ID', ids)
      await watch(await apiClient(options, io), options.json, io)
      return ''
    case 'approve':
    case 'deny': {
      const named = onlyOne(verb, "approval's ID", 'countersign approvals list', ids)
      const approval = await (await client(options, io)).answer(named, verb, options.reason ?? null)
      return options.json ? printedJson(approval) : outcome(approval)
    }
    default:
      throw new UsageError(
        verb === '' ? 'say what to do: list, show, approve, deny or watch' : `no such command: ${verb}`,
      )
  }
}

function pageOf(approval: ApprovalView, now: number, paint: Paint): string {
  return approval.grant === undefined ? page(approval, now, paint) : grantPage(approval, now, paint)
}

function stateOf({ state = 'requested' }: Options): string {
  if (STATES.includes(state)) return state
  throw new UsageError(`--state: expected one of ${STATES.join(', ')}; found ${state}`)
}

async function client(options: Options, io: CommandIo): Promise<ApprovalsClient> {
  return new ApprovalsClient(await apiClient(options, io))
}

function nothing(state: string): string {
  if (state === 'requested') return 'Nothing waits for an answer. (--state all shows what was answered before.)\n'
  return state === 'all' ? 'No approvals yet.\n' : `No approval is ${state}.\n`
}

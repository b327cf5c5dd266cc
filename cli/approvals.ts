import { parseArgs } from 'node:util'
import type { ApprovalView } from '../console/approval-view.ts'
import { outcome, page, table } from './approval-page.ts'
import { apiClient, tellRefusal } from './api-options.ts'
import { watch } from './approvals-watch.ts'
import { ApprovalsClient } from './approvals-client.ts'
import { paintFor, type Paint } from './colour.ts'
import { grantPage } from './grant-page.ts'
import type { CommandIo } from './command.ts'
import { EXIT, UsageError } from './exit.ts'
import { printedJson } from './printable.ts'

const USAGE = `usage: countersign approvals list [--state STATE]
       countersign approvals show ID
       countersign approvals approve ID [--reason TEXT]
       countersign approvals deny ID [--reason TEXT]
       countersign approvals watch

  --state STATE      requested (default), granted, denied, expired, withdrawn, used, revoked, or all
  --reason TEXT      why; recorded, and shown to the one who asked
  --api URL          the gateway's API (COUNTERSIGN_API; default http://127.0.0.1:7420)
  --token-file FILE  where your token is (else COUNTERSIGN_TOKEN holds the token itself)
  --json             what the API answered, as JSON; of watch a line an approval

exit: 0 done, 1 refused, 64 wrong usage, 69 no gateway, 77 not allowed
`
const STATES = ['requested', 'granted', 'denied', 'expired', 'withdrawn', 'used', 'revoked', 'all']

/** With a clock for tests (milliseconds since 1970), and what ends `watch`. */
type Io = CommandIo & { now?(): number; readonly signal?: AbortSignal }

type Options = ReturnType<typeof parse>['values']

/** `countersign approvals …`: what waits, and yes or no to it. Resolves with the exit code. */
export async function approvalsCommand(argv: readonly string[], io: Io): Promise<number> {
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
      state: { type: 'string' },
      reason: { type: 'string' },
      api: { type: 'string' },
      'token-file': { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
}

async function run(positionals: readonly string[], options: Options, io: Io): Promise<string> {
  const [verb = '', id, ...more] = positionals
  const now = io.now?.() ?? Date.now()
  switch (verb) {
    case 'list': {
      if (id !== undefined) throw new UsageError('list takes no ID; show does')
      const state = stateOf(options)
      const approvals = await (await client(options, io)).list(state === 'all' ? null : state)
      if (options.json) return printedJson({ approvals })
      return approvals.length === 0 ? nothing(state) : table(approvals, now, paintFor(io))
    }
    case 'show': {
      const approval = await (await client(options, io)).get(oneId(verb, id, more))
      return options.json ? printedJson(approval) : pageOf(approval, now, paintFor(io))
    }
    case 'watch':
      if (id !== undefined) throw new UsageError('watch takes no ID')
      await watch(await apiClient(options, io), options.json, io)
      return ''
    case 'approve':
    case 'deny': {
      const named = oneId(verb, id, more)
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

function oneId(verb: string, id: string | undefined, more: readonly string[]): string {
  if (id !== undefined && more.length === 0) return id
  throw new UsageError(`${verb} takes one approval's ID: \`countersign approvals list\` shows them`)
}

async function client(options: Options, io: CommandIo): Promise<ApprovalsClient> {
  return new ApprovalsClient(await apiClient(options, io))
}

function nothing(state: string): string {
  if (state === 'requested') return 'Nothing waits for an answer. (--state all shows what was answered before.)\n'
  return state === 'all' ? 'No approvals yet.\n' : `No approval is ${state}.\n`
}

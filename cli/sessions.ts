import type { ApiClient } from './api-client.ts'
import { API_USAGE, apiCommand, none, onlyOne, type Said } from './api-command.ts'
import { apiClient } from './api-options.ts'
import { listed, row, visible } from './approval-page.ts'
import { paintFor, type Paint } from './colour.ts'
import type { Command, CommandIo } from './command.ts'
import { UsageError } from './exit.ts'
import { printedJson } from './printable.ts'
import { isSession, type SessionView } from './session-view.ts'

const USAGE = `usage: countersign sessions list [--live|--ended] [--agent ID] [--plane PLANE] [--limit N]
       countersign sessions show ID

What agents have connected, newest first, and what came of what they asked. What was sent, and what came back, is shown
by "countersign replay", to auditors.

  --live, --ended    only those that are open, or are over
  --agent ID         only those of one agent
  --plane PLANE      only those on one plane
  --limit N          at most so many, 1 to 200 (default 50)
${API_USAGE}

exit: 0 done, 1 there is no such session, 64 wrong usage, 69 no gateway, 77 not allowed
`

const OPTIONS = {
  live: { type: 'boolean', default: false },
  ended: { type: 'boolean', default: false },
  agent: { type: 'string' },
  plane: { type: 'string' },
  limit: { type: 'string', default: '50' },
} as const

type Parsed = Said<typeof OPTIONS>

/** `countersign sessions …`. */
export const sessionsCommand: Command = apiCommand(USAGE, OPTIONS, run)

async function run({ values, positionals }: Parsed, io: CommandIo): Promise<string> {
  const [verb = '', ...ids] = positionals
  switch (verb) {
    case 'list': {
      none(verb, 'ID', ids)
      const query = queryOf(values)
      const sessions = await sessionsOf(await apiClient(values, io), query)
      if (values.json) return printedJson({ sessions })
      return sessions.length === 0 ? 'No sessions.\n' : table(sessions, paintFor(io))
    }
    case 'show': {
      const id = onlyOne(verb, "session's ID", 'countersign sessions list', ids)
      const api = await apiClient(values, io)
      const session = await api.ask('GET', `v1/sessions/${encodeURIComponent(id)}`)
      if (!isSession(session)) throw api.strange()
      return values.json ? printedJson(session) : page(session)
    }
    default:
      throw new UsageError(verb === '' ? 'say what to do: list or show' : `no such command: ${verb}`)
  }
}

function queryOf({ live, ended, agent, plane, limit }: Parsed['values']): URLSearchParams {
  if (live && ended) throw new UsageError('list takes one of --live and --ended')
  if (!/^([1-9]\d?|1\d\d|200)$/.test(limit)) throw new UsageError(`--limit: expected 1 to 200; found ${limit}`)
  const query = new URLSearchParams({ limit })
  if (live || ended) query.set('state', live ? 'live' : 'ended')
  if (agent !== undefined) query.set('agent', agent)
  if (plane !== undefined) query.set('plane', plane)
  return query
}

async function sessionsOf(api: ApiClient, query: URLSearchParams): Promise<readonly SessionView[]> {
  const answer = await api.ask('GET', `v1/sessions?${query.toString()}`)
  const sessions: unknown = 'sessions' in answer ? answer.sessions : null
  if (Array.isArray(sessions) && sessions.every(isSession)) return sessions
  throw api.strange()
}

function table(sessions: readonly SessionView[], paint: Paint): string {
  const rows = sessions.map(({ id, agent, plane, opened, closed, decisions, rejected, masked, held }) => [
    ...[id, closed === null ? 'live' : 'ended', agent, plane, opened].map(visible),
    ...[decisions, rejected, masked, held].map(String),
  ])
  const heads = ['ID', 'STATE', 'WHO', 'PLANE', 'SINCE', 'DECIDED', 'REFUSED', 'MASKED', 'HELD']
  return listed(heads, rows, (column, _row, text) => {
    if (column === 1) return paint(text.startsWith('live') ? 'good' : 'faint', text)
    return column === 6 && text.trim() !== '0' ? paint('bad', text) : text
  })
}

function page(session: SessionView): string {
  const { id, agent, kind, owner, plane, source, opened, closed, reason } = session
  const { decisions, rejected, masked, held } = session
  const lines = [
    visible(id),
    ...row('who', [`${agent}, ${kind}${owner === null ? '' : ` of ${owner}`}`]),
    ...row('where', [`${plane}${source === null ? '' : `, from ${source}`}`]),
    ...row('opened', [opened]),
    ...row('closed', [closed === null ? 'not yet' : `${closed}${reason === null ? '' : `: ${reason}`}`]),
    ...row('decided', [`${decisions}: ${rejected} refused, ${masked} masked, ${held} held`]),
    ...row('replay', [`countersign replay --config FILE --session ${id}`]),
  ]
  return `${lines.join('\n')}\n`
}

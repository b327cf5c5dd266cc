import { Ajv } from 'ajv'
import { agentShape, agentWholeShape, type AgentView } from '../console/agent-view.ts'
import { ApiError } from './api-client.ts'
import { visible } from './approval-page.ts'
import { EXIT } from './exit.ts'

interface RuleMet {
  readonly id: string
  readonly verdict: string
  readonly title: string
  readonly decisions: number
  readonly last: string | null
}

interface AgentWhole extends AgentView {
  readonly policy: { readonly revision: string }
  readonly rules: readonly RuleMet[]
}

const ajv = new Ajv({ strict: false })
const isAgent = ajv.compile<AgentView>(agentShape)
const isAgents = ajv.compile<{ readonly agents: readonly AgentView[] }>({
  type: 'object',
  required: ['agents'],
  properties: { agents: { type: 'array', items: agentShape } },
})
const isWhole = ajv.compile<AgentWhole>(agentWholeShape)

export function readAgent(answer: unknown): AgentView {
  if (isAgent(answer)) return answer
  throw strange()
}

export function readAgents(answer: unknown): readonly AgentView[] {
  if (isAgents(answer)) return answer.agents
  throw strange()
}

export function readAgentWhole(answer: unknown): AgentWhole {
  if (isWhole(answer)) return answer
  throw strange()
}

function strange(): ApiError {
  const message = 'what answers is no Countersign API: check --api (or COUNTERSIGN_API)'
  return new ApiError(EXIT.unavailable, 'ERR_API_ANSWER', message)
}

/** A line an agent. */
export function agentTable(agents: readonly AgentView[]): string {
  if (agents.length === 0) return 'No agent is registered, and none was seen.\n'
  const rows = agents.map((each) => [
    visible(each.agent),
    stateOf(each),
    visible(each.registered?.owner ?? each.owner_by_token ?? '-'),
    visible(each.registered?.risk ?? '-'),
    each.last_used ?? 'never',
    visible(each.registered?.purpose ?? '-'),
  ])
  const heads = ['AGENT', 'STATE', 'OWNER', 'RISK', 'LAST USED', 'PURPOSE']
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return `${[heads, ...rows].map(line).join('\n')}\n`
}

/** One agent, for an access review. */
export function agentPage(whole: AgentWhole): string {
  const { agent, registered, owner_by_token: byToken, decisions, quarantine, policy, rules } = whole
  const met = rules.filter((rule) => rule.decisions > 0)
  const held = quarantine.map(({ by, at, reason }) => row('held', `by ${visible(by)} since ${at}: ${visible(reason)}`))
  const { forward, mask, hold, reject } = decisions
  const told = met.map(
    (rule) => `    ${visible(rule.id)}  ${visible(rule.verdict)}  ${rule.decisions} times, last ${rule.last ?? '-'}`,
  )
  const unused = rules.filter((rule) => rule.decisions === 0).map(({ id }) => visible(id))
  return `${[
    `${visible(agent)}  ${stateOf(whole)}`,
    row(
      'owner',
      visible(registered?.owner ?? '-') + (byToken === null ? '' : ` (its token names ${visible(byToken)})`),
    ),
    row('purpose', visible(registered?.purpose ?? '-')),
    row('risk', visible(registered?.risk ?? '-')),
    row('used', `${whole.first_used ?? 'never'} to ${whole.last_used ?? 'never'}`),
    row('decisions', `${forward} forwarded, ${mask} masked, ${hold} held, ${reject} rejected`),
    ...held,
    row('rules', `of ${visible(policy.revision)} that it met:`),
    ...(told.length > 0 ? told : ['    none']),
    row('', `and never met: ${unused.length === 0 ? 'none' : unused.join(', ')}`),
  ].join('\n')}\n`
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(10)} ${text}`
}

function stateOf({ registered, quarantine }: AgentView): string {
  if (quarantine.length > 0) return 'quarantined'
  return registered === null ? 'unregistered' : 'registered'
}

import { randomBytes } from 'node:crypto'
import { loadConfig } from '../engine/config/index.ts'
import { PolicyError, readLabels, sealRequest, type Labels, type Principal } from '../engine/index.ts'
import { openBundle, type ActivePolicy } from '../engine/policy/index.ts'
import { leastGrants, postgres } from '../planes/postgres/index.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import type { CommandIo } from './command.ts'
import { EXIT } from './exit.ts'

const USAGE = `usage: countersign postgres grants --config FILE --role NAME [--database NAME] [--agent ID] [--group NAME]

Prints the SQL that makes a role at the server with the least that the configured policy's allowed statements need:
relation by relation and column by column, by asking the policy itself. Run it with psql at the server.

  --role NAME      the role that planes.postgres.upstream.user will name
  --database NAME  where there is more than one
  --agent ID       for this agent; again for more (default: all of the policy's data.agents)
  --group NAME     that the agents are in; again for more (default: agents)
`

/** `countersign postgres grants`. */
export async function grantsCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = commandLine(
    USAGE,
    {
      config: { type: 'string' },
      role: { type: 'string' },
      database: { type: 'string' },
      agent: { type: 'string', multiple: true, default: [] },
      group: { type: 'string', multiple: true, default: ['agents'] },
    },
    argv,
  )
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  if (values.config === undefined || values.role === undefined) throw wrongUsage('expected --config and --role', USAGE)
  const { config } = loadConfig(values.config)
  const plane = postgres.configure(config.planes['postgres'])
  const policy = await openBundle(config.policy.bundle, config.policy.trust, config.policy.limits)
  const sql = await leastGrants(plane, {
    database: oneDatabase(values.database, plane.databases),
    role: values.role,
    principals: agentsOf(policy, values.agent, values.group),
    labels: labelsOf(policy),
    allows: (request) => allows(policy, request),
    now: Date.now,
  })
  io.stdout.write(sql)
  return EXIT.ok
}

function oneDatabase(said: string | undefined, configured: readonly string[] | 'any'): string {
  if (said !== undefined) return said
  const [only, ...others] = configured === 'any' ? [] : configured
  if (only !== undefined && others.length === 0) return only
  throw wrongUsage('expected --database, since there is more than one', USAGE)
}

function agentsOf({ data }: ActivePolicy, ids: readonly string[], groups: readonly string[]): readonly Principal[] {
  const register: unknown = data['agents']
  const known = Object.keys(Object(register))
  const chosen = ids.length > 0 ? ids : known
  if (chosen.length === 0) throw wrongUsage("expected --agent, since the policy's data lists no agents", USAGE)
  return chosen.map((id) => {
    const owner: unknown = Reflect.get(Object(Reflect.get(Object(register), id)), 'owner')
    return {
      id,
      kind: 'agent',
      groups,
      roles: [],
      issuer: '',
      act: [],
      owner: typeof owner === 'string' ? owner : null,
      token_id: null,
      token_digest: '0'.repeat(64),
      expires_at: 4_102_444_800, // 2100: no policy refuses it for its age
    }
  })
}

function labelsOf(policy: ActivePolicy): Labels {
  return { revision: policy.reference.digest, resources: readLabels(policy.data)['postgres'] ?? {} }
}

const NO_KEY = randomBytes(32)

/** A hold is a yes that somebody may give; an error of the policy's is none. */
function allows(policy: ActivePolicy, request: Parameters<typeof sealRequest>[0]): boolean {
  try {
    return policy.evaluate('postgres', sealRequest(request, NO_KEY), Date.now()).verdict.kind !== 'reject'
  } catch (error) {
    if (error instanceof PolicyError) return false
    throw error
  }
}

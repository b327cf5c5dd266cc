import { isDeepStrictEqual } from 'node:util'
import { runChild } from '../support/child.ts'
import type { StackLine } from '../support/stack.ts'
import type { Step } from './steps.ts'

/** What a program printed of one step. */
export interface Seen {
  readonly step: string
  readonly saw?: unknown
  readonly failed?: string
}

export type Came = 'equal' | 'masked' | 'refused' | 'differs'

type Environment = Readonly<Record<string, string>>

/** The server itself. */
export function directly({ upstream }: StackLine): Environment {
  const { host, port, database, user, password } = upstream
  return { PGHOST: host, PGPORT: String(port), PGDATABASE: database, PGUSER: user, PGPASSWORD: password }
}

/** Every step that the program has, in order. Throws what it said where it ends otherwise than well. */
export async function seen(command: readonly string[], steps: readonly Step[], at: Environment): Promise<Seen[]> {
  const [program = '', ...args] = command
  const env = { PGSSLMODE: 'disable', PYTHONIOENCODING: 'utf8', TZ: 'UTC', ...at }
  const names = steps.map(({ name }) => name)
  const { status, stdout, stderr } = await runChild(program, [...args, ...names], { env, timeoutMs: 180_000 })
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`)
  return stdout
    .trimEnd()
    .split('\n')
    .map((line): Seen => JSON.parse(line))
}

const MASKED: readonly [RegExp, string] = [/900-11-1111/g, '*******1111']

/** How a step came out at the gateway, beside the server's own answer. */
export function came(direct: Seen, through: Seen): Came {
  if (isDeepStrictEqual(direct, through)) return 'equal'
  if (JSON.stringify(direct).replaceAll(...MASKED) === JSON.stringify(through)) return 'masked'
  const text = typeof through.saw === 'string' ? through.saw : '' // a program of a terminal prints; others fail
  if (through.failed === '42501' || text.includes('refused by policy')) return 'refused'
  return 'differs'
}

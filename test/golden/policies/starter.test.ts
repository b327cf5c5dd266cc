import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import { beforeAll, expect, test } from 'vitest'
import { BINDING_KEY } from '../../support/rooms.ts'
import { sealRequest, type AccessRequest, type JsonObject, type Principal } from '../../../engine/access-request.ts'
import { openBundle, UNHURRIED, type ActivePolicy } from '../../../engine/policy/index.ts'

/** One file, one case: what is asked of the registered agent's pack, and the whole answer of the module that decides. */
interface Case {
  readonly sql: string
  readonly principal?: Partial<Principal>
  readonly action: AccessRequest['action']
  readonly resources: AccessRequest['resources']
  readonly postgres?: JsonObject
  readonly answer: unknown
}

const ROOT = join(import.meta.dirname, '..', '..', '..')
const CASES = join(import.meta.dirname, 'starter')
const NOW = Date.parse('2026-01-02T03:04:05Z')

let policy: ActivePolicy
let valid: ValidateFunction

beforeAll(async () => {
  policy = await openBundle(join(ROOT, 'policies', 'dist', 'starter.tar.gz'), { kind: 'unsigned' }, UNHURRIED)
  valid = new Ajv().compile(Object(await json(join(ROOT, 'planes', 'postgres', 'request.schema.json'))))
})

test.for(readdirSync(CASES))('%s', async (name) => {
  const wanted: Case = await json(join(CASES, name))
  const sealed = sealRequest(requestOf(wanted), BINDING_KEY)
  valid(JSON.parse(sealed.json))
  expect(valid.errors).toBeNull()
  expect(policy.evaluate('postgres', sealed, NOW)).toEqual(wanted.answer)
})

test('there are cases of every verdict', async () => {
  const cases = await Promise.all(
    readdirSync(CASES).map((name) => json<{ answer: { verdict: { kind: string } } }>(join(CASES, name))),
  )
  expect(new Set(cases.map(({ answer }) => answer.verdict.kind))).toEqual(
    new Set(['forward', 'mask', 'hold', 'reject']),
  )
})

function requestOf({ sql, principal, action, resources, postgres }: Case): AccessRequest {
  const block: JsonObject = {
    kind: action.name.slice('postgres.'.length),
    statement: sql,
    database: 'bank',
    user: 'reconciler',
    functions: [],
    opaque: [],
    parameters: [],
    setting: null,
    ...postgres,
  }
  return {
    principal: { ...AGENT, ...principal },
    action,
    resources,
    context: {
      plane: 'postgres',
      session: 's1',
      time: new Date(NOW).toISOString(),
      source: '192.0.2.1:50000',
      transaction: 'none',
      approvals: [],
    },
    block,
    recorded: { resources, block },
    labels_revision: 'r1',
  }
}

const AGENT: Principal = {
  id: 'reconciler',
  kind: 'agent',
  groups: ['agents'],
  roles: [],
  issuer: 'https://idp.example',
  act: [],
  owner: 'olivia',
  token_id: 't1',
  token_digest: '0'.repeat(64),
  expires_at: NOW / 1000 + 900,
}

async function json<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8'))
}

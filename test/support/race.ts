import { Client } from 'pg'
import type { StoredRecord } from '../../engine/evidence/index.ts'
import { asText, isIntent, isOutcome } from '../../engine/evidence/decision-record.ts'
import { direct } from './direct.ts'
import { traceEvidence } from './evidence-trace.ts'
import type { Stack } from './stack.ts'

/** What came of a statement: how many rows it changed, or the SQLSTATE or the loss of the connection that it ended with. */
export type Ended = { readonly rows: number } | { readonly error: string; readonly message: string }

export interface Asked {
  readonly client: Client
  /** Resolves once it is held; rejects when the connection is lost before. */
  readonly held: Promise<Notice>
  readonly ended: Promise<Ended>
}

interface Notice {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

const TRANSFER = 'INSERT INTO transfers (from_account, to_account, amount, status) VALUES (10, 20, $1, $2)'

/** Sends a transfer whose row is found again by its mark. */
export async function ask(gateway: Stack, mark: string, amount = '5.00'): Promise<Asked> {
  const { user, token } = gateway.line.principals.agent
  const client = new Client({ ...gateway.line.gateway, user, password: token })
  client.on('error', () => undefined) // a gateway that dies is told by the query
  await client.connect()
  const held = Promise.withResolvers<Notice>()
  held.promise.catch(() => undefined)
  client.on('notice', ({ message }) => {
    const id = /^held for approval (\S+): /.exec(message ?? '')?.[1]
    if (id !== undefined) held.resolve({ id, expiresAt: Date.now() })
  })
  const ended = client.query(TRANSFER, [amount, mark]).then(
    ({ rowCount }): Ended => ({ rows: rowCount ?? 0 }),
    (error: Error & { code?: string }): Ended => ({ error: error.code ?? 'lost', message: error.message }),
  )
  void ended.then((how) => held.reject(new Error(`not held: ${JSON.stringify(how)}`)))
  return { client, held: held.promise, ended }
}

export interface Told {
  readonly status: number
  readonly code: string | null
  readonly state: string | null
}

/** One person's answer over the API. */
export async function answer(
  gateway: Stack,
  id: string,
  { token, verb = 'approve' }: { readonly token: string; readonly verb?: 'approve' | 'deny' },
): Promise<Told> {
  const response = await fetch(`${gateway.line.api}/v1/approvals/${id}/${verb}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'a race' }),
  })
  return told(response)
}

export async function standing(gateway: Stack, id: string): Promise<Told & { readonly expiresAt: number }> {
  const { token } = gateway.line.principals.auditor
  const response = await fetch(`${gateway.line.api}/v1/approvals/${id}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  const body: unknown = await response.clone().json()
  return { ...(await told(response)), expiresAt: Date.parse(String(Reflect.get(Object(body), 'expires_at'))) }
}

async function told(response: Response): Promise<Told> {
  const body: unknown = await response.json()
  const text = (name: string): string | null => {
    const value: unknown = Reflect.get(Object(body), name)
    return typeof value === 'string' ? value : null
  }
  return { status: response.status, code: text('code'), state: text('state') }
}

/** Ids of what waits, as an auditor sees it. */
export async function waiting(gateway: Stack): Promise<readonly string[]> {
  const response = await fetch(`${gateway.line.api}/v1/approvals?state=requested`, {
    headers: { authorization: `Bearer ${gateway.line.principals.auditor.token}` },
  })
  const body: { approvals: { id: string }[] } = JSON.parse(await response.text())
  return body.approvals.map(({ id }) => id)
}

export async function rowsMarked(gateway: Stack, mark: string): Promise<number> {
  return (await direct(gateway, `SELECT id FROM transfers WHERE status = '${mark}'`)).length
}

/** What evidence tells of the statement with this mark: intents that used an approval, and how those ended. */
export interface Account {
  readonly used: readonly string[]
  readonly outcomes: readonly string[]
}

/** By mark, out of a directory of evidence. */
export function accounts(directory: string): (mark: string) => Account {
  const traces = traceEvidence(directory)
  const outcomes = new Map<string | null, StoredRecord['record']['event']>()
  for (const { record } of traces) if (isOutcome(record.event)) outcomes.set(record.decision, record.event)
  return (mark) => {
    const intents = traces.filter(
      (each) => each.mark === mark && isIntent(each.record.event) && each.record.approval?.['state'] === 'used',
    )
    return {
      used: intents.map(({ record }) => asText(record.approval?.['id']) ?? 'none'),
      outcomes: intents.map(({ record }) => outcomes.get(record.decision) ?? 'none'),
    }
  }
}

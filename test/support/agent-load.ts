import { setTimeout as sleep } from 'node:timers/promises'
import { Client, DatabaseError } from 'pg'
import { ApiClient } from '../../cli/api-client.ts'
import { ApprovalsClient } from '../../cli/approvals-client.ts'
import { seededRandom } from './seeded-random.ts'
import type { Random } from './seeded-random.ts'
import type { Stack } from './stack.ts'

/** What the clients know, over all rounds: it must never be more than what the evidence knows. */
export interface ClientLedger {
  /** Marks of statements whose success a client has heard of. */
  readonly acknowledged: Set<string>
  /** Marks of transfers that are committed, as a client has heard. */
  readonly committed: Set<string>
  /** Marks of transfers that were sent and never answered; some are sent again later. */
  readonly unanswered: Set<string>
}

export interface Load {
  /** Resolves when every client has noticed that the gateway is gone. */
  readonly ended: Promise<void>
  /** Resolves when each client has had its first answer, or is gone. */
  readonly begun: Promise<void>
  /** No statement is sent any more. */
  stop(): void
  /** As stop, and every client goes away, in the middle of a statement too: where the gateway lives, nothing else ends them. */
  leave(): void
}

export interface LoadOptions {
  readonly seed: number
  readonly round: number
  readonly connections: number
  readonly ledger: ClientLedger
  /** Another way to the gateway than straight there. */
  readonly by?: { readonly host: string; readonly port: number }
}

interface Agent {
  readonly client: Client
  readonly random: Random
  readonly ledger: ClientLedger
  readonly mark: () => string
}

/** Agents at work, each over a connection of its own, and two people who answer what is held. */
export function startLoad(stack: Stack, options: LoadOptions): Load {
  const stop = new AbortController()
  const { seed, round, connections, ledger, by = stack.line.gateway } = options
  const begun = Array.from({ length: connections }, () => Promise.withResolvers<void>())
  const clients: Client[] = []
  const agents = begun.map(async ({ resolve }, index) => {
    const { user, token } = stack.line.principals.agent
    const client = new Client({ ...stack.line.gateway, ...by, user, password: token }).on('error', () => undefined)
    clients.push(client)
    const random = seededRandom(seed + round * 1009 + index)
    let count = 0
    const mark = (): string => `m${round}_${index}_${(count += 1)}`
    await untilDisconnected(async () => {
      await client.connect()
      await client.query('SELECT 1')
      resolve()
      while (!stop.signal.aborted) await step({ client, random, ledger, mark })
    }).finally(resolve)
  })
  const people = answerHolds(stack, seededRandom(seed - round), stop.signal)
  return {
    begun: Promise.all(begun.map(({ promise }) => promise)).then(() => undefined),
    ended: Promise.all([...agents, people]).then(() => undefined),
    stop: () => stop.abort(),
    leave: () => {
      stop.abort()
      for (const client of clients) client.end().catch(() => undefined)
    },
  }
}

/** The gateway's death is what this is all about; anything else is a failure of the test. */
async function untilDisconnected(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const disconnected = error instanceof Error && /terminated|ECONN|EPIPE|not queryable|timeout/.test(error.message)
    const shutDown = error instanceof DatabaseError && error.severity === 'FATAL'
    if (!disconnected && !shutDown) throw error
  }
}

async function step(agent: Agent): Promise<void> {
  const choice = agent.random()
  if (choice < 0.5) return read(agent)
  if (choice < 0.65) return readWithin(agent)
  return transfer(agent, choice < 0.8)
}

async function read({ client, random, ledger, mark }: Agent): Promise<void> {
  const own = mark()
  const { rows } = await client.query(`SELECT id, ssn AS ${own} FROM customers WHERE id = $1`, [
    1 + Math.floor(random() * 5),
  ])
  if (rows.length === 1) ledger.acknowledged.add(own)
}

async function readWithin(agent: Agent): Promise<void> {
  const { client, random } = agent
  await client.query('BEGIN')
  await read(agent)
  await read(agent)
  await client.query(random() < 0.5 ? 'COMMIT' : 'ROLLBACK')
}

const TRANSFER = 'INSERT INTO transfers (from_account, to_account, amount, status) VALUES (10, 20, 1.00, $1)'

/** A new one, or one that got no answer last time, letter for letter: whoever approved that has approved this. */
async function transfer({ client, random, ledger, mark }: Agent, within: boolean): Promise<void> {
  const [old] = ledger.unanswered
  const own = old !== undefined && random() < 0.5 ? old : mark()
  ledger.unanswered.delete(own)
  try {
    if (within) await client.query('BEGIN')
    await client.query(TRANSFER, [own])
    ledger.acknowledged.add(own)
    if (within) await client.query('COMMIT')
    ledger.committed.add(own)
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.severity === 'FATAL') {
      ledger.unanswered.add(own)
      throw error
    }
    if (within) await client.query('ROLLBACK') // somebody said no
  }
}

/** ann answers most of what waits; some she leaves to the kill. */
async function answerHolds(stack: Stack, random: Random, stop: AbortSignal): Promise<void> {
  const ann = new ApprovalsClient(new ApiClient(new URL(`${stack.line.api}/`), stack.line.principals.approver.token))
  const left = new Set<string>()
  while (!stop.aborted) {
    const waiting = await ann.list('requested').catch(() => [])
    for (const { id } of waiting.filter((each) => !left.has(each.id))) {
      const choice = random()
      if (choice > 0.95) left.add(id)
      // It may have been withdrawn, or the gateway may be gone, since it was listed.
      else await ann.answer(id, choice < 0.8 ? 'approve' : 'deny', 'as agreed').catch(() => undefined)
    }
    await sleep(10)
  }
}

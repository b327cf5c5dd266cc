import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { verifyEvidence } from '../../engine/evidence/index.ts'
import { awaitsOutcome, isIntent, isOutcome, settledAs } from '../../engine/evidence/decision-record.ts'
import { startLoad } from './agent-load.ts'
import type { ClientLedger } from './agent-load.ts'
import { canariesIn } from './canaries.ts'
import { countersign, startChild } from './child.ts'
import { direct } from './direct.ts'
import { evidenceBytes, traceEvidence } from './evidence-trace.ts'
import type { Traced } from './evidence-trace.ts'
import { seededRandom } from './seeded-random.ts'
import type { Stack } from './stack.ts'

export interface KillRunOptions {
  readonly seed: number
  readonly kills: number
  readonly connections: number
}

const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname
/** A round ends at a random one of its first so many answers: by count, not by time, so that a slow machine kills no idle gateway. */
const MOST_ANSWERS = 60
const LONGEST_ROUND_MS = 5000

/** What all rounds together have shown: a run that killed an idle gateway has proved nothing. */
export interface KillRunTally {
  readonly acknowledged: number
  readonly committed: number
  readonly inDoubt: number
}

/**
 * Kills the gateway with SIGKILL at random instants under load, sometimes once more while it recovers, and after each
 * restart holds what clients and server know against what the evidence says.
 */
export async function killRun(stack: Stack, options: KillRunOptions): Promise<KillRunTally> {
  const { seed, kills, connections } = options
  const random = seededRandom(seed)
  const ledger: ClientLedger = { acknowledged: new Set(), committed: new Set(), unanswered: new Set() }
  let inDoubt = 0
  for (let round = 1; round <= kills; round += 1) {
    const load = startLoad(stack, { seed, round, connections, ledger })
    await load.begun
    await answered(ledger, ledger.acknowledged.size + random() * MOST_ANSWERS)
    await sleep(random() * 20) // off the beat of the answers
    await stack.gateway.kill9()
    load.stop()
    await load.ended
    const before = await serverState(stack)
    if (random() < 0.3) await killWhileStarting(stack, random() * 900)
    await stack.gateway.restart()
    expect(await serverState(stack), 'the gateway sent something by itself').toEqual(before)
    inDoubt = await judgeEvidence(stack, ledger)
  }
  return { acknowledged: ledger.acknowledged.size, committed: ledger.committed.size, inDoubt }
}

/** Waits until clients have heard of so many statements, if not for ever. */
export async function answered({ acknowledged }: ClientLedger, wanted: number): Promise<void> {
  for (let waited = 0; acknowledged.size < wanted && waited < LONGEST_ROUND_MS; waited += 5) await sleep(5)
}

/** All transfers, and how often one was tried, once the server has noticed that nobody is there any more. */
export async function serverState(stack: Stack): Promise<unknown> {
  const others = `SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND application_name <> 'countersign' AND state <> 'idle'`
  await expect.poll(() => direct(stack, others), { timeout: 10_000 }).toEqual([['0']])
  return direct(stack, 'SELECT last_value, (SELECT count(*) FROM transfers) FROM transfers_id_seq')
}

async function killWhileStarting(stack: Stack, afterMs: number): Promise<void> {
  const starting = startChild(process.execPath, [MAIN, 'serve', '--config', stack.line.config])
  await sleep(afterMs)
  starting.process.kill('SIGKILL')
  await starting.result
}

/** Holds clients, server and evidence against each other; resolves with how many intents are in doubt. */
export async function judgeEvidence(stack: Stack, ledger: ClientLedger): Promise<number> {
  const { status, stdout, stderr } = await countersign(['evidence', 'verify', stack.evidence])
  expect(status, `evidence verify: ${stdout}${stderr}`).toBe(0)
  const traces = traceEvidence(stack.evidence)
  judgeAcknowledged(traces, ledger)
  judgeApprovals(traces, await transfersByMark(stack), ledger)
  expect(canariesIn(evidenceBytes(stack.evidence))).toEqual([])
  return judgeDoubts(traces, stdout, stack.evidence)
}

/** What a client has heard of was allowed, on disk, and so was its end. */
function judgeAcknowledged(traces: readonly Traced[], { acknowledged }: ClientLedger): void {
  const intents = traces.filter(({ record }) => isIntent(record.event))
  const ended = new Set(
    traces
      .filter(({ record }) => record.event === 'outcome.ok' || settledAs(record) === 'ok')
      .map(({ record }) => record.decision),
  )
  const known = new Set(intents.map(({ mark }) => mark))
  const settled = new Set(intents.filter(({ record }) => ended.has(record.decision)).map(({ mark }) => mark))
  expect(notIn(acknowledged, known), 'acknowledged without an intent').toEqual([])
  expect(notIn(acknowledged, settled), 'acknowledged without an outcome').toEqual([])
}

/** Each transfer at the server has an approval of its own that was used for it, once. */
function judgeApprovals(
  traces: readonly Traced[],
  transfers: ReadonlyMap<string, number>,
  { committed }: ClientLedger,
): void {
  const uses = traces.filter(({ record }) => isIntent(record.event) && record.approval?.['state'] === 'used')
  const ids = uses.map(({ record }) => record.approval?.['id'])
  expect(new Set(ids).size, 'an approval was used twice').toBe(ids.length)
  const used = Map.groupBy(uses, ({ mark }) => mark)
  const beyond = [...transfers].filter(([mark, count]) => count > (used.get(mark)?.length ?? 0))
  expect(beyond, 'transfers without an approval each').toEqual([])
  expect(notIn(committed, new Set(transfers.keys())), 'committed, but not there').toEqual([])
}

/** The intents whose end nobody wrote down are the ones that are listed, no more and no fewer. */
async function judgeDoubts(traces: readonly Traced[], told: string, directory: string): Promise<number> {
  const ended = traces.filter(({ record }) => isOutcome(record.event) && record.event !== 'outcome.unknown')
  const known = new Set(ended.map(({ record }) => record.decision))
  const open = traces.filter(({ record }) => awaitsOutcome(record) && !known.has(record.decision))
  const { inDoubt } = await verifyEvidence(directory)
  const listed = new Set(inDoubt.map(({ decision }) => decision))
  expect(listed).toEqual(new Set(open.map(({ record }) => record.decision)))
  for (const decision of listed) expect(told).toContain(decision)
  return listed.size
}

async function transfersByMark(stack: Stack): Promise<ReadonlyMap<string, number>> {
  const rows = await direct(stack, 'SELECT status, count(*) FROM transfers WHERE id > 100 GROUP BY status')
  return new Map(rows.map(([mark, count]) => [String(mark), Number(count)]))
}

function notIn(some: ReadonlySet<string>, all: ReadonlySet<string | null>): string[] {
  return [...some].filter((each) => !all.has(each))
}

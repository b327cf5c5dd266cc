import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { verifyEvidence } from '../../engine/evidence/index.ts'
import { startLoad, type ClientLedger } from './agent-load.ts'
import { countersign } from './child.ts'
import { answered, judgeEvidence, serverState } from './kill-run.ts'
import type { Pair } from './pair.ts'
import { seededRandom, type Random } from './seeded-random.ts'
import type { Stack } from './stack.ts'

/** Who dies in a round. */
export const VICTIMS = ['gw-a', 'gw-b', 'sequencer', 'both', 'postgres'] as const
export type Victim = (typeof VICTIMS)[number]

export interface PairRunOptions {
  readonly seed: number
  /** One a round. */
  readonly victims: readonly Victim[]
  readonly connections: number
}

export interface PairRunTally {
  readonly acknowledged: number
  readonly committed: number
  readonly inDoubt: number
  /** How often another gateway took over the sequencing. */
  readonly failovers: number
}

const MOST_ANSWERS = 60

/**
 * Two gateways at work on one store, and in each round a SIGKILL for one of them, for the one that signs, for both, or for
 * the database under them; the other gateway goes on meanwhile. After each round what was pulled has no fault but that it
 * is not finished; after the last, with both stopped in order, it has none at all, and holds all that any client heard.
 */
export async function pairRun(pair: Pair, { seed, victims, connections }: PairRunOptions): Promise<PairRunTally> {
  const random = seededRandom(seed)
  const ledger: ClientLedger = { acknowledged: new Set(), committed: new Set(), unanswered: new Set() }
  for (const [at, victim] of victims.entries()) {
    await round(pair, { at, victim, seed, connections, random, ledger })
    await judgeUnfinished(pair)
  }
  for (const { gateway } of pair.gateways) await gateway.stop()
  const inDoubt = await judgeFinished(pair, ledger)
  const [row] = await pair.sql(`SELECT count(*)::integer AS failovers FROM evidence_lines
    WHERE line LIKE '%"event":"gateway.failover"%'`)
  const { acknowledged, committed } = ledger
  return { acknowledged: acknowledged.size, committed: committed.size, inDoubt, failovers: Number(row?.['failovers']) }
}

interface Round {
  readonly at: number
  readonly victim: Victim
  readonly seed: number
  readonly connections: number
  readonly random: Random
  readonly ledger: ClientLedger
}

async function round(pair: Pair, { at, victim, seed, connections, random, ledger }: Round): Promise<void> {
  const [first] = pair.gateways
  const loads = pair.gateways.map((stack, index) =>
    startLoad(stack, { seed, round: at * 2 + index + 1, connections, ledger }),
  )
  await Promise.all(loads.map(({ begun }) => begun))
  await answered(ledger, ledger.acknowledged.size + random() * MOST_ANSWERS)
  await sleep(random() * 20)
  const killed = await kill(pair, victim)
  // The one that lives serves on, and whatever the dead one had in hand doesn't stand in its way.
  if (killed.length < 2) await answered(ledger, ledger.acknowledged.size + 10)
  for (const load of loads) load.leave()
  const survivors = pair.gateways.filter((stack) => !killed.includes(stack))
  if (victim === 'postgres') await pair.store.restart()
  await Promise.all(loads.map(({ ended }) => ended))
  const before = survivors.length === 0 ? await serverState(first) : null
  for (const { gateway } of killed) await gateway.restart()
  if (before !== null) expect(await serverState(first), 'a gateway sent something by itself').toEqual(before)
}

async function kill(pair: Pair, victim: Victim): Promise<readonly Stack[]> {
  const killed = victim === 'postgres' ? [] : await victimsOf(pair, victim)
  await Promise.all(killed.map(({ gateway }) => gateway.kill9()))
  if (victim !== 'postgres') return killed
  await pair.store.kill9()
  // Without a store nothing is let through: both stop by themselves, and say why.
  const codes = await Promise.all(pair.gateways.map(({ gateway }) => gateway.exited))
  expect(codes).toEqual([74, 74])
  return pair.gateways
}

async function victimsOf(pair: Pair, victim: Exclude<Victim, 'postgres'>): Promise<readonly Stack[]> {
  const [a, b] = pair.gateways
  switch (victim) {
    case 'gw-a':
      return [a]
    case 'gw-b':
      return [b]
    case 'both':
      return [a, b]
    case 'sequencer':
      return [(await sequencerOf(pair)) ?? a]
  }
}

/** The gateway whose process holds the socket of the session that holds the lock; Linux tells, elsewhere null. */
async function sequencerOf(pair: Pair): Promise<Stack | null> {
  const [row] = await pair.sql(`SELECT client_port FROM pg_stat_activity JOIN pg_locks USING (pid)
    WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = hashtextextended('countersign/evidence/order', 0)`)
  const port = Number(row?.['client_port']).toString(16).toUpperCase().padStart(4, '0')
  try {
    const sockets = readFileSync('/proc/net/tcp', 'utf8').split('\n')
    const inode = sockets.map((line) => line.trim().split(/\s+/)).find((fields) => fields[1]?.endsWith(`:${port}`))?.[9]
    return pair.gateways.find(({ gateway }) => holds(gateway.pid, `socket:[${inode}]`)) ?? null
  } catch {
    return null
  }
}

function holds(pid: number, name: string): boolean {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).some((entry) => {
    try {
      return readlinkSync(`${folder}/${entry}`) === name
    } catch {
      return false // It was closed meanwhile.
    }
  })
}

/** While gateways run: no gap, nothing changed; only ends that are not there yet. */
async function judgeUnfinished(pair: Pair): Promise<void> {
  const pulled = await pair.pull()
  expect(pulled.status, `evidence pull: ${pulled.stderr}`).toBe(0)
  const { status, findings, writers } = await verifyEvidence(pair.evidence)
  expect(findings.filter(({ severity }) => severity !== 'incomplete')).toEqual([])
  expect(['ok', 'incomplete']).toContain(status)
  expect(writers.flatMap(({ gaps }) => gaps)).toEqual([])
}

async function judgeFinished(pair: Pair, ledger: ClientLedger): Promise<number> {
  const pulled = await pair.pull()
  expect(pulled.status, `evidence pull: ${pulled.stderr}`).toBe(0)
  const told = await countersign(['evidence', 'verify', pair.evidence, '--log-key', pair.logKey])
  expect(told.status, `${told.stdout}${told.stderr}`).toBe(0)
  return judgeEvidence(pair.gateways[0], ledger)
}

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  EVERYTHING,
  exportEvidence,
  verifyBundle,
  type ExportOptions,
  type ExportReport,
  type Query,
} from '../../../../engine/evidence/index.ts'
import { logSigner, openSigned } from '../signed.ts'
import { scratch, stepClock } from '../workbench.ts'
import { PRINCIPAL, outcome, rows } from '../drafts.ts'

export const exporter = logSigner(9, 'bank.example/exports')
export const logKey = logSigner().verifier
export const exportKey = exporter.verifier
export const trust = { logKey, exportKey }

export async function exportTo(
  directory: string,
  query: Partial<Query> = {},
  options: Partial<ExportOptions> = {},
): Promise<ExportReport> {
  const out = join(scratch(), 'bundle')
  return exportEvidence({
    directory,
    out,
    query: { ...EVERYTHING, ...query },
    signer: exporter,
    producer: '0.0.0',
    ...options,
  })
}

/** Every file of a folder, by name. */
export function contentOf(folder: string): ReadonlyMap<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name)).toSorted()
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path)]))
}

const POLICY = { revision: 'r1', digest: 'cd'.repeat(32) }

/**
 * What a gateway would have written in a day: two agents, each verdict of the four, a hold that was granted and used, one
 * that was denied, masked frames, a refused token; under one checkpoint.
 */
export async function richDirectory(times = 1): Promise<string> {
  const directory = scratch()
  const log = await openSigned(directory, stepClock(Date.UTC(2026, 3, 18, 9)))
  const append = async (draft: Parameters<typeof log.append>[0]): Promise<void> => log.append(draft).durable
  await append({ event: 'policy.activated', policy: POLICY, detail: { sha: 'x' } })
  await append({
    event: 'identity.rejected',
    detail: { plane: 'postgres', source: '10.0.0.9', code: 'ERR_IDENTITY_EXPIRED' },
  })
  for (let round = 0; round < times; round += 1) {
    for (const agent of ['reconciler', 'collector']) await session(agent, `${agent}-${round}`)
  }
  await log.close()
  return directory

  async function session(agent: string, id: string): Promise<void> {
    const principal = { ...PRINCIPAL, id: agent }
    const base = { session: id, principal, policy: POLICY, controls: ['IS.II.C.15(a)', 'AIO.V.C.2(c)'] }
    const table = (name: string) => [{ type: 'table', name, labels: [], parts: [] }]
    const reason = (rule: string) => [{ rule, message: `${rule} fired`, controls: ['IS.II.C.15(a)'] }]
    const select = { name: 'postgres.select', class: 'read' } as const
    const insert = { name: 'postgres.insert', class: 'write' } as const
    const payload = { block: { statement: 'SELECT name FROM customers WHERE id = $1' }, values: [] }
    await append({ event: 'identity.verified', principal, detail: { plane: 'postgres', source: '10.0.0.9' } })
    await append({
      event: 'session.opened',
      session: id,
      principal,
      detail: { plane: 'postgres', source: '10.0.0.9', client: 'psql' },
    })
    const masked = `${id}-masked`
    const masks = [{ field: 'public.customers.ssn', method: 'last4', class: 'pii' }]
    await append({
      ...base,
      event: 'decision.mask',
      decision: masked,
      action: select,
      resources: table('public.customers'),
      verdict: 'mask',
      reasons: reason('mask-pii'),
      masks,
      payload,
    })
    await log.appendFrame(id, { dir: 'client', kind: 'sql.query', decision: masked, body: payload.block.statement })
      .durable
    await log.appendFrame(id, { ...rows(masked, [['Ann', '***-**-1234']]), masks }).durable
    await append({
      ...outcome(masked, id),
      outcome: {
        status: 'ok',
        rows: 1,
        bytes: 20,
        masks: [{ field: 'public.customers.ssn', method: 'last4', count: 1 }],
        error: null,
      },
    })
    await append({
      ...base,
      event: 'decision.reject',
      decision: `${id}-rejected`,
      action: { name: 'postgres.delete', class: 'destroy' },
      resources: table('public.accounts'),
      verdict: 'reject',
      reasons: reason('no-delete'),
      controls: ['IS.II.C.18'],
    })
    const held = `${id}-held`
    const approval = { id: `a-${id}`, rule: 'large-transfer', requester: principal, state: 'requested' }
    const approver = { ...PRINCIPAL, id: 'ann', kind: 'person', owner: null } as const
    await append({
      ...base,
      event: 'decision.hold',
      decision: held,
      action: insert,
      resources: table('public.transfers'),
      verdict: 'hold',
      reasons: reason('large-transfer'),
    })
    await append({
      event: 'approval.requested',
      session: id,
      decision: held,
      policy: POLICY,
      approval,
      payload: { summary: { amount: '100' } },
    })
    await append({
      event: 'approval.granted',
      session: id,
      decision: held,
      policy: POLICY,
      principal: approver,
      approval: { ...approval, state: 'granted' },
      payload: { summary: { amount: '100' } },
    })
    await append({
      ...base,
      event: 'decision.forward',
      decision: held,
      action: insert,
      resources: table('public.transfers'),
      verdict: 'forward',
      reasons: reason('large-transfer'),
      approval: { id: approval.id, state: 'used' },
    })
    await append({
      ...outcome(held, id),
      event: 'outcome.failed',
      outcome: { status: 'failed', rows: null, bytes: 0, masks: [], error: '23505' },
    })
    const plain = `${id}-plain`
    await append({
      ...base,
      event: 'decision.forward',
      decision: plain,
      action: { name: 'postgres.begin', class: 'control' },
      resources: [],
      verdict: 'forward',
      reasons: [],
    })
    await append(outcome(plain, id))
    await append({ event: 'session.closed', session: id, detail: { reason: 'client' } })
  }
}

export { verifyBundle }

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject, Principal } from '../../../../engine/access-request.ts'
import {
  EVERYTHING,
  exportEvidence,
  type BundleTrust,
  type EvidenceLog,
  type ExportOptions,
  type ExportReport,
  type NoteSigner,
  type Query,
  type RecordDraft,
} from '../../../../engine/evidence/index.ts'
import { PRINCIPAL, outcome, rows } from '../drafts.ts'
import { logSigner, openSigned } from '../signed.ts'
import { scratch, stepClock, unsynced } from '../workbench.ts'

export const exporter: NoteSigner = logSigner(9, 'bank.example/exports')
/** The keys that an auditor of these bundles has. */
export const trust: Required<Pick<BundleTrust, 'logKey' | 'exportKey'>> = {
  logKey: logSigner().verifier,
  exportKey: exporter.verifier,
}

export async function exportTo(
  directory: string,
  query: Partial<Query> = {},
  options: Partial<ExportOptions> = {},
): Promise<ExportReport> {
  const out = join(scratch(), 'bundle')
  const asked = { ...EVERYTHING, ...query }
  return exportEvidence({ evidence: directory, out, query: asked, signer: exporter, producer: '0.0.0', ...options })
}

/** Every file of a folder, by name. */
export function contentOf(folder: string): ReadonlyMap<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name)).toSorted()
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path)]))
}

export const POLICY: { readonly revision: string; readonly digest: string } = {
  revision: 'r1',
  digest: 'cd'.repeat(32),
}

/**
 * What a gateway would have written: two agents a round, each verdict of the four, a hold that was granted and used, masked
 * frames, a refused token; all under one checkpoint. A record a millisecond from 9:00 on.
 */
export async function richDirectory(rounds = 1): Promise<string> {
  const directory = scratch()
  const log = await openSigned(directory, { ...stepClock(Date.UTC(2026, 3, 18, 9)), files: unsynced })
  await writeDay(log, rounds)
  await log.close()
  return directory
}

export async function writeDay(log: EvidenceLog, rounds: number): Promise<void> {
  const rejected = { plane: 'postgres', source: '10.0.0.9', code: 'ERR_IDENTITY_EXPIRED' }
  await log.append({ event: 'policy.activated', policy: POLICY, detail: { version: '1' } }).durable
  await log.append({ event: 'identity.rejected', detail: rejected }).durable
  for (let round = 0; round < rounds; round += 1) {
    for (const agent of ['reconciler', 'collector']) await writeAgent(log, agent, `${agent}-${round}`)
  }
}

async function writeAgent(log: EvidenceLog, agent: string, session: string): Promise<void> {
  const principal: Principal = { ...PRINCIPAL, id: agent }
  const source = { plane: 'postgres', source: '10.0.0.9' }
  await log.append({ event: 'identity.verified', principal, detail: source }).durable
  await log.append({ event: 'session.opened', session, principal, detail: { ...source, client: 'psql' } }).durable
  await maskedRead(log, principal, session)
  await log.append(rejection(principal, session)).durable
  for (const draft of heldTransfer(principal, session)) await log.append(draft).durable
  for (const draft of plainBegin(principal, session)) await log.append(draft).durable
  await log.append({ event: 'session.closed', session, detail: { reason: 'client' } }).durable
}

const CONTROLS = ['IS.II.C.15(a)', 'AIO.V.C.2(c)']
const READ = { name: 'postgres.select', class: 'read' } as const
const WRITE = { name: 'postgres.insert', class: 'write' } as const
const table = (name: string): NonNullable<RecordDraft['resources']> => [{ type: 'table', name, labels: [], parts: [] }]
const because = (rule: string): NonNullable<RecordDraft['reasons']> => [
  { rule, message: `${rule} fired`, controls: ['IS.II.C.15(a)'] },
]

async function maskedRead(log: EvidenceLog, principal: Principal, session: string): Promise<void> {
  const decision = `${session}-masked`
  const masks = [{ field: 'public.customers.ssn', method: 'last4', class: 'pii' }]
  const counted = [{ field: 'public.customers.ssn', method: 'last4', count: 1 }]
  const statement = 'SELECT name, ssn FROM customers WHERE id = $1'
  const about = { session, principal, policy: POLICY, controls: CONTROLS, action: READ, reasons: because('mask-pii') }
  const payload = { block: { statement }, values: [] }
  const resources = table('public.customers')
  await log.append({ ...about, event: 'decision.mask', decision, resources, verdict: 'mask', masks, payload }).durable
  await log.appendFrame(session, { dir: 'client', kind: 'sql.query', decision, body: statement }).durable
  await log.appendFrame(session, { ...rows(decision, [['Ann', '***-**-1234']]), masks }).durable
  const done = { status: 'ok', rows: 1, bytes: 20, masks: counted, error: null }
  await log.append({ ...outcome(decision, session), outcome: done }).durable
}

function rejection(principal: Principal, session: string): RecordDraft {
  return {
    event: 'decision.reject',
    session,
    principal,
    decision: `${session}-rejected`,
    policy: POLICY,
    controls: ['IS.II.C.18'],
    action: { name: 'postgres.delete', class: 'destroy' },
    resources: table('public.accounts'),
    verdict: 'reject',
    reasons: because('no-delete'),
  }
}

function heldTransfer(principal: Principal, session: string): readonly RecordDraft[] {
  const decision = `${session}-held`
  const ann: Principal = { ...PRINCIPAL, id: 'ann', kind: 'person', owner: null }
  const requester: JsonObject = { id: principal.id, kind: principal.kind, issuer: principal.issuer }
  const approval = { id: `a-${session}`, rule: 'large-transfer', requester }
  const about = { session, decision, policy: POLICY }
  const asked = { ...about, principal, controls: CONTROLS, action: WRITE, resources: table('public.transfers') }
  const reasons = because('large-transfer')
  const payload = { summary: { amount: '100' } }
  const failed = { status: 'failed', rows: null, bytes: 0, masks: [], error: '23505' }
  return [
    { ...asked, event: 'decision.hold', verdict: 'hold', reasons },
    { ...about, event: 'approval.requested', approval: { ...approval, state: 'requested' }, payload },
    { ...about, event: 'approval.granted', principal: ann, approval: { ...approval, state: 'granted' }, payload },
    { ...asked, event: 'decision.forward', verdict: 'forward', reasons, approval: { id: approval.id, state: 'used' } },
    { ...outcome(decision, session), event: 'outcome.failed', outcome: failed },
  ]
}

function plainBegin(principal: Principal, session: string): readonly RecordDraft[] {
  const decision = `${session}-plain`
  const action = { name: 'postgres.begin', class: 'control' } as const
  const about = { session, principal, decision, policy: POLICY, controls: CONTROLS, action, resources: [], reasons: [] }
  return [{ ...about, event: 'decision.forward', verdict: 'forward' }, outcome(decision, session)]
}

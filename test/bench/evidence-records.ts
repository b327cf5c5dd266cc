import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { constant } from '../../engine/access-request.ts'
import {
  openEvidenceLog,
  signerFromSeed,
  type EvidenceLog,
  type NoteSigner,
  type RecordDraft,
} from '../../engine/evidence/index.ts'

const PRINCIPAL = constant({
  id: 'reconciler',
  kind: 'agent',
  groups: ['reconciliation'],
  roles: ['reader'],
  issuer: 'https://idp.bank.example',
  act: ['olivia'],
  owner: 'olivia',
  token_id: 'token-1',
  token_digest: 'ab'.repeat(32),
  expires_at: 1_800_000_000,
} as const)
const RESOURCES = constant([
  {
    type: 'table',
    name: 'public.customers',
    labels: [],
    parts: [{ name: 'ssn', labels: ['pii'], uses: ['output'] }],
  },
] as const)
const POLICY = { revision: 'starter-1', digest: 'cd'.repeat(32) }
const REASONS = [{ rule: 'mask-customer-pii', message: 'identifiers are masked', controls: ['IS.II.C.18'] }]

/** As the log of a directory of this benchmark is signed; nobody's secret. */
export const BENCH_SIGNER: NoteSigner = signer('bench.example/gw-1')
export const EXPORT_SIGNER: NoteSigner = signer('bench.example/exports')

function signer(name: string): NoteSigner {
  const made = signerFromSeed(name, createHash('sha256').update(name).digest())
  if (made === undefined) throw new Error('the name is not a key’s name')
  return made
}

/**
 * Writes records as a gateway does, two a statement: `callers` agents at once, each of which waits until its intent and its
 * outcome are on disk. Answers what the disk was asked for.
 */
export async function appendRecords(
  directory: string,
  records: number,
  callers: number,
): Promise<Readonly<Record<string, number>>> {
  const log = await openEvidenceLog({
    directory,
    instance: 'gw-1',
    now: Date.now,
    monotonic: () => process.hrtime.bigint(),
    signer: BENCH_SIGNER,
  })
  await log.append({ event: 'policy.activated', policy: POLICY }).durable
  const begun = process.hrtime.bigint()
  let left = records
  const agent = async (number: number): Promise<void> => {
    for (let statement = 0; (left -= 2) >= 0; statement += 1) await oneStatement(log, `s-${number}`, statement)
  }
  await Promise.all(Array.from({ length: callers }, (_, number) => agent(number)))
  const appendSeconds = Number(process.hrtime.bigint() - begun) / 1e9
  await log.close()
  const closeSeconds = Number(process.hrtime.bigint() - begun) / 1e9 - appendSeconds
  return { appendSeconds, closeSeconds }
}

async function oneStatement(log: EvidenceLog, session: string, statement: number): Promise<void> {
  const decision = `0199c0de-${session}-${statement}`
  await log.append(intent(decision, session)).durable
  const outcome = { status: 'ok', rows: 1, bytes: 64, masks: [], error: null }
  await log.append({ event: 'outcome.ok', session, decision, outcome }).durable
}

function intent(decision: string, session: string): RecordDraft {
  return {
    event: 'decision.mask',
    session,
    principal: PRINCIPAL,
    decision,
    action: { name: 'postgres.select', class: 'read' },
    resources: RESOURCES,
    verdict: 'mask',
    reasons: REASONS,
    controls: ['IS.II.C.18'],
    policy: POLICY,
    request: { digest: createHash('sha256').update(decision).digest('hex') },
    masks: [{ field: 'public.customers.ssn', method: 'last4' }],
    payload: { block: { kind: 'select', statement: 'SELECT ssn FROM customers WHERE id = $1' }, values: [] },
  }
}

/**
 * The disk's own limit: `batches` writes of `bytes` each with an fdatasync behind every one, one after the other, which is
 * what a perfect group commit of that size could do at most. Answers the seconds.
 */
export async function syncLimit(directory: string, batches: number, bytes: number): Promise<number> {
  const file = await open(join(directory, 'limit'), 'ax')
  const content = Buffer.alloc(bytes, 'x')
  const begun = process.hrtime.bigint()
  try {
    for (let batch = 0; batch < batches; batch += 1) {
      await file.write(content)
      await file.datasync()
    }
  } finally {
    await file.close()
  }
  return Number(process.hrtime.bigint() - begun) / 1e9
}

import { appendFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { approvalHistory, stateTold } from '../../../cli/approval-history.ts'
import { directoryStore, openEvidenceLog } from '../../../engine/evidence/index.ts'
import type { EvidenceLog } from '../../../engine/evidence/index.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const open = (directory: string, instance: string): Promise<EvidenceLog> =>
  openEvidenceLog({ directory, instance, now: Date.now, monotonic: () => process.hrtime.bigint() })

async function read(directory: string, instance: string): Promise<unknown[]> {
  const approvals: unknown[] = []
  for await (const approval of approvalHistory(directoryStore(directory), instance)) approvals.push(approval)
  return approvals
}

test('every approval of this gateway, over its restarts and in order, and of no other gateway', async () => {
  using directory = temporaryDirectory()
  for (const [instance, number] of [
    ['gw', 1],
    ['gw-other', 2],
    ['gw', 3],
  ] as const) {
    const log = await open(directory.path, instance)
    log.append({ event: 'approval.requested', approval: { id: `${number}a` } })
    log.append({ event: 'session.opened', session: 's' })
    await log.append({ event: 'approval.denied', approval: { id: `${number}b` } }).durable
    await log.close()
  }
  expect(await read(directory.path, 'gw')).toEqual(['1a', '1b', '3a', '3b'].map((id) => ({ id, summary: {} })))
})

test('beside them, which assertions were used, let in or not', async () => {
  using directory = temporaryDirectory()
  const log = await open(directory.path, 'gw')
  const assertion = { digest: 'ab'.repeat(32), until: '2026-04-18T09:00:00.000Z' }
  const refused = { ...assertion, digest: 'cd'.repeat(32) }
  log.append({ event: 'identity.verified', detail: { assertion, plane: 'api', source: null } })
  log.append({ event: 'identity.verified', detail: { plane: 'api', source: null } })
  await log.append({
    event: 'identity.rejected',
    detail: { assertion: refused, plane: 'api', source: null, code: 'x' },
  }).durable
  await log.close()
  const told = stateTold()
  for await (const approval of approvalHistory(directoryStore(directory.path), 'gw', told)) expect(approval).toBeNull()
  expect(told).toEqual({ policies: [], revocations: [], assertions: [assertion, refused] })
})

test('text that ends a line for some readers, or that looks like an approval, misleads nobody', async () => {
  using directory = temporaryDirectory()
  const log = await open(directory.path, 'gw')
  const sql = 'SELECT \u2028 \u2029 \u0085 \r "event":"approval.granted'
  log.append({ event: 'session.opened', session: 's', detail: { sql } })
  await log.append({ event: 'approval.requested', approval: { id: '1', sql } }).durable
  await log.close()
  expect(await read(directory.path, 'gw')).toEqual([{ id: '1', sql, summary: {} }])
})

test('records larger than what is read at once', async () => {
  using directory = temporaryDirectory()
  const log = await open(directory.path, 'gw')
  const text = 'x'.repeat(60_000)
  for (let id = 0; id < 40; id += 1) await log.append({ event: 'approval.requested', approval: { id, text } }).durable
  await log.close()
  const all = await read(directory.path, 'gw')
  expect(all.map((approval) => Reflect.get(Object(approval), 'id'))).toEqual(Array.from({ length: 40 }, (_, id) => id))
})

test('a file that is not what the gateway wrote stops the start', async () => {
  using directory = temporaryDirectory()
  const log = await open(directory.path, 'gw')
  await log.close()
  const [name = ''] = readdirSync(join(directory.path, 'records'))
  appendFileSync(join(directory.path, 'records', name), '{"record":{"event":"approval.granted"\n')
  await expect(read(directory.path, 'gw')).rejects.toThrow('expected a record as the log wrote it')
})

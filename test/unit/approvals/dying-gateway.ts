import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openLedger } from '../../../engine/approvals/index.ts'
import { openDatabase, type PostgresPlace } from '../../../engine/state/index.ts'
import { ann, draft } from './setting.ts'

// A process that asks, grants and uses, and is killed the moment that the event it is told of is durable.
const [directory = '', dieAfter = '', place = ''] = process.argv.slice(2)
const where: string | PostgresPlace = JSON.parse(place)
const log = openSync(join(directory, 'log'), 'a')
const ledger = await openLedger(await openDatabase(where), {
  now: () => Date.UTC(2026, 0, 1),
  newId: () => 'approval-1',
  writer: 'gw-1.1',
  journal: async ({ event, approval }) => {
    writeSync(log, `${JSON.stringify(approval)}\n`)
    fsyncSync(log)
    if (event === `approval.${dieAfter}`) process.kill(process.pid, 'SIGKILL')
    await Promise.resolve()
  },
})
const { id, digest } = await ledger.request(draft())
await ledger.answer(id, { by: ann, answer: 'approve', reason: null })
await ledger.use(id, digest)
closeSync(log)

// A gateway's worth of writing in a process of its own, to be killed: prints `open`, then each id whose `durable` resolved.
import { writeSync } from 'node:fs'
import { openEvidenceLog } from '../../../engine/evidence/index.ts'
import { logSigner } from '../../unit/evidence/log-signer.ts'
import { intent, outcome, rows } from '../../unit/evidence/drafts.ts'

const [directory = ''] = process.argv.slice(2)
const log = await openEvidenceLog({
  directory,
  instance: 'gw-1',
  now: Date.now,
  monotonic: () => process.hrtime.bigint(),
  signer: logSigner(),
  rhythm: { everyMs: 20, heartbeatMs: 60_000 },
})
// Synchronous, so that what was told was told, however the process ends.
const tell = (line: string): void => void writeSync(1, `${line}\n`)
tell('open')

async function agent(name: string): Promise<never> {
  const session = `${log.writerId}/${name}`
  for (let index = 0; ; index += 1) {
    const decision = `${session}/${index}`
    const made = log.append(intent(decision, session))
    await made.durable
    tell(`record ${made.id}`)
    await log.appendFrame(session, rows(decision, [['1', 'x'.repeat(index % 2000)]])).durable
    tell(`frame ${session} ${log.recordingDigest(session)}`)
    const settled = log.append(outcome(decision, session))
    await settled.durable
    tell(`record ${settled.id}`)
  }
}

await Promise.all(Array.from({ length: 16 }, (_, index) => agent(String(index))))

/**
 * Every way in which a processor goes wrong, in every phase, on a real Envoy:
 *
 *   npm run faults:envoy
 *
 * No canary may reach a client, and no request the upstream that nothing had decided on or that policy refuses; and
 * once the fault is over, it goes on. Three runs: answers buffered and masked, masked where streaming is on, and
 * streamed ones of which nothing is masked (there, no byte that nobody released).
 */
import { type FaultRow, runFaults } from '../../support/envoy-fault-run.ts'

const RECOVERY_MS = 1000
const rows: FaultRow[] = []

function tell(row: FaultRow): void {
  rows.push(row)
  const { mode, part, fault, got, canary, forbidden, recoveredMs } = row
  const columns = [mode.padEnd(8), part.padEnd(16), fault.padEnd(30), got.padEnd(22), canary ? 'CANARY' : 'none  ']
  process.stdout.write(`${columns.join('  ')}  ${String(forbidden).padEnd(9)}  ${recoveredMs}\n`)
}

function head(title: string): void {
  process.stdout.write(
    `\n${title}\nmode      phase             fault                           client got              canary  forbidden  recovered ms\n`,
  )
}

head('Buffered, masked')
await runFaults('buffered', false, tell)
head('Streaming on, masked')
await runFaults('streamed', false, tell)
head('Streaming on, nothing masked')
await runFaults('streamed', true, tell)
const canaries = rows.filter(({ canary }) => canary).length
const forbidden = rows.filter((row) => row.forbidden > 0).length
const slow = rows.filter(({ recoveredMs }) => recoveredMs > RECOVERY_MS).length
process.stdout.write(
  `\n${rows.length} faults: ${canaries} with a canary, ${forbidden} with a forbidden request, ${slow} slower than ${RECOVERY_MS} ms to recover\n`,
)
process.exit(canaries + forbidden + slow === 0 ? 0 : 1)

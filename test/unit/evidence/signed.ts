import { openEvidenceLog, type EvidenceLog, type NoteSigner } from '../../../engine/evidence/index.ts'
import type { EvidenceOptions } from '../../../engine/evidence/index.ts'
import { logSigner } from './log-signer.ts'
import { scratch, stepClock, writeSession } from './workbench.ts'

export { logSigner }

/** A log that signs only when it is closed, unless a rhythm is given. */
export function openSigned(directory: string, options: Partial<EvidenceOptions> = {}): Promise<EvidenceLog> {
  const rhythm = { everyMs: 3_600_000, heartbeatMs: 3_600_000 }
  return openEvidenceLog({ directory, instance: 'gw-1', signer: logSigner(), rhythm, ...stepClock(), ...options })
}

/** Two writers that closed, everything under a checkpoint; `decisions` in each of their sessions. */
export async function signedDirectory(decisions = 2, signer: NoteSigner = logSigner()): Promise<string> {
  const directory = scratch()
  for (let day = 1; day <= 2; day += 1) {
    const log = await openSigned(directory, { ...stepClock(Date.UTC(2026, 3, day)), signer })
    await writeSession(log, `s-${day}`, decisions)
    await log.close()
  }
  return directory
}

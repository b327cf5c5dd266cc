import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { ApiOptions } from '../../../console/index.ts'
import { loadControlPack, SHIPPED_CONTROLS } from '../../../engine/controls/index.ts'
import type { EvidenceLog } from '../../../engine/evidence/index.ts'
import { Overview } from '../../../engine/overview/index.ts'
import type { IdentityProvider } from '../../support/identity-provider.ts'
import { openSigned } from '../evidence/signed.ts'
import { scratch } from '../evidence/workbench.ts'
import { recordSession } from '../replay/recorded-session.ts'
import { openGateway, type Gateway } from './setting.ts'

export interface WithEvidence {
  readonly gateway: Gateway
  readonly log: EvidenceLog
  readonly directory: string
  /** While set, nothing more is recorded. */
  readonly fault: { append: Error | null }
}

/** The API over real evidence, with one session in it, and its index. */
export async function openWithEvidence(
  provider: IdentityProvider,
  overrides: Partial<ApiOptions> = {},
): Promise<WithEvidence> {
  const directory = scratch()
  const log = await openSigned(directory, { rhythm: { everyMs: 20, heartbeatMs: 3_600_000 } })
  onTestFinished(() => log.close())
  await recordSession(log)
  const overview = new Overview({
    evidence: { directory },
    path: join(scratch(), 'overview.db'),
    writer: log.writerId,
    everyMs: 10,
    onTrouble: () => undefined,
  })
  onTestFinished(() => overview.close())
  while (!(await overview.ask('standing', {})).caughtUp);
  const fault: WithEvidence['fault'] = { append: null }
  const gateway = await openGateway(provider, {
    overview,
    evidence: {
      append: (draft) =>
        fault.append === null ? log.append(draft) : { id: '', durable: Promise.reject(fault.append) },
      standing: () => log.standing(),
    },
    pack: await loadControlPack(SHIPPED_CONTROLS),
    place: { evidence: { directory }, exportKey: null, controls: SHIPPED_CONTROLS, policies: [], producer: '0.0.0' },
    ...overrides,
  })
  await gateway.policies.start('r1')
  return { gateway, log, directory, fault }
}

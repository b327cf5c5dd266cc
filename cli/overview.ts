import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ApiOptions } from '../console/index.ts'
import type { GatewayConfig, LoadedConfig } from '../engine/config/index.ts'
import { SHIPPED_CONTROLS } from '../engine/controls/index.ts'
import { Overview } from '../engine/overview/index.ts'
import type { Log } from './log.ts'
import { version } from './version.ts'

/**
 * The index of evidence beside the state's file. A gateway whose state is in a database has no place of its own: its index
 * is in a directory of this process, and is made again at each start.
 */
export async function openOverview(
  config: GatewayConfig,
  writer: string,
  log: Log,
): Promise<Pick<Overview, 'ask' | 'onAdvance' | 'close'>> {
  const { state } = config
  const own = 'file' in state ? null : await mkdtemp(join(tmpdir(), 'countersign-overview-'))
  const path = join('file' in state ? dirname(state.file) : (own ?? ''), 'overview.db')
  const overview = new Overview({
    evidence: addressOf(config),
    path,
    writer,
    onTrouble: (why) => log.warn('overview.restarted', { why }),
  })
  return {
    ask: (name, asked) => overview.ask(name, asked),
    onAdvance: (listener) => overview.onAdvance(listener),
    close: async () => {
      await overview.close()
      if (own !== null) await rm(own, { recursive: true, force: true })
    },
  }
}

/** What pages read whole evidence from, and export it with. */
export async function evidencePlace({ config }: LoadedConfig): Promise<ApiOptions['place']> {
  const { controls, policy, api } = config
  return {
    evidence: addressOf(config),
    exportKey: api.exportKey?.reveal() ?? null,
    controls: controls.directory ?? SHIPPED_CONTROLS,
    policies: [policy.bundle],
    producer: await version(),
  }
}

function addressOf({ evidence }: GatewayConfig): ApiOptions['place']['evidence'] {
  return evidence.postgres === null ? { directory: evidence.directory } : { postgres: evidence.postgres }
}

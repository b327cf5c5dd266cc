import { userInfo } from 'node:os'
import type { LoadedConfig } from '../engine/config/index.ts'
import { ControlResolver, loadControlPack } from '../engine/controls/index.ts'
import { openEvidence, type RecordDraft } from '../engine/evidence/index.ts'
import type { JsonObject } from '../engine/index.ts'
import { evidenceStoreOf } from './evidence-store.ts'

/**
 * Records what somebody did with live evidence (viewed, exported, erased it) as an event of its own, durable when this
 * resolves. It is a writer beside the gateway's, of instance `<instance>-cli`; a gateway that runs puts its records into
 * the log, else the next one does. `by` is the operating system's user: what this machine knows, no proof of identity.
 */
export async function noteInEvidence(
  { config }: LoadedConfig,
  event: RecordDraft['event'],
  detail: JsonObject,
  reason: string | null = null,
): Promise<void> {
  await withNotes({ config }, (note) => note({ event, detail: { ...detail, reason } }))
}

/** For a command that notes more than once: nobody else notes before it has ended. Each is durable when it resolves. */
export async function withNotes<T>(
  { config }: Pick<LoadedConfig, 'config'>,
  work: (note: (draft: RecordDraft) => Promise<void>) => Promise<T>,
): Promise<T> {
  const resolver = new ControlResolver(await loadControlPack(config.controls.directory ?? undefined))
  const store = evidenceStoreOf(config)
  try {
    const log = await openEvidence(store, {
      instance: `${config.instance.slice(0, 59)}-cli`,
      now: Date.now,
      monotonic: () => process.hrtime.bigint(),
      cite: (event, named) => resolver.cite(event, named),
    })
    try {
      const by = userInfo().username
      return await work(({ event, detail }) => log.append({ event, detail: { ...detail, by } }).durable)
    } finally {
      await log.close()
    }
  } finally {
    await store.close()
  }
}

import { messageOf, WebhookSender } from '../console/webhooks/index.ts'
import type { Announce, Outbox } from '../engine/approvals/index.ts'
import type { LoadedConfig } from '../engine/config/index.ts'
import type { Log } from './log.ts'

/** What each configured program is told of a change to an approval; nothing where none is configured. */
export function announcer({ config: { webhooks } }: LoadedConfig, now: () => number): { readonly announce?: Announce } {
  if (webhooks.length === 0) return {}
  return {
    announce: (event) => {
      const body = messageOf(event, now())
      return webhooks.map(({ name }) => ({ endpoint: name, body }))
    },
  }
}

/** Sends what the outbox holds from here on; answers with what ends that. `address`: where the API listens. */
export function startWebhooks(
  { config: { webhooks, api } }: LoadedConfig,
  outbox: Outbox,
  address: string,
  { now, log }: { readonly now: () => number; readonly log: Log },
): () => Promise<void> {
  if (webhooks.length === 0) return () => Promise.resolve()
  const publicUrl = (): Promise<string> => Promise.resolve(api.signIn?.publicUrl ?? address)
  const sender = new WebhookSender({ outbox, webhooks, publicUrl, now, random: Math.random, log: log.warn })
  sender.start()
  return () => sender.close()
}

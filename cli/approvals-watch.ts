import { setTimeout as sleep } from 'node:timers/promises'
import type { ApprovalView } from '../console/approval-view.ts'
import { ApiError, type ApiClient } from './api-client.ts'
import { standing, visible, wanted, who, stateTone } from './approval-page.ts'
import { ApprovalsClient } from './approvals-client.ts'
import { paintFor } from './colour.ts'
import type { CommandIo } from './command.ts'
import { EXIT } from './exit.ts'

const AGAIN_MS = 2_000

type Io = CommandIo & { now?(): number; readonly signal?: AbortSignal }

/**
 * A line for each approval that waits, and for each change of one from then on, until the process is ended. A gateway
 * that goes away is waited for; one that refuses ends it.
 */
export async function watch(api: ApiClient, json: boolean, io: Io): Promise<void> {
  const told = new Map<string, string>()
  const signal = io.signal ?? new AbortController().signal
  const client = new ApprovalsClient(api)
  let away = false
  while (!signal.aborted) {
    try {
      for await (const block of api.events('v1/events', signal)) {
        if (!block.startsWith('retry:') && !block.includes('event: approvals')) continue
        away = false
        await tellChanges(client, told, json, io)
      }
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError) || error.exit !== EXIT.unavailable) throw error
      if (!away) io.stderr.write('countersign: the gateway is away; waiting for it\n')
      away = true
    }
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined)
  }
}

async function tellChanges(client: ApprovalsClient, told: Map<string, string>, json: boolean, io: Io): Promise<void> {
  const waiting = await client.list('requested')
  const open = new Set(waiting.map(({ id }) => id))
  const ended = [...told].filter(([id, state]) => state === 'requested' && !open.has(id)).map(([id]) => client.get(id))
  for (const approval of [...waiting.toReversed(), ...(await Promise.all(ended))]) {
    if (told.get(approval.id) === approval.state) continue
    told.set(approval.id, approval.state)
    io.stdout.write(json ? `${JSON.stringify(approval).replaceAll(/\p{C}/gu, escaped)}\n` : line(approval, io))
  }
}

function escaped(character: string): string {
  return character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function line(approval: ApprovalView, io: Io): string {
  const now = io.now?.() ?? Date.now()
  const state = paintFor(io)(stateTone(approval), standing(approval, now))
  return `${visible(approval.id)}  ${state}  ${who(approval)}  ${wanted(approval.summary)}  ${visible(approval.rule)}\n`
}

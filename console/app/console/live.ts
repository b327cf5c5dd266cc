import type { News } from './page.ts'

export interface Listening {
  readonly changed: (news: News) => void
  /** Whether news come, as far as the browser knows. */
  readonly connected: (isConnected: boolean) => void
}

/** The gateway's news. The browser connects again by itself; what is missed meanwhile is asked for then. */
export function listen({ changed, connected }: Listening): void {
  let wasLost = false
  const events = new EventSource('/v1/events')
  events.addEventListener('open', () => {
    connected(true)
    if (!wasLost) return
    wasLost = false
    changed('approvals')
    changed('evidence')
  })
  events.addEventListener('error', () => {
    wasLost = true
    connected(false)
    if (events.readyState !== EventSource.CLOSED) return
    // Refused for good (nobody is signed in any more, or too many listen): asking tells which.
    changed('approvals')
    setTimeout(() => listen({ changed, connected }), 30_000)
  })
  events.addEventListener('approvals', () => changed('approvals'))
  events.addEventListener('evidence', () => changed('evidence'))
}

import type { Outbox } from '../engine/approvals/index.ts'
import { IdentityError } from '../engine/index.ts'
import type { App } from './app.ts'
import type { BrowserSessions } from './browser-session.ts'
import { htmlPage } from './html-page.ts'

interface Following {
  readonly Params: { readonly token: string }
}

/**
 * Links out of messages, good for one time. A link is no permission: it leads who is signed in to a page, and is not used
 * up by a program that looks at links before a person does.
 */
export function linkRoutes(app: App, outbox: Outbox, sessions: BrowserSessions, now: () => number): void {
  const params = { type: 'object', properties: { token: { type: 'string', pattern: '^[A-Za-z0-9_-]{43}$' } } }
  app.get<Following>('/console/l/:token', { schema: { params } }, async (request, reply) => {
    const { token } = request.params
    const person = await signedIn(sessions, request)
    if (person === null) return reply.redirect(`/console/sign-in?return=/console/l/${token}`)
    const approval = await outbox.followLink(token, person, now())
    if (approval !== null) return reply.redirect(`/console/approvals/${approval}`)
    return htmlPage(reply.code(410), {
      title: 'This link leads nowhere any more',
      paragraphs: ['It was good for one time, and somebody has followed it, or its time is over.'],
      link: { to: '/console/approvals', text: 'What waits for an answer' },
    })
  })
}

async function signedIn(
  sessions: BrowserSessions,
  request: Parameters<BrowserSessions['of']>[0],
): Promise<string | null> {
  try {
    return (await sessions.of(request)).principal.id
  } catch (error) {
    if (error instanceof IdentityError) return null
    throw error
  }
}

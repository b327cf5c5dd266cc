import type { Principal } from '../engine/index.ts'
import type { App, Request } from './app.ts'
import { isAuditor, type Auditors } from './approval-routes.ts'

interface MeOptions {
  readonly auditors: Auditors
  readonly instance: string
  principalOf(request: Request): Principal
  /** Of a browser's session; null for who brought a token. */
  csrfOf(request: Request): string | null
}

/** `GET /v1/me`: who is signed in, and the word that a browser's changes need. */
export function meRoute(app: App, options: MeOptions): void {
  app.get('/v1/me', (request) => {
    const principal = options.principalOf(request)
    const { id, kind, groups, roles, issuer, expires_at } = principal
    return {
      id,
      kind,
      groups,
      roles,
      issuer,
      expires_at: new Date(expires_at * 1000).toISOString(),
      auditor: isAuditor(principal, options.auditors),
      gateway: options.instance,
      csrf: options.csrfOf(request),
    }
  })
}

import type { Principal } from '../engine/index.ts'
import type { App, Request } from './app.ts'
import { rolesOf, type Access } from './access.ts'
import { isAuditor } from './approval-routes.ts'
import * as shape from './shape.ts'
import type { PolicyLife } from '../engine/lifecycle/index.ts'

interface MeOptions {
  readonly access: Access
  readonly policies: PolicyLife
  readonly instance: string
  principalOf(request: Request): Principal
  /** Of a browser's session; null for who brought a token. */
  csrfOf(request: Request): string | null
}

const schema = {
  summary: 'Who you are here, and what you may do',
  tags: ['people'],
  response: {
    200: shape.object({
      id: shape.text,
      kind: shape.text,
      groups: shape.texts,
      roles: shape.texts,
      issuer: shape.text,
      expires_at: shape.time,
      auditor: shape.flag,
      access: shape.list({ enum: ['viewer', 'auditor', 'operator', 'approver'] }),
      policy: shape.object({ operates: shape.flag, reviews: shape.flag }),
      gateway: shape.text,
      csrf: shape.optionalText,
    }),
  },
}

/** `GET /v1/me`: who is signed in, and the word that a browser's changes need. */
export function meRoute(app: App, options: MeOptions): void {
  app.get('/v1/me', { schema }, (request) => {
    const principal = options.principalOf(request)
    const { id, kind, groups, roles, issuer, expires_at } = principal
    return {
      id,
      kind,
      groups,
      roles,
      issuer,
      expires_at: new Date(expires_at * 1000).toISOString(),
      auditor: isAuditor(principal, options.access.auditors),
      access: rolesOf(principal, options.access),
      policy: options.policies.powersOf(principal),
      gateway: options.instance,
      csrf: options.csrfOf(request),
    }
  })
}

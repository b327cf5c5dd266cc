import { randomBytes, timingSafeEqual } from 'node:crypto'
import { Ajv } from 'ajv'
import { IdentityError, type JsonObject, type Principal } from '../engine/index.ts'
import type { Reply, Request } from './app.ts'
import type { SealedCookies } from './sealed-cookies.ts'

/** A person signed in with a browser. `csrf` comes back in a header with every request that changes something. */
export interface BrowserSession {
  readonly principal: Principal
  readonly csrf: string
}

/** A person reads and answers; nobody has to be signed in for longer than a working day. */
const LONGEST_SECONDS = 8 * 3600

const text = { type: 'string' } as const
const texts = { type: 'array', items: text } as const
const optionalText = { type: 'string', nullable: true } as const
const isSession = new Ajv().compile<BrowserSession>({
  type: 'object',
  required: ['principal', 'csrf'],
  properties: {
    csrf: text,
    principal: {
      type: 'object',
      required: ['id', 'kind', 'groups', 'roles', 'issuer', 'act', 'owner', 'token_id', 'token_digest', 'expires_at'],
      properties: {
        id: text,
        kind: { enum: ['agent', 'person', 'workload'] },
        groups: texts,
        roles: texts,
        issuer: text,
        act: texts,
        owner: optionalText,
        token_id: optionalText,
        token_digest: text,
        expires_at: { type: 'number' },
      },
    },
  },
})

/** Sessions of browsers: in a cookie that only a gateway can read, for as long as the token lived that it was made from. */
export class BrowserSessions {
  readonly #cookies: SealedCookies
  readonly #secure: boolean
  readonly #now: () => number

  constructor(cookies: SealedCookies, options: { readonly secure: boolean; now(): number }) {
    this.#cookies = cookies
    this.#secure = options.secure
    this.#now = () => options.now()
  }

  /** RFC 6265bis, 4.1.3: the prefix keeps other hosts, other paths and plain HTTP from setting it. */
  get #name(): string {
    return this.#secure ? '__Host-countersign' : 'countersign'
  }

  async start(reply: Reply, principal: Principal): Promise<void> {
    const expiresAt = Math.min(principal.expires_at, Math.floor(this.#now() / 1000) + LONGEST_SECONDS)
    const csrf = randomBytes(24).toString('base64url')
    const sealed = await this.#cookies.seal('session', { csrf, principal: asJson(principal) }, expiresAt)
    reply.setCookie(this.#name, sealed, {
      path: '/',
      httpOnly: true,
      secure: this.#secure,
      sameSite: 'lax',
      expires: new Date(expiresAt * 1000),
    })
  }

  end(reply: Reply): void {
    reply.clearCookie(this.#name, { path: '/', httpOnly: true, secure: this.#secure, sameSite: 'lax' })
  }

  /** Whether the request brings a session at all, good or not. */
  isBrought(request: Request): boolean {
    return request.cookies[this.#name] !== undefined
  }

  /** Throws IdentityError for a session that is over, or a change that another site may have asked for. */
  async of(request: Request): Promise<BrowserSession> {
    const session: unknown = await this.#cookies.open('session', request.cookies[this.#name])
    if (!isSession(session) || session.principal.expires_at * 1000 <= this.#now()) {
      throw new IdentityError('ERR_IDENTITY_EXPIRED', 'nobody is signed in here any more: sign in again')
    }
    if (!SAFE.has(request.method)) checkOwnPage(request, session.csrf)
    return session
  }
}

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/** A cookie comes along with any request; the header only from a page that could read `/v1/me`. */
function checkOwnPage(request: Request, csrf: string): void {
  const site = request.headers['sec-fetch-site']
  const given = Buffer.from(String(request.headers['x-csrf-token'] ?? ''))
  const wanted = Buffer.from(csrf)
  const isOwn = site === undefined || site === 'same-origin'
  if (isOwn && given.length === wanted.length && timingSafeEqual(given, wanted)) return
  throw new IdentityError(
    'ERR_IDENTITY_MALFORMED',
    'expected the header X-CSRF-Token of this session, from its own page',
  )
}

/** A principal is plain data, but TypeScript can't see it. */
function asJson(principal: Principal): JsonObject {
  const copy: JsonObject = JSON.parse(JSON.stringify(principal))
  return copy
}

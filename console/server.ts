import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import type { ApprovalLedger, Outbox } from '../engine/approvals/index.ts'
import type { ControlPack } from '../engine/controls/index.ts'
import type { EvidenceLog, RecordDraft } from '../engine/evidence/index.ts'
import type { Revocations, TokenExchange, TokenVerifier } from '../engine/identity/index.ts'
import type { PolicyLife } from '../engine/lifecycle/index.ts'
import type { OverviewDoor } from '../engine/overview/index.ts'
import type { PolicyStore } from '../engine/policy/index.ts'
import type { Shadow } from '../engine/shadow/index.ts'
import { ConfigError, CountersignError, type Grants, type JsonObject } from '../engine/index.ts'
import { agentRoutes } from './agent-routes.ts'
import type { App } from './app.ts'
import type { Access } from './access.ts'
import { approvalRoutes } from './approval-routes.ts'
import { BrowserSessions } from './browser-session.ts'
import { callers } from './caller.ts'
import { controlRoutes } from './control-routes.ts'
import { decisionRoutes } from './decision-routes.ts'
import { EvidenceReader, type EvidencePlace } from './evidence-reader.ts'
import { exportRoutes } from './export-routes.ts'
import { grantRoutes } from './grant-routes.ts'
import { htmlPage } from './html-page.ts'
import { linkRoutes } from './link-routes.ts'
import { liveRoutes } from './live.ts'
import { meRoute } from './me.ts'
import { metricsRoute } from './metrics.ts'
import { describeApi } from './openapi.ts'
import { pageRoutes } from './pages.ts'
import { policyRoutes } from './policy-routes.ts'
import { SealedCookies } from './sealed-cookies.ts'
import { sessionRoutes } from './session-routes.ts'
import * as shape from './shape.ts'
import { samlSignInRoutes, type SamlSignInConfig, type SamlSignInRooms } from './saml-sign-in.ts'
import { signInRoutes, type SignInConfig } from './sign-in.ts'
import { problem, problemOf, refuse } from './problem.ts'
import { systemRoutes, type SystemRoutes } from './system-routes.ts'
import { tokenRoutes } from './token-routes.ts'

export interface ApiOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** PEM. Without it the API speaks plain HTTP, and only on loopback. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCertificates?: boolean }
  readonly verifier: TokenVerifier
  readonly ledger: ApprovalLedger
  readonly grants: Grants
  readonly outbox: Outbox
  readonly policies: PolicyLife
  readonly shadow: Shadow
  /** Where the gateway issues tokens of its own; null: it doesn't. */
  readonly exchange?: TokenExchange | null
  /** Who is not believed any more. */
  readonly revocations: Revocations
  readonly access: Access
  readonly policy: PolicyStore
  /** The control pack that records cite. */
  readonly pack: ControlPack
  readonly overview: OverviewDoor
  readonly evidence: Pick<EvidenceLog, 'append' | 'standing'>
  readonly place: EvidencePlace
  readonly metrics: 'loopback' | 'open' | 'off'
  /** Where each plane listens. */
  readonly planes: SystemRoutes['planes']
  readonly version: string
  /** The gateway's name, as its people know it. */
  readonly instance: string
  /** How people sign in to the console; null: the API takes bearer tokens alone. `publicUrl` null: as it listens. */
  readonly signIn: Placed<SignInConfig> | Placed<SamlSignInConfig> | null
  /** The engine's door for SAML assertions. */
  readonly identify: SamlSignInRooms['identify']
  /** 32 bytes that the gateways of one deployment share, for what their browsers keep. */
  readonly secret: Uint8Array
  /** Milliseconds since 1970. */
  now(): number
  /** Resolves when the gateway can take work; rejects with what it lacks. */
  ready(): Promise<unknown>
  /** Structured log without secrets. */
  log(event: string, fields: JsonObject): void
}

type Placed<Config> = Omit<Config, 'publicUrl'> & { readonly publicUrl: string | null }

export interface RunningApi {
  readonly url: string
  /** Ends open connections. Safe to call twice. */
  close(): Promise<void>
}

const MAX_BODY_BYTES = 16 * 1024
const REQUEST_TIMEOUT_MS = 30_000

/** Opens the HTTP API for approvers and probes. Throws ConfigError for a host that tokens would reach in the clear. */
export async function openApi(options: ApiOptions): Promise<RunningApi> {
  const { host, port, tls } = options
  if (tls === undefined && !isLoopback(host)) {
    const message = `api.host: expected a loopback address, or api.tls with it; found ${host} without TLS`
    throw new ConfigError('ERR_CONFIG_SHAPE', message)
  }
  const app = Fastify({
    https: tls === undefined ? null : listenerTls(tls),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  })
  // Schemas of answers are for who reads the API's description; what is answered goes out whole.
  app.setSerializerCompiler(() => JSON.stringify)
  await app.register(cookie)
  describeApi(app, options.version)
  answerProblems(app, options)
  probes(app, options)
  const listening = Promise.withResolvers<string>()
  people(app, options, () => listening.promise)
  const url = await app.listen({ host, port })
  listening.resolve(url)
  return { url, close: () => app.close() }
}

/** A certificate may be of any authority: what counts is whether a token is bound to it (RFC 8705). */
function listenerTls({ key, cert, clientCertificates = false }: NonNullable<ApiOptions['tls']>): object {
  return { key, cert, requestCert: clientCertificates, rejectUnauthorized: false }
}

/** All that people come for, with a token or with a browser. */
function people(app: App, options: ApiOptions, address: () => Promise<string>): void {
  const { secret, verifier, ledger, signIn, tls, overview, evidence } = options
  const now = (): number => options.now()
  const log: ApiOptions['log'] = (event, fields) => options.log(event, fields)
  const cookies = new SealedCookies(secret, now)
  const secure = tls !== undefined || signIn?.publicUrl?.startsWith('https:') === true
  const sessions = new BrowserSessions(cookies, { secure, now })
  const known = callers(app, verifier, sessions, (principal) => options.revocations.check(principal))
  const reader = new EvidenceReader(options.place, options.overview)
  app.addHook('onClose', () => reader.close())
  const record = (draft: RecordDraft): Promise<void> => evidence.append(draft).durable
  const { auditors } = options.access
  const rooms = { ...options, ...known, auditors, reader, record, log, standing: () => evidence.standing() }
  if (options.exchange) tokenRoutes(app, options.exchange, log)
  approvalRoutes(app, rooms)
  grantRoutes(app, rooms)
  agentRoutes(app, rooms)
  decisionRoutes(app, rooms)
  sessionRoutes(app, rooms)
  controlRoutes(app, rooms)
  exportRoutes(app, rooms)
  policyRoutes(app, rooms)
  systemRoutes(app, rooms)
  metricsRoute(app, rooms)
  meRoute(app, rooms)
  liveRoutes(app, { ledger, overview })
  linkRoutes(app, options.outbox, sessions, now)
  pageRoutes(app)
  signOutRoute(app, sessions)
  signInPages(app, options, { cookies, sessions, secure, verifier, now, log, identify: options.identify }, address)
}

function signInPages(app: App, { signIn }: ApiOptions, rooms: SamlSignInRooms, address: () => Promise<string>): void {
  if (signIn === null) return notToBeSignedIn(app)
  const publicUrl = async (): Promise<string> => signIn.publicUrl ?? (await address())
  switch (signIn.kind) {
    case 'oidc':
      return signInRoutes(app, { ...signIn, publicUrl }, rooms)
    case 'saml':
      return samlSignInRoutes(app, { ...signIn, publicUrl }, rooms)
  }
}

function signOutRoute(app: App, sessions: BrowserSessions): void {
  const schema = { summary: 'Ends a browser’s session', tags: ['people'], response: { 204: { type: 'null' } } }
  app.post('/v1/sign-out', { schema }, (_request, reply) => {
    sessions.end(reply)
    return reply.code(204).send()
  })
}

function notToBeSignedIn(app: App): void {
  app.get('/console/sign-in', (_request, reply) =>
    htmlPage(reply.code(404), {
      title: 'Nobody can sign in here yet',
      paragraphs: [
        'This gateway is not registered at an identity provider: its operator sets api.sign_in in its configuration.',
        'Until then approvals are answered with countersign approvals, and a token.',
      ],
      link: { to: '/console/approvals', text: 'Back' },
    }),
  )
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function answerProblems(app: App, options: ApiOptions): void {
  app.setErrorHandler<Error>((error, request, reply) => {
    const body = problemOf(error)
    if (body.status >= 500) {
      const code = error instanceof CountersignError ? error.code : body.code
      options.log('api.failed', {
        method: request.method,
        route: request.routeOptions.url ?? null,
        code,
        message: error.message,
      })
    }
    return refuse(reply, body)
  })
  app.setNotFoundHandler((request, reply) =>
    refuse(
      reply,
      problem(
        404,
        'ERR_NOT_FOUND',
        `there is no ${request.method} here; pages are under /console, the API is under /v1`,
      ),
    ),
  )
  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
    reply.headers({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
  })
}

/** For orchestrators; neither tells anything that needs a token. */
function probes(app: App, options: ApiOptions): void {
  const told = { tags: ['probes'], response: { 200: shape.object({ status: shape.text }) } }
  app.get('/healthz', { schema: { ...told, summary: 'Whether the process lives' } }, () => ({ status: 'ok' }))
  app.get('/readyz', { schema: { ...told, summary: 'Whether the gateway can take work' } }, async (_request, reply) => {
    try {
      await options.ready()
      return { status: 'ready' }
    } catch (error) {
      const code = error instanceof CountersignError ? error.code : 'ERR_NOT_READY'
      return refuse(reply, problem(503, code, 'the gateway is not ready to take work'))
    }
  })
}

import Fastify from 'fastify'
import type { ApprovalLedger } from '../engine/approvals/index.ts'
import type { TokenVerifier } from '../engine/identity/index.ts'
import type { PolicyLife } from '../engine/lifecycle/index.ts'
import { ConfigError, CountersignError, IdentityError, type JsonObject, type Principal } from '../engine/index.ts'
import type { Shadow } from '../engine/shadow/index.ts'
import type { App, Request } from './app.ts'
import { approvalRoutes, type Auditors } from './approval-routes.ts'
import { policyRoutes } from './policy-routes.ts'
import { problem, problemOf, refuse } from './problem.ts'

export interface ApiOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** PEM. Without it the API speaks plain HTTP, and only on loopback. */
  readonly tls?: { readonly key: string; readonly cert: string }
  readonly verifier: TokenVerifier
  readonly ledger: ApprovalLedger
  readonly policies: PolicyLife
  readonly shadow: Shadow
  readonly auditors: Auditors
  /** Resolves when the gateway can take work; rejects with what it lacks. */
  ready(): Promise<unknown>
  /** Structured log without secrets. */
  log(event: string, fields: JsonObject): void
}

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
    https: tls ?? null,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  })
  answerProblems(app, options)
  probes(app, options)
  const principalOf = signIn(app, options.verifier)
  approvalRoutes(app, { ...options, principalOf })
  policyRoutes(app, { ...options, principalOf })
  const url = await app.listen({ host, port })
  return { url, close: () => app.close() }
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
        `there is no ${request.method} here; the API is under /v1/approvals and /v1/policy`,
      ),
    ),
  )
  app.addHook('onSend', async (_request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  })
}

/** For orchestrators; neither tells anything that needs a token. */
function probes(app: App, options: ApiOptions): void {
  app.get('/healthz', () => ({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    try {
      await options.ready()
      return { status: 'ready' }
    } catch (error) {
      const code = error instanceof CountersignError ? error.code : 'ERR_NOT_READY'
      return refuse(reply, problem(503, code, 'the gateway is not ready to take work'))
    }
  })
}

/** Demands a bearer token (RFC 6750, 2.1) on everything under /v1, before a body is read. */
function signIn(app: App, verifier: TokenVerifier): (request: Request) => Principal {
  const signedIn = new WeakMap<object, Principal>()
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.url?.startsWith('/v1/') !== true) return
    signedIn.set(request, await verifier.verify(bearerToken(request.headers.authorization)))
  })
  return (request) => {
    const principal = signedIn.get(request)
    if (principal === undefined) throw new IdentityError('ERR_IDENTITY_MALFORMED', 'nobody is signed in')
    return principal
  }
}

function bearerToken(authorization: string | undefined): string {
  const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (token !== undefined) return token
  const message = 'expected the header Authorization: Bearer <token>, with a token from the identity provider'
  throw new IdentityError('ERR_IDENTITY_MALFORMED', message)
}

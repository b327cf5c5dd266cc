import { CountersignError, IdentityError } from '../engine/index.ts'
import type { ExchangeRequest, TokenExchange } from '../engine/identity/index.ts'
import type { App, Reply, Request } from './app.ts'
import { clientCertificate } from './caller.ts'
import { FORM, takeForms } from './form.ts'

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const TYPE = 'urn:ietf:params:oauth:token-type:'
const ACCESS_TOKEN = `${TYPE}access_token`
const MAX_FORM_BYTES = 512 * 1024

/** Parameters that are honoured; one that narrows what is given, and isn't, must not be overlooked. */
const TAKEN: ReadonlySet<string> = new Set([
  'grant_type',
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'requested_token_type',
  'audience',
])

/**
 * The gateway as an issuer: its metadata (RFC 8414), its public keys, and token exchange (RFC 8693). What is exchanged is its
 * bearer's credential; errors are OAuth's (RFC 6749, 5.2), for its clients know those.
 */
export function tokenRoutes(
  app: App,
  exchange: TokenExchange,
  log: (event: string, fields: { code: string }) => void,
): void {
  const { config, keySet } = exchange.issuer
  const metadata = {
    issuer: config.issuer,
    token_endpoint: `${config.issuer.replace(/\/$/, '')}/oauth/token`,
    jwks_uri: `${config.issuer.replace(/\/$/, '')}/oauth/jwks`,
    grant_types_supported: [GRANT],
    token_endpoint_auth_methods_supported: ['none'],
    response_types_supported: [],
    tls_client_certificate_bound_access_tokens: true,
  }
  app.get('/.well-known/oauth-authorization-server', () => metadata)
  app.get('/.well-known/openid-configuration', () => metadata)
  app.get('/oauth/jwks', (_request, reply) => reply.header('cache-control', 'public, max-age=300').send(keySet))
  takeForms(app)
  app.post('/oauth/token', { bodyLimit: MAX_FORM_BYTES }, async (request, reply) => {
    try {
      const { token, expiresAt, issuedAt } = await exchange.exchange(readForm(request, config.audience))
      return await reply.send({
        access_token: token,
        issued_token_type: ACCESS_TOKEN,
        token_type: 'Bearer',
        expires_in: expiresAt - issuedAt,
      })
    } catch (error) {
      return refuse(reply, error, log)
    }
  })
}

class FormError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

function readForm(request: Request, audience: string): ExchangeRequest {
  if (typeof request.body !== 'string') throw new FormError('invalid_request', `expected a body of type ${FORM}`)
  const form = new URLSearchParams(request.body)
  const names = [...form.keys()]
  if (new Set(names).size !== names.length) throw new FormError('invalid_request', 'a parameter is there twice')
  if (form.get('grant_type') !== GRANT) throw new FormError('unsupported_grant_type', `expected ${GRANT}`)
  if (form.has('resource')) throw new FormError('invalid_target', 'tokens are for this gateway alone: name no resource')
  if (form.has('scope')) throw new FormError('invalid_scope', 'tokens bear no scope here: policy decides')
  const unknown = names.find((name) => !TAKEN.has(name))
  if (unknown !== undefined) throw new FormError('invalid_request', 'a parameter is not honoured here')
  if ((form.get('audience') ?? audience) !== audience) throw new FormError('invalid_target', `expected ${audience}`)
  checkType(form, 'requested_token_type', ['access_token', 'jwt'], 'access_token')
  const subjectType = checkType(form, 'subject_token_type', ['access_token', 'jwt', 'saml2'], '')
  const actor = form.get('actor_token')
  if (actor !== null) checkType(form, 'actor_token_type', ['access_token', 'jwt'], '')
  else if (form.has('actor_token_type')) throw new FormError('invalid_request', 'actor_token_type without actor_token')
  return {
    subject: { kind: subjectType === 'saml2' ? 'saml' : 'token', text: form.get('subject_token') ?? '' },
    actor,
    source: request.ip,
    certificate: clientCertificate(request),
  }
}

function checkType(form: URLSearchParams, name: string, allowed: readonly string[], byDefault: string): string {
  const type = form.get(name) ?? `${TYPE}${byDefault}`
  const short = type.startsWith(TYPE) ? type.slice(TYPE.length) : ''
  if (allowed.includes(short)) return short
  throw new FormError('invalid_request', `${name}: expected ${allowed.map((each) => TYPE + each).join(' or ')}`)
}

/** Who is to blame is told as OAuth tells it; `code` is of docs/errors.md, for who looks for help there. */
function refuse(reply: Reply, error: unknown, log: (event: string, fields: { code: string }) => void): Reply {
  reply.header('cache-control', 'no-store')
  if (error instanceof FormError) return reply.code(400).send({ error: error.code, error_description: error.message })
  if (error instanceof IdentityError && !error.retryable) {
    // RFC 8693, 2.2.2: a token that is invalid for any reason, or not acceptable by policy.
    const body = { error: 'invalid_request', error_description: error.message, code: error.code }
    return reply.code(400).send(body)
  }
  const code = error instanceof CountersignError ? error.code : 'ERR_INTERNAL'
  log('api.failed', { code })
  return reply.code(503).send({ error: 'temporarily_unavailable', error_description: 'try again later', code })
}

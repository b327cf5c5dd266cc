import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { Provider, type Adapter, type AdapterPayload, type Configuration } from 'oidc-provider'
import { INTERACTION, interactions } from './identity-interactions.ts'

const AUDIENCE = 'countersign'
const RESOURCE = 'https://countersign.test/'
const TTL_SECONDS = 4 * 3600

/** The key of the agent planner, which authenticates by private_key_jwt. */
const plannerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const PLANNER_KEY: string = plannerKey.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

type Claims = Readonly<Record<string, unknown>>

/** What the bank's directory says about each subject; goes into every token of theirs. */
const DIRECTORY: Readonly<Record<string, Claims>> = {
  reconciler: { groups: ['agents'], kind: 'agent', owner: 'olivia' },
  planner: { groups: ['agents'], kind: 'agent', owner: 'olivia' },
  olivia: { groups: ['agent-owners'], kind: 'person' },
  ann: { groups: ['payments'], kind: 'person' },
  ben: { groups: ['payments'], kind: 'person' },
  axel: { groups: ['auditors'], kind: 'person' },
  olga: { groups: ['policy-operators', 'operators'], kind: 'person' },
  rita: { groups: ['policy-reviewers'], kind: 'person' },
  vera: { groups: ['viewers'], kind: 'person' },
  oscar: { groups: ['operators'], kind: 'person' },
}

/** What a test wants otherwise in a token that the provider itself signs; undefined leaves a claim out. */
export interface TokenOverrides {
  /** Whose token it is; default ann. */
  readonly subject?: string
  readonly claims?: Claims
  readonly header?: Claims
  readonly algorithm?: 'RS256' | 'ES256'
}

/** A running oidc-provider: real discovery, real keys, real tokens. */
export interface IdentityProvider {
  readonly issuer: string
  readonly audience: 'countersign'
  /** What it calls the gateway (RFC 8707). */
  readonly resource: string
  /** The agent `reconciler` (owner olivia), by a client_credentials request over HTTP. */
  agentToken(): Promise<string>
  /** olivia, ann, ben, axel, olga, rita, vera or oscar. */
  personToken(id: string): Promise<string>
  tokenWith(overrides: TokenOverrides): Promise<string>
  close(): Promise<void>
}

/**
 * Starts an identity provider on loopback. Two that are started one after the other on the same `port` are one issuer
 * that has rotated its keys. Tokens live four hours.
 */
export async function startIdentityProvider(options: { readonly port?: number } = {}): Promise<IdentityProvider> {
  const server = createServer()
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the provider listens on no port')
  const issuer = `http://127.0.0.1:${address.port}`
  const minted = new WeakMap<object, TokenOverrides>()
  const provider = new Provider(issuer, configuration(await signingKeys(), minted))
  provider.silent = true // Koa's own switch: errors go to whoever asked, not to stderr
  const answer = provider.callback()
  const interact = interactions(provider)
  server.on('request', (request, response) => {
    if (request.url?.startsWith(INTERACTION) === true) interact(request, response)
    else void answer(request, response)
  })
  return {
    issuer,
    audience: AUDIENCE,
    resource: RESOURCE,
    agentToken: () => requestAgentToken(issuer),
    personToken: (id) => mint(provider, minted, { subject: id }),
    tokenWith: (overrides) => mint(provider, minted, overrides),
    close: () => close(server),
  }
}

/** `kid` differs from start to start, as a rotated key's does. */
async function signingKeys(): Promise<JWK[]> {
  return Promise.all(
    ['RS256', 'ES256'].map(async (alg) => {
      const { privateKey } = await generateKeyPair(alg, { extractable: true })
      return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: `${alg}-${crypto.randomUUID()}` }
    }),
  )
}

function configuration(keys: JWK[], minted: WeakMap<object, TokenOverrides>): Configuration {
  return {
    adapter: MemoryAdapter,
    jwks: { keys },
    clients: [
      {
        client_id: 'reconciler',
        client_secret: 'reconciler-secret',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
      {
        client_id: 'workbench', // where people sign in
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        redirect_uris: ['http://127.0.0.1/signed-in'],
      },
      {
        client_id: 'console',
        application_type: 'native', // RFC 8252, 7.3: on loopback any port will do
        token_endpoint_auth_method: 'none',
        redirect_uris: ['http://127.0.0.1/console/signed-in'],
      },
      {
        client_id: 'cli', // countersign login
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        redirect_uris: ['http://127.0.0.1/signed-in'],
      },
      {
        client_id: 'planner', // an agent that has a key and no secret
        token_endpoint_auth_method: 'private_key_jwt',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        jwks: { keys: [plannerKey.publicKey.export({ format: 'jwk' })] },
      },
    ],
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256'] },
    ttl: {
      AccessToken: TTL_SECONDS,
      ClientCredentials: TTL_SECONDS,
      DeviceCode: 600,
      Grant: TTL_SECONDS,
      IdToken: TTL_SECONDS,
      Interaction: 600,
      Session: TTL_SECONDS,
    },
    pkce: { required: () => true },
    interactions: { url: (_context, { uid }) => `${INTERACTION}${uid}` },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: (_context, resource) => resourceServer(resource) },
    },
    formats: {
      customizers: {
        jwt: (_context, token, parts) => {
          const overrides = minted.get(token)
          Object.assign(parts.payload, DIRECTORY[String(parts.payload['sub'])], overrides?.claims)
          parts.header = { ...parts.header, ...overrides?.header }
        },
      },
    },
  }
}

function resourceServer(resource: string, alg: 'RS256' | 'ES256' = 'RS256') {
  if (resource !== RESOURCE) throw new Error(`no resource server ${resource}`)
  return {
    scope: '',
    audience: AUDIENCE,
    accessTokenFormat: 'jwt' as const,
    accessTokenTTL: TTL_SECONDS,
    jwt: { sign: { alg } },
  }
}

async function requestAgentToken(issuer: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from('reconciler:reconciler-secret').toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: RESOURCE }),
  })
  const body: unknown = await response.json()
  if (typeof body === 'object' && body !== null && 'access_token' in body && typeof body.access_token === 'string') {
    return body.access_token
  }
  throw new Error(`the provider answered ${response.status} and no token`)
}

/** People would sign in with a browser; what they'd get is minted by the provider directly. */
async function mint(
  provider: Provider,
  minted: WeakMap<object, TokenOverrides>,
  overrides: TokenOverrides,
): Promise<string> {
  const client = await provider.Client.find('workbench')
  if (client === undefined) throw new Error('the provider has lost its client')
  const token = new provider.AccessToken({
    accountId: overrides.subject ?? 'ann',
    client,
    claims: {},
    grantId: crypto.randomUUID(),
    gty: 'authorization_code',
    scope: '',
  })
  token.resourceServer = new provider.ResourceServer(RESOURCE, resourceServer(RESOURCE, overrides.algorithm))
  minted.set(token, overrides)
  return token.save()
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

/** All that the provider remembers, for as long as it runs. */
class MemoryAdapter implements Adapter {
  readonly #entries = new Map<string, AdapterPayload>()

  async upsert(id: string, payload: AdapterPayload): Promise<void> {
    this.#entries.set(id, payload)
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return this.#entries.get(id)
  }

  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.#entries.values().find((entry) => entry.userCode === userCode)
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#entries.values().find((entry) => entry.uid === uid)
  }

  async consume(id: string): Promise<void> {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.consumed = Math.floor(Date.now() / 1000)
  }

  async destroy(id: string): Promise<void> {
    this.#entries.delete(id)
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    for (const [id, entry] of this.#entries) if (entry.grantId === grantId) this.#entries.delete(id)
  }
}

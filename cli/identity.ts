import { atLine, type LoadedConfig } from '../engine/config/index.ts'
import type { EvidenceLog } from '../engine/evidence/index.ts'
import {
  type AssertionVerifier,
  createAssertionVerifier,
  createTokenVerifier,
  OwnIssuer,
  Revocations,
  RevocationStore,
  TokenExchange,
  type TokenVerifier,
} from '../engine/identity/index.ts'
import { ConfigError, type GatewayRooms, identify } from '../engine/index.ts'
import type { Database } from '../engine/state/index.ts'
import type { Log } from './log.ts'

interface Surroundings {
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** The gateway as an issuer of its own tokens; null: it is none. Throws ConfigError. */
export async function ownIssuer(loaded: LoadedConfig): Promise<OwnIssuer | null> {
  const { exchange } = loaded.config.identity
  return exchange === null ? null : located(loaded, () => OwnIssuer.open(exchange))
}

/** Throws ConfigError for providers that can't be trusted by their very configuration. */
export function tokenVerifier(loaded: LoadedConfig, own: OwnIssuer | null, { log, now }: Surroundings): TokenVerifier {
  try {
    const verifier = createTokenVerifier(loaded.config.identity.issuers, { now, ...(own === null ? {} : { own }) })
    // A provider that is away just now is no reason not to start: nobody gets in until it answers, and probes say so.
    verifier.ready().catch(() => log.warn('identity.unreachable'))
    return verifier
  } catch (error) {
    throw error instanceof ConfigError ? atLine(error, loaded, 'identity') : error
  }
}

/** What of SAML and of the gateway's own tokens can be judged without serving: keys, certificates, names. Throws ConfigError. */
export async function checkIdentity(loaded: LoadedConfig): Promise<string> {
  const own = await ownIssuer(loaded)
  const { saml } = loaded.config.identity
  await located(loaded, async () => createAssertionVerifier(saml, { ...UNUSED, taken: takenBy(loaded) }))
  const exchange = own === null ? 'no tokens of its own' : `tokens of its own, as ${own.config.issuer}`
  return `${saml.length} SAML providers, ${exchange}`
}

const UNUSED = { now: Date.now, use: () => Promise.resolve(false) } as const

/** Names that SAML providers must not share. */
function takenBy({ config: { identity } }: LoadedConfig): readonly string[] {
  const { issuers, exchange } = identity
  return [...issuers, ...(exchange === null ? [] : [exchange])].map(({ issuer }) => issuer)
}

export interface IdentityRooms {
  readonly revocations: Revocations
  readonly assertions?: AssertionVerifier
}

/** What is revoked, learnt before any door opens; and SAML, where a provider is configured. */
export async function openIdentity(
  loaded: LoadedConfig,
  rooms: {
    readonly database: Database
    readonly evidence: EvidenceLog
    readonly followMs: number | null
    readonly newId: () => string
  },
  { now, log }: Surroundings,
): Promise<IdentityRooms> {
  const { database, evidence, newId, followMs } = rooms
  const store = new RevocationStore(database)
  const { saml } = loaded.config.identity
  const taken = takenBy(loaded)
  const assertions = await located(loaded, async () =>
    createAssertionVerifier(saml, { now, taken, use: (assertion) => store.use(assertion, now()) }),
  )
  const revocations = new Revocations({
    store,
    now,
    newId,
    record: (draft) => evidence.append(draft).durable,
    ...(followMs === null ? {} : { followMs }),
    log: log.warn,
  })
  await revocations.start()
  return { revocations, ...(saml.length === 0 ? {} : { assertions }) }
}

export function tokenExchange({ config }: LoadedConfig, issuer: OwnIssuer, rooms: GatewayRooms): TokenExchange {
  return new TokenExchange({
    issuer,
    delegation: config.identity.exchange?.delegation ?? 'off',
    now: () => rooms.now(),
    newId: () => rooms.newId(),
    identify: (credentials) => identify(credentials, 'api', rooms),
    record: (draft) => rooms.evidence.append(draft).durable,
  })
}

async function located<Result>(loaded: LoadedConfig, open: () => Promise<Result>): Promise<Result> {
  try {
    return await open()
  } catch (error) {
    throw error instanceof ConfigError ? atLine(error, loaded, 'identity') : error
  }
}

import type { Principal } from '../../engine/index.ts'
import type { SqsUpstreamConfig, TagSource, UpstreamRole } from './config.ts'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}

/** The gateway's credentials at the service for one principal's call; null: for a call of its own. */
export type CredentialSource = (principal: Principal | null) => Promise<AwsCredentials>

/** As configured, or as the AWS SDKs find them; with a role, a session of it for each principal, tagged with who that is. */
export async function credentialSource(config: SqsUpstreamConfig, region: string): Promise<CredentialSource> {
  const own = await ownCredentials(config)
  if (config.role === null) return own
  const sessions = new RoleSessions(await roleAssumer(config.role, region, own), Date.now)
  return (principal) => (principal === null ? own() : sessions.of(principal))
}

async function ownCredentials({ credentials }: SqsUpstreamConfig): Promise<() => Promise<AwsCredentials>> {
  if (credentials !== null) return () => Promise.resolve(credentials)
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node')
  return defaultProvider()
}

/** Asks STS for a session of the role that stands for one principal. */
export type AssumeRole = (principal: Principal) => Promise<AwsCredentials>

async function roleAssumer(
  role: UpstreamRole,
  region: string,
  credentials: () => Promise<AwsCredentials>,
): Promise<AssumeRole> {
  const { AssumeRoleCommand, STSClient } = await import('@aws-sdk/client-sts')
  const client = new STSClient({ region, credentials, ...(role.endpoint === null ? {} : { endpoint: role.endpoint }) })
  return async (principal) => {
    const { Credentials } = await client.send(
      new AssumeRoleCommand({
        RoleArn: role.arn,
        RoleSessionName: sessionNameOf(principal.id),
        Tags: [...tagsOf(principal, role.tags)],
      }),
    )
    const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = Credentials ?? {}
    if (AccessKeyId === undefined || SecretAccessKey === undefined || SessionToken === undefined)
      throw new Error('STS answered without credentials')
    const expiration = Expiration === undefined ? {} : { expiration: Expiration }
    return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken, ...expiration }
  }
}

/** What no session name may hold is written as a hyphen: the tags tell who it is. */
export function sessionNameOf(subject: string): string {
  return subject
    .replaceAll(/[^\w+=,.@-]/g, '-')
    .slice(0, 64)
    .padEnd(2, '-')
}

const TAG_VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}$/u

/** Throws for a value that no tag can hold: cut or changed, it could be somebody else's. What a principal hasn't is no tag. */
export function tagsOf(
  principal: Principal,
  tags: UpstreamRole['tags'],
): readonly { readonly Key: string; readonly Value: string }[] {
  return Object.entries(tags).flatMap(([Key, source]) => {
    const Value = valueOf(principal, source)
    if (Value === null) return []
    if (!TAG_VALUE.test(Value)) throw new Error(`the principal's ${source} can't be written as a session tag`)
    return [{ Key, Value }]
  })
}

function valueOf(principal: Principal, source: TagSource): string | null {
  switch (source) {
    case 'id':
    case 'kind':
    case 'issuer':
    case 'owner':
      return principal[source]
    case 'groups':
    case 'roles':
      return principal[source].length === 0 ? null : principal[source].toSorted().join(' ')
  }
}

const MOST_SESSIONS = 1000
/** So long before its end a session is replaced. */
const EARLY_MS = 5 * 60_000

interface Kept {
  readonly credentials: Promise<AwsCredentials>
  /** Milliseconds since 1970; Infinity while it is being asked for. */
  until: number
}

/** One session a principal, asked for once however many calls wait for it, and kept until shortly before its end. */
export class RoleSessions {
  readonly #assume: AssumeRole
  readonly #now: () => number
  readonly #kept = new Map<string, Kept>()

  constructor(assume: AssumeRole, now: () => number) {
    this.#assume = assume
    this.#now = now
  }

  of(principal: Principal): Promise<AwsCredentials> {
    const { issuer, id, kind, act, owner, groups, roles } = principal
    const key = JSON.stringify([issuer, id, kind, act, owner, groups, roles])
    const known = this.#kept.get(key)
    if (known !== undefined && known.until > this.#now()) return known.credentials
    const kept: Kept = { credentials: this.#assume(principal), until: Number.POSITIVE_INFINITY }
    this.#keep(key, kept)
    void this.#follow(key, kept)
    return kept.credentials
  }

  async #follow(key: string, kept: Kept): Promise<void> {
    try {
      const { expiration } = await kept.credentials
      kept.until = expiration === undefined ? 0 : expiration.getTime() - EARLY_MS
    } catch {
      if (this.#kept.get(key) === kept) this.#kept.delete(key) // whoever waits sees why; the next one asks again
    }
  }

  #keep(key: string, kept: Kept): void {
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    const oldest = this.#kept.keys().next()
    if (this.#kept.size > MOST_SESSIONS && oldest.done !== true) this.#kept.delete(oldest.value)
  }
}

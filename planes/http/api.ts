import type { ClientCertificate } from './credentials/client-certificate.ts'
import type { RequestHead } from './message.ts'
import { refused } from './normalizer/refusal.ts'
import type { UpstreamCredentials } from './credentials/credentials.ts'

/** One API behind the gateway: what clients call it, and where it is. */
export interface Api {
  /** Names its routes in labels: `bank/customers/{id}`. */
  readonly name: string
  /** Authorities that clients reach it by, in lower case; any where it is the only one. */
  readonly hosts: readonly string[] | 'any'
  /** Scheme, host and port of the upstream. */
  readonly origin: URL
  /** It speaks HTTP/2. */
  readonly http2: boolean
  /** PEM of the authority that signed its certificate; null for those the system knows. */
  readonly ca: string | null
  /** The gateway's own in TLS; null: it shows none. */
  readonly certificate: ClientCertificate | null
  readonly credentials: UpstreamCredentials
  /** Headers of clients, in lower case, with credentials of their own: they end here. */
  readonly stripped: readonly string[]
  /** Cookies pass both ways. Else the upstream's session is the gateway's, and no agent holds it. */
  readonly cookies: boolean
}

/** Throws NormalizeError ERR_NORMALIZE_AUTHORITY for a host that is none of theirs. */
export function apiOf(apis: readonly Api[], { authority }: RequestHead): Api {
  const name = authority.toLowerCase()
  const found = apis.find(({ hosts }) => hosts === 'any' || hosts.includes(name))
  if (found === undefined) throw refused('ERR_NORMALIZE_AUTHORITY', 'no API of this gateway has that host')
  return found
}

const COOKIE: ReadonlySet<string> = new Set(['cookie'])
const SET_COOKIE: ReadonlySet<string> = new Set(['set-cookie', 'set-cookie2'])
const NONE: ReadonlySet<string> = new Set()

const NEVER_SENT = new WeakMap<Api, ReadonlySet<string>>()

/** Headers that no client of this API sends up, besides those of its own that never do. */
export function neverSent(api: Api): ReadonlySet<string> {
  const known = NEVER_SENT.get(api)
  if (known !== undefined) return known
  const names = new Set([...(api.cookies ? [] : COOKIE), ...api.stripped, ...api.credentials.names])
  NEVER_SENT.set(api, names)
  return names
}

export function neverAnswered({ cookies }: Api): ReadonlySet<string> {
  return cookies ? NONE : SET_COOKIE
}

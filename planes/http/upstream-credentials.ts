import { UpstreamError } from '../../engine/index.ts'
import type { Secret } from '../../engine/index.ts'
import type { HeaderLine, RequestHead } from './message.ts'

/** A request on its way up, as it will be sent but for what credentials add to it. */
export interface Outgoing {
  readonly head: RequestHead
  /** Null: it is streamed, and nobody has seen all of it. */
  readonly body: Buffer | null
}

/** How the gateway makes itself known to an API; the agent never sees it. */
export interface UpstreamCredentials {
  /** Headers that it sets, in lower case: a client's own of these names don't go up. */
  readonly names: ReadonlySet<string>
  /** Made last, over the request as it goes up. Throws UpstreamError ERR_UPSTREAM_AUTH. */
  headers(request: Outgoing): Promise<readonly HeaderLine[]>
}

/** `credentials` of an API's upstream, as it is configured. */
export type CredentialsText =
  | { readonly bearer: Secret }
  | { readonly basic: { readonly user: string; readonly password: Secret } }
  | { readonly header: { readonly name: string; readonly value: Secret } }

const NONE: UpstreamCredentials = { names: new Set(), headers: () => Promise.resolve([]) }

export function upstreamCredentials(text: CredentialsText | undefined): UpstreamCredentials {
  if (text === undefined) return NONE
  if ('bearer' in text) return fixed('authorization', () => `Bearer ${text.bearer.reveal().trim()}`)
  if ('basic' in text) {
    const { user, password } = text.basic
    return fixed('authorization', () => `Basic ${Buffer.from(`${user}:${password.reveal()}`).toString('base64')}`)
  }
  const { name, value } = text.header
  return fixed(name.toLowerCase(), () => value.reveal().trim())
}

function fixed(name: string, value: () => string): UpstreamCredentials {
  return {
    names: new Set([name]),
    headers: () => {
      const made = value()
      if (/^[\x20-\x7e\x80-\xff]+$/.test(made)) return Promise.resolve([[name, made]])
      return Promise.reject(
        new UpstreamError('ERR_UPSTREAM_AUTH', 'the gateway’s credentials for this API hold what no header may hold'),
      )
    },
  }
}

import { Agent, request } from 'undici'
import type { Api } from './api.ts'
import type { HttpConfig } from './config.ts'
import { upstreamError } from './embedded/upstream.ts'

/** What was looked at, and whether it leads past the gateway. */
export interface Finding {
  readonly kind: 'closed' | 'open' | 'unknown'
  readonly what: string
  /** Empty where nothing is to be done. */
  readonly remedy: string
}

const TRY_MS = 5000
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/

/**
 * From the agent's side: whether an API answers from here, and to whom brings no credentials. It isn't sent any: they would be
 * given away. Whose certificate the API has doesn't matter to who goes around. Never throws.
 */
export async function wayAroundApi(api: URL): Promise<Finding> {
  const place = api.origin
  const remedy = `let only the gateway's hosts reach ${place} (network policy, security group)`
  const dispatcher = new Agent({ connect: { timeout: TRY_MS, rejectUnauthorized: false } })
  try {
    const signal = AbortSignal.timeout(2 * TRY_MS)
    const { statusCode: status, body } = await request(new URL('/', api), { dispatcher, signal })
    body.destroy()
    body.on('error', () => undefined)
    if (status === 401 || status === 403)
      return {
        kind: 'open',
        what: `${place} answers from here, and refuses who brings no credentials (${status})`,
        remedy,
      }
    return {
      kind: 'open',
      what: `BYPASS: ${place} answers from here, past the gateway, without credentials (${status})`,
      remedy,
    }
  } catch (cause) {
    const { code } = upstreamError(cause)
    if (code === 'ERR_UPSTREAM_CONNECT')
      return { kind: 'closed', what: `${place} can't be reached from here`, remedy: '' }
    return { kind: 'open', what: `${place} takes connections from here, and answers nothing (${code})`, remedy }
  } finally {
    await dispatcher.destroy()
  }
}

/** From the gateway's side: what of its configuration others could use, and what agents have to set. */
export function waysAtApis({ apis, tls, listen }: HttpConfig): readonly Finding[] {
  return apis.flatMap((api): readonly Finding[] => [
    credentialsAt(api),
    wayTo(api),
    {
      kind: 'closed',
      what: `agents of ${api.name} set ${agentUrl(api, tls !== null, listen)} as its URL, and the bank's token`,
      remedy: '',
    },
  ])
}

function credentialsAt({ name, origin, credentials, certificate }: Api): Finding {
  if (credentials.names.size > 0 || certificate !== null)
    return { kind: 'closed', what: `${name} is told who asks by the gateway's own credentials`, remedy: '' }
  return {
    kind: 'open',
    what: `${name} at ${origin.origin} is asked without credentials: whoever reaches it can do what the gateway can`,
    remedy: `give the gateway credentials for it (apis[].upstream.credentials, client_certificate) and have it refuse all others`,
  }
}

function wayTo({ name, origin, credentials }: Api): Finding {
  if (origin.protocol === 'https:' || LOOPBACK.test(origin.hostname))
    return {
      kind: 'closed',
      what: `${name} is reached over ${origin.protocol === 'https:' ? 'TLS' : 'loopback'}`,
      remedy: '',
    }
  const loses = credentials.names.size > 0 ? "the gateway's credentials and every answer" : 'every answer, unmasked,'
  return {
    kind: 'open',
    what: `${name} is reached in clear text: ${loses} can be read on the way`,
    remedy: `use https for ${origin.origin}`,
  }
}

function agentUrl({ hosts }: Api, isTls: boolean, { host, port }: HttpConfig['listen']): string {
  const [name] = hosts === 'any' ? [] : hosts
  return `${isTls ? 'https' : 'http'}://${name ?? `${host}:${port}`}`
}

import type { ConfigSchema } from './config-schema.ts'
import { mapping, outside, port, words } from './section-words.ts'
import type { Secret } from '../secret.ts'

/** Where clients of a plane connect; `listen` is required. */
export const LISTENER_SCHEMA: Readonly<Record<'listen' | 'tls' | 'plaintext', ConfigSchema>> = {
  listen: mapping('a mapping of host and port', { host: words('an address to listen on'), port }, ['host', 'port']),
  tls: mapping(
    'a mapping of cert and key',
    { cert: outside('a PEM certificate chain'), key: outside('its PEM private key') },
    ['cert', 'key'],
  ),
  plaintext: {
    enum: ['never', 'loopback'],
    description: 'never, or loopback to let clients on this machine do without TLS',
    default: 'never',
  },
}

export interface ListenerText {
  readonly listen: { readonly host: string; readonly port: number }
  readonly tls?: { readonly cert: Secret; readonly key: Secret }
  readonly plaintext: 'never' | 'loopback'
}

export interface ListenerConfig {
  readonly listen: { readonly host: string; readonly port: number }
  /** PEM. null: none is offered, and only connections from this machine are taken. */
  readonly tls: { readonly cert: string; readonly key: string } | null
  /** Connections from this machine may do without TLS. */
  readonly plaintextLoopback: boolean
}

export function listenerOf({ listen, tls, plaintext }: ListenerText): ListenerConfig {
  return {
    listen,
    tls: tls === undefined ? null : { cert: tls.cert.reveal(), key: tls.key.reveal() },
    plaintextLoopback: plaintext === 'loopback',
  }
}

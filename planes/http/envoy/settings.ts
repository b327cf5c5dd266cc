/** Where something listens or is dialled. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** Key and certificates of one end of a connection that both ends prove themselves on, PEM. */
export interface MutualTls {
  readonly cert: string
  readonly key: string
  /** Who signed the other end's certificate. */
  readonly ca: string
}

/** Where the exchanges of one API go up. */
export interface Upstream {
  /** The API's. */
  readonly name: string
  readonly hosts: readonly string[] | 'any'
  readonly host: string
  readonly port: number
  /** The name that its certificate must bear, and the authority that signed it (null: those the system knows). */
  readonly tls: {
    readonly serverName: string
    readonly ca: string | null
    /** The gateway's own, where the API asks for one. */
    readonly client: { readonly cert: string; readonly key: string } | null
  } | null
  /** Sent as Host. */
  readonly authority: string
}

/** All that the configuration of Envoy depends on. */
export interface EnvoySettings {
  /** Where agents connect. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Of that listener; null: plaintext. */
  readonly tls: { readonly cert: string; readonly key: string } | null
  readonly upstreams: readonly Upstream[]
  /** Gateways that judge exchanges. Several share the load; Envoy leaves out one that isn't well. */
  readonly processors: readonly Address[]
  /** What Envoy shows to them; null over a Unix socket, or on loopback in a laboratory. */
  readonly processorTls: (MutualTls & { readonly serverName: string }) | null
  readonly responses: 'buffered' | 'streamed'
  /** Largest body either way. */
  readonly bodyBytes: number
  /** How long a processor may take over one message: the longest hold, and a little. */
  readonly messageMs: number
  /** How long the upstream may take. */
  readonly upstreamMs: number
  readonly limits: {
    readonly headerKiB: number
    readonly headers: number
    readonly idleMs: number
    readonly headersMs: number
  }
}

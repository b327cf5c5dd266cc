import type { HeaderLine, RequestHead } from '../message.ts'

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
  /** Made last, over the request as it goes up. Throws UpstreamError ERR_UPSTREAM_AUTH, ObligationError for what it can't sign. */
  headers(request: Outgoing): Promise<readonly HeaderLine[]>
  /** The API has answered 401: what is kept of them may be good no more. */
  refused(): void
}

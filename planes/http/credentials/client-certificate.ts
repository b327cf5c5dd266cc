import type { Secret } from '../../../engine/index.ts'
import { FreshText } from './fresh-text.ts'

/** How the gateway proves itself in TLS, as its files hold it now. */
export interface ClientCertificate {
  /** PEM, for a connection that is being opened. Throws UpstreamError ERR_UPSTREAM_AUTH. */
  read(): { readonly cert: string; readonly key: string }
}

export interface ClientCertificateText {
  readonly cert: Secret
  readonly key: Secret
}

export function clientCertificate(text: ClientCertificateText, now: () => number = Date.now): ClientCertificate {
  const cert = new FreshText(text.cert, now)
  const key = new FreshText(text.key, now)
  return { read: () => ({ cert: cert.read(), key: key.read() }) }
}

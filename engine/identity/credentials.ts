/** What somebody shows to be let in. */
export type Credentials = TokenCredentials | AssertionCredentials

export interface TokenCredentials {
  readonly kind: 'token'
  /** A JWT from the bank's identity provider, or one that the gateway has exchanged for it. */
  readonly token: string
  readonly source: string | null
  /** SHA-256 of the DER of the certificate that the client's TLS connection has proven, base64url; absent or null: none. */
  readonly certificate?: string | null
}

/** Good for once: it is spent when `identify` has resolved. */
export interface AssertionCredentials {
  readonly kind: 'saml'
  /** A SAML 2.0 response, or an assertion alone, in base64 or base64url. */
  readonly assertion: string
  readonly source: string | null
  /** The gateway's own request that it answers, and where that asked for the answer; absent: it must answer none. */
  readonly asked?: AskedAssertion
}

export interface AskedAssertion {
  /** The request's ID. */
  readonly request: string
  readonly recipient: string
}

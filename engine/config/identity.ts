import type { ConfigDocument } from './document.ts'
import type { ExchangeText, IdentityText, SamlText } from './identity-schema.ts'
import { shapeAt, type OutsideTexts } from './outside-texts.ts'
import type { IssuerText } from './validation.ts'
import type { Delegation, IssuerConfig, OwnIssuerConfig, SamlProvider } from '../identity/index.ts'
import type { Endings } from '../session-end.ts'
import { parseDuration } from '../units.ts'

/** Who is believed, and for how long. */
export interface IdentityConfig {
  readonly issuers: readonly IssuerConfig[]
  readonly saml: readonly SamlProvider[]
  /** null: the gateway issues no tokens of its own. */
  readonly exchange: (OwnIssuerConfig & { readonly delegation: Delegation }) | null
  readonly endings: Endings
}

interface Around {
  readonly document: ConfigDocument
  readonly outside: OutsideTexts
}

/** Throws ConfigError naming the path. What can only be judged by opening it (keys, certificates) is engine/identity's to judge. */
export function identityConfig(
  text: IdentityText & { readonly issuers: readonly IssuerText[] },
  around: Around,
): IdentityConfig {
  const { issuers, saml, exchange, sessions } = text
  return {
    issuers: issuers.map((issuer, index) => configuredIssuer(issuer, index, around)),
    saml: saml.map((provider, index) => configuredSaml(provider, index, around)),
    exchange: exchange === undefined ? null : configuredExchange(exchange, around),
    endings: { expiry: sessions.on_expiry, revocation: sessions.on_revocation },
  }
}

function configuredIssuer(text: IssuerText, index: number, { document }: Around): IssuerConfig {
  const seconds = secondsAt(document, ['identity', 'issuers', index])
  const { issuer, audience, algorithms, claims } = text
  return {
    issuer,
    audience,
    algorithms,
    claims,
    maxLifetimeSeconds: seconds('max_lifetime', text.max_lifetime),
    keysMaxAgeSeconds: seconds('keys_max_age', text.keys_max_age),
  }
}

function configuredSaml(text: SamlText, index: number, { document, outside }: Around): SamlProvider {
  const path = ['identity', 'saml', index] as const
  const seconds = secondsAt(document, path)
  const { issuer, audience, recipient, attributes, certificates } = text
  return {
    issuer,
    audience,
    recipient,
    certificates: certificates.map((each, at) => outside.read(each, [...path, 'certificates', at]).reveal()),
    maxAgeSeconds: seconds('max_age', text.max_age),
    maxLifetimeSeconds: seconds('max_lifetime', text.max_lifetime),
    attributes: { ...attributes, subject: attributes.subject ?? null },
  }
}

function configuredExchange(text: ExchangeText, { document, outside }: Around): IdentityConfig['exchange'] {
  const path = ['identity', 'exchange'] as const
  const { issuer, audience, key, previous_key: previous, lifetime, delegation } = text
  return {
    issuer,
    audience,
    delegation,
    key: outside.read(key, [...path, 'key']).reveal(),
    previousKey: previous === undefined ? null : outside.read(previous, [...path, 'previous_key']).reveal(),
    lifetimeSeconds: secondsAt(document, path)('lifetime', lifetime),
  }
}

function secondsAt(document: ConfigDocument, path: readonly (string | number)[]) {
  return (key: string, written: string): number => {
    const ms = parseDuration(written)
    if (ms !== undefined && ms >= 1000) return Math.floor(ms / 1000)
    throw shapeAt(document, [...path, key], 'a duration of at least 1s', written)
  }
}

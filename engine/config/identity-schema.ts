import type { ConfigSchema, OutsideText } from './config-schema.ts'

/** What schema.ts makes the rest of the configuration of. */
export interface SchemaParts {
  readonly outsideText: ConfigSchema
  readonly section: (
    description: string,
    properties: Readonly<Record<string, ConfigSchema>>,
    optional?: string[],
  ) => ConfigSchema
  readonly duration: (byDefault: string) => ConfigSchema
}

/** `identity` as it is written, but its issuers. */
export interface IdentityText {
  readonly saml: readonly SamlText[]
  readonly exchange?: ExchangeText
  readonly sessions: { readonly on_expiry: EndingText; readonly on_revocation: EndingText }
}

type EndingText = 'at_once' | 'next_request'

export interface SamlText {
  readonly issuer: string
  readonly certificates: readonly OutsideText[]
  readonly audience: string
  readonly recipient: string
  readonly max_age: string
  readonly max_lifetime: string
  readonly attributes: {
    readonly subject?: string
  } & Readonly<Record<'groups' | 'roles' | 'kind' | 'owner', string>>
}

export interface ExchangeText {
  readonly issuer: string
  readonly audience: string
  readonly key: OutsideText
  readonly previous_key?: OutsideText
  readonly lifetime: string
  readonly delegation: 'may_act' | 'any' | 'off'
}

const text = (description: string): ConfigSchema => ({ type: 'string', minLength: 1, description })

const attribute = (name: string): ConfigSchema => ({ ...text('the name of an attribute'), default: name })

const ending = (byDefault: EndingText): ConfigSchema => ({
  enum: ['at_once', 'next_request'],
  description: 'at_once, or next_request',
  default: byDefault,
})

/** `identity`, but its issuers. */
export function identityProperties({
  section,
  outsideText,
  duration,
}: SchemaParts): Readonly<Record<string, ConfigSchema>> {
  const attributes = {
    subject: text("the name of an attribute that names people, instead of the assertion's NameID"),
    groups: attribute('groups'),
    roles: attribute('roles'),
    kind: attribute('kind'),
    owner: attribute('owner'),
  }
  const saml = section(
    'a mapping that describes one SAML identity provider',
    {
      issuer: text("the provider's entity id, exactly as it stands in an assertion's Issuer"),
      certificates: {
        type: 'array',
        minItems: 1,
        items: outsideText,
        description: 'a list of at least one certificate that the provider signs with',
      },
      audience: text("what must be in an assertion's AudienceRestriction"),
      recipient: text("what must be an assertion's Recipient: where the provider sends them"),
      max_age: duration('5m'),
      max_lifetime: duration('8h'),
      attributes: {
        ...section(
          'a mapping of subject, groups, roles, kind and owner to attributes',
          attributes,
          Object.keys(attributes),
        ),
        default: {},
      },
    },
    ['max_age', 'max_lifetime', 'attributes'],
  )
  return {
    saml: { type: 'array', items: saml, description: 'a list of SAML identity providers', default: [] },
    exchange: section(
      'a mapping of issuer, audience and key: the gateway issues tokens of its own for what is exchanged',
      {
        issuer: text("what the gateway calls itself in its own tokens' iss: the URL of its API"),
        audience: text("what stands in its own tokens' aud"),
        key: outsideText,
        previous_key: outsideText,
        lifetime: duration('15m'),
        delegation: {
          enum: ['may_act', 'any', 'off'],
          description: "may_act (who the subject's token names may act for it), any, or off",
          default: 'may_act',
        },
      },
      ['previous_key', 'lifetime', 'delegation'],
    ),
    sessions: {
      ...section(
        'a mapping of on_expiry and on_revocation: when a session ends whose token is over',
        { on_expiry: ending('next_request'), on_revocation: ending('at_once') },
        ['on_expiry', 'on_revocation'],
      ),
      default: {},
    },
  }
}

import { Ajv } from 'ajv'
import type { ValidateFunction } from 'ajv'
import { complaintsOf, formatPath } from './complaint.ts'
import type { OutsideText } from './config-schema.ts'
import type { ConfigDocument } from './document.ts'
import type { IdentityText } from './identity-schema.ts'
import type { KeepingText } from './keeping-schema.ts'
import { CONFIG_SCHEMA } from './schema.ts'
import { ConfigError } from '../errors.ts'

export type { OutsideText }

/** The file's own words, once its shape is known to be right and its defaults are in. */
export interface ConfigText {
  readonly instance: string
  readonly evidence: {
    readonly directory?: string
    readonly postgres?: PostgresText
    readonly log?: EvidenceLogText
  } & KeepingText
  readonly state: { readonly file?: string; readonly postgres?: PostgresText }
  readonly policy: {
    readonly bundle: string
    readonly verify: 'none' | { readonly key: OutsideText; readonly algorithm: string; readonly key_id: string }
    readonly slowest_decision: string
    readonly review: 'required' | 'none'
    readonly operators: MembersText
    readonly reviewers: MembersText
  }
  readonly identity: { readonly issuers: readonly IssuerText[] } & IdentityText
  readonly controls?: { readonly directory: string }
  readonly api: {
    readonly host: string
    readonly port: number
    readonly tls?: {
      readonly cert: OutsideText
      readonly key: OutsideText
      readonly client_certificates: 'ask' | 'ignore'
    }
    readonly auditors: MembersText
    readonly viewers: MembersText
    readonly operators: MembersText
    readonly metrics: 'loopback' | 'open' | 'off'
    readonly export_key?: OutsideText
    readonly sign_in?: SignInText
  }
  readonly masking?: MaskingText
  readonly webhooks: readonly WebhookText[]
  readonly planes: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' }
}

export interface MaskingText {
  readonly key: OutsideText
  readonly key_id: string
}

interface MembersText {
  readonly groups: readonly string[]
  readonly roles: readonly string[]
}

export interface SignInText {
  readonly issuer: string
  readonly client_id?: string
  readonly client_secret?: OutsideText
  readonly scope?: string
  readonly resource?: string
  readonly sso_url?: string
  readonly public_url?: string
}

export interface WebhookText {
  readonly name: string
  readonly url: string
  readonly secret: OutsideText
  readonly previous_secret?: OutsideText
  readonly private_network: boolean
}

export interface EvidenceLogText {
  readonly key: OutsideText
  readonly previous_key?: OutsideText
  readonly witnesses: readonly { readonly url: string; readonly key: string }[]
}

export interface PostgresText {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password?: OutsideText
  readonly tls: 'verify-full' | 'off'
  readonly ca?: OutsideText
  readonly server_name?: string
}

export interface IssuerText {
  readonly issuer: string
  readonly audience: string
  readonly algorithms: readonly string[]
  readonly max_lifetime: string
  readonly keys_max_age: string
  readonly claims: Readonly<Record<'groups' | 'roles' | 'kind' | 'owner', string>>
}

let compiled: ValidateFunction<ConfigText> | undefined

/** Puts the defaults in. Throws one ConfigError that tells everything that is wrong, in the order of the file. */
export function validateConfig(document: ConfigDocument): ConfigText {
  compiled ??= new Ajv({ allErrors: true, useDefaults: true, verbose: true, strictTypes: false }).compile(CONFIG_SCHEMA)
  const value = document.value
  if (compiled(value)) return value
  const lines = complaintsOf(compiled.errors ?? [], value)
    .map(({ path, ofKey, text }) => {
      const where = ofKey ? document.locateKey(path) : document.locate(path)
      return { where, text: `${where}: ${formatPath(path)}: ${text}` }
    })
    .toSorted((one, other) => position(one.where) - position(other.where))
  throw new ConfigError('ERR_CONFIG_SHAPE', lines.map(({ text }) => text).join('\n'))
}

function position(where: string): number {
  const [line, column] = where.split(':').slice(-2).map(Number)
  return (line ?? 0) * 10_000 + (column ?? 0)
}

import type { Secret } from '../../engine/index.ts'
import { UpstreamError } from '../../engine/index.ts'
import type { UpstreamCredentials } from './credentials/credentials.ts'
import { FreshText } from './credentials/fresh-text.ts'
import { oauthCredentials, type OauthText } from './credentials/oauth.ts'
import { type AwsText, awsCredentials } from './credentials/signature-v4.ts'
import type { HeaderLine } from './message.ts'

/** `credentials` of an API's upstream, as it is configured: one of these. */
export type CredentialsText =
  | { readonly bearer: Secret }
  | { readonly basic: { readonly user: string; readonly password: Secret } }
  | { readonly header: { readonly name: string; readonly value: Secret } }
  | { readonly oauth: OauthText }
  | { readonly aws: AwsText }

const NONE: UpstreamCredentials = {
  names: new Set(),
  headers: () => Promise.resolve([]),
  refused: () => undefined,
}

export function upstreamCredentials(
  text: CredentialsText | undefined,
  now: () => number = Date.now,
): UpstreamCredentials {
  if (text === undefined) return NONE
  if ('oauth' in text) return oauthCredentials(text.oauth, now)
  if ('aws' in text) return awsCredentials(text.aws, now)
  if ('bearer' in text) {
    const token = new FreshText(text.bearer, now)
    return written('authorization', () => `Bearer ${token.read().trim()}`)
  }
  if ('basic' in text) {
    const password = new FreshText(text.basic.password, now)
    return written('authorization', () => `Basic ${basic(text.basic.user, password.read())}`)
  }
  const value = new FreshText(text.header.value, now)
  return written(text.header.name.toLowerCase(), () => value.read().trim())
}

function basic(user: string, password: string): string {
  return Buffer.from(`${user}:${password}`).toString('base64')
}

function written(name: string, value: () => string): UpstreamCredentials {
  return { names: new Set([name]), headers: () => made(name, value), refused: () => undefined }
}

async function made(name: string, value: () => string): Promise<readonly HeaderLine[]> {
  const text = value()
  if (/^[\x20-\x7e\x80-\xff]+$/.test(text)) return [[name, text]]
  throw new UpstreamError('ERR_UPSTREAM_AUTH', 'the gateway’s credentials for this API hold what no header may hold')
}

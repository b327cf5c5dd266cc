import { SignatureV4 } from '@smithy/signature-v4'
import { ConfigError, ObligationError, type Secret, UpstreamError } from '../../../engine/index.ts'
import type { HeaderLine } from '../message.ts'
import { readTarget } from '../normalizer/target.ts'
import type { Outgoing, UpstreamCredentials } from './credentials.ts'
import { FreshText } from './fresh-text.ts'
import { NodeSha256 } from './sha256.ts'

/** An AWS service, or one that checks AWS's signatures: API Gateway, OpenSearch, a Lambda's URL. */
export interface AwsText {
  readonly service: string
  readonly region: string
  /** Without: as the AWS SDKs find them. */
  readonly access_key_id?: string
  readonly secret_access_key?: Secret
  readonly session_token?: Secret
}

interface AwsIdentity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** What the signature covers beside method, target and body; proxies between may change all else. */
const SIGNED = /^(?:content-type|content-md5|range|x-amz-.+)$/
const OWN: ReadonlySet<string> = new Set([
  'authorization',
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-security-token',
])

export function awsCredentials(text: AwsText, now: () => number): UpstreamCredentials {
  const { service, region } = text
  const credentials = identitySource(text, now)
  const isS3 = service === 's3'
  const signer = new SignatureV4({ service, region, credentials, sha256: NodeSha256, uriEscapePath: !isS3 })
  return {
    names: OWN,
    headers: async (outgoing) => {
      const request = signable(outgoing, isS3)
      const { headers } = await signer.sign(request, { signingDate: new Date(now()) })
      return [...OWN].flatMap((name): HeaderLine[] => {
        const value = headers[name]
        return value === undefined ? [] : [[name, value]]
      })
    },
    refused: () => undefined,
  }
}

/** The request as AWS's canonical form is made of it: names and values unescaped, and escaped again by the signer. */
function signable({ head, body }: Outgoing, isS3: boolean): Parameters<SignatureV4['sign']>[0] {
  const { rawPath, segments, query } = readTarget(head.target)
  const isPresigned = [...query.keys()].some((name) => name.toLowerCase() === 'x-amz-signature')
  if (isPresigned)
    throw new ObligationError(
      'ERR_OBLIGATION_UNENFORCEABLE',
      'the request brings an AWS signature of its own in its query, and the gateway signs what goes up',
    )
  const named = head.headers.filter(([name]) => SIGNED.test(name.toLowerCase()) && !OWN.has(name.toLowerCase()))
  const payload = body === null ? { 'x-amz-content-sha256': unsigned(head.scheme, isS3) } : {}
  return {
    method: head.method,
    protocol: `${head.scheme}:`,
    hostname: head.authority,
    // S3 unescapes a path and escapes it in its own way; the others escape what was sent once more, as the signer does.
    path: isS3 ? `/${segments.map(escaped).join('/')}` : rawPath,
    query: Object.fromEntries([...query].map(([name, values]) => [name, [...values]])),
    headers: { ...joined(named), host: head.authority, ...payload },
    body: body ?? '',
  }
}

/** All but RFC 3986's unreserved characters. */
function escaped(segment: string): string {
  return encodeURIComponent(segment).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** A body that nobody has seen whole can't be signed, and only S3 takes one so, over TLS. */
function unsigned(scheme: string, isS3: boolean): string {
  if (isS3 && scheme === 'https') return 'UNSIGNED-PAYLOAD'
  throw new ObligationError(
    'ERR_OBLIGATION_UNENFORCEABLE',
    'the body is larger than what is judged, and this service wants it signed',
  )
}

/** Values of one name in one line, as the signature has them. */
function joined(lines: readonly HeaderLine[]): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, value] of lines) {
    const key = name.toLowerCase()
    const known = found[key]
    found[key] = known === undefined ? value : `${known},${value}`
  }
  return found
}

function identitySource(text: AwsText, now: () => number): () => Promise<AwsIdentity> {
  const { access_key_id: accessKeyId, secret_access_key: secret, session_token: token } = text
  if (accessKeyId === undefined && secret === undefined && token === undefined) return ambient()
  if (accessKeyId === undefined || secret === undefined)
    throw new ConfigError(
      'ERR_CONFIG_PLANE',
      'apis: expected access_key_id and secret_access_key of aws credentials, or neither for what the SDKs find',
    )
  const freshSecret = new FreshText(secret, now)
  const freshToken = token === undefined ? null : new FreshText(token, now)
  return async () => ({
    accessKeyId,
    secretAccessKey: freshSecret.read(),
    ...(freshToken === null ? {} : { sessionToken: freshToken.read() }),
  })
}

/** Looked for when the first request goes up: they may come after the gateway. */
function ambient(): () => Promise<AwsIdentity> {
  let provider: Promise<() => Promise<AwsIdentity>> | null = null
  return async () => {
    try {
      provider ??= import('@aws-sdk/credential-provider-node').then(({ defaultProvider }) => defaultProvider())
      return await (
        await provider
      )()
    } catch (cause) {
      throw new UpstreamError('ERR_UPSTREAM_AUTH', 'the gateway has no AWS credentials for this API', { cause })
    }
  }
}

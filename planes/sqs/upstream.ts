import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import { Agent } from 'undici'
import type { JsonObject } from '../../engine/index.ts'
import { CountersignError, UpstreamError } from '../../engine/index.ts'
import type { Fault } from './codec/call.ts'
import { JSON_TYPE, readJsonAnswer } from './codec/json-protocol.ts'
import { objectOf, textOf } from './codec/members.ts'
import type { ActionName } from './codec/operations.ts'
import type { SqsUpstreamConfig } from './config.ts'

/** What the service said; or that it could not be asked (`UpstreamError`, thrown). */
export type UpstreamAnswer =
  | { readonly kind: 'ok'; readonly result: JsonObject }
  | { readonly kind: 'fault'; readonly fault: Fault }

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}
export type CredentialSource = () => Promise<AwsCredentials>

/** A poll of SQS takes 20 s at most; a service that is silent for longer than this is not there. */
const SILENCE_MS = 35_000
const CONNECT_MS = 5000
/** Ten messages of 1 MiB, base64 and JSON escapes around them. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024
const CODE = /^[A-Za-z0-9._]{1,128}$/

/** SQS itself, spoken to in AWS JSON, each request signed anew with the gateway's own credentials. */
export class SqsUpstream {
  readonly #endpoint: URL
  readonly #region: string
  readonly #agent: Agent
  readonly #credentials: CredentialSource

  constructor(config: SqsUpstreamConfig, region: string, credentials: CredentialSource) {
    this.#endpoint = new URL(config.endpoint)
    this.#region = region
    this.#credentials = credentials
    this.#agent = new Agent({
      headersTimeout: SILENCE_MS,
      bodyTimeout: SILENCE_MS,
      connect: { timeout: CONNECT_MS, ...(config.ca === null ? {} : { ca: config.ca }) },
    })
  }

  /** Sends one action once: a second attempt is the client's to make. `queueUrl` is the service's own. */
  async call(action: ActionName, input: JsonObject, signal: AbortSignal): Promise<UpstreamAnswer> {
    const { status, headers, body } = await this.#post(`AmazonSQS.${action}`, JSON.stringify(input), signal)
    if (status >= 200 && status < 300) return { kind: 'ok', result: readAnswer(action, body) }
    return { kind: 'fault', fault: faultFrom(status, headers, body) }
  }

  queueUrl({ account, name }: { readonly account: string; readonly name: string }): string {
    return `${this.#endpoint.origin}/${account}/${name}`
  }

  /** What a queue's URL, or an error's text, says of the service's own address. */
  get origin(): string {
    return this.#endpoint.origin
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }

  async #post(target: string, body: string, signal: AbortSignal): Promise<Received> {
    const { hostname, host, protocol, port } = this.#endpoint
    const signer = new SignatureV4({
      service: 'sqs',
      region: this.#region,
      sha256: NodeSha256,
      applyChecksum: true,
      uriEscapePath: true,
      credentials: await this.#credentials().catch((cause: unknown) => {
        throw new UpstreamError('ERR_UPSTREAM_AUTH', 'the gateway has no credentials for the queue service', { cause })
      }),
    })
    const signed = await signer.sign({
      method: 'POST',
      protocol,
      hostname,
      ...(port === '' ? {} : { port: Number(port) }),
      path: '/',
      query: {},
      headers: { host, 'content-type': JSON_TYPE, 'x-amz-target': target },
      body,
    })
    try {
      const answer = await this.#agent.request({
        origin: this.#endpoint.origin,
        path: '/',
        method: 'POST',
        headers: signed.headers,
        body,
        signal,
      })
      return { status: answer.statusCode, headers: answer.headers, body: await readWhole(answer.body) }
    } catch (cause) {
      if (cause instanceof CountersignError) throw cause
      throw unreachable(cause)
    }
  }
}

interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

async function readWhole(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES)
      throw new UpstreamError('ERR_UPSTREAM_PROTOCOL', 'the queue service answered with more than any answer holds')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function readAnswer(action: ActionName, body: Buffer): JsonObject {
  try {
    return readJsonAnswer(action, body)
  } catch (cause) {
    throw new UpstreamError('ERR_UPSTREAM_PROTOCOL', 'the queue service answered what can’t be read', { cause })
  }
}

/** Nothing was sent where there was no connection; of anything else nobody can tell whether it took effect. */
function unreachable(cause: unknown): UpstreamError {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : ''
  const refused = code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'UND_ERR_CONNECT_TIMEOUT'
  return refused
    ? new UpstreamError('ERR_UPSTREAM_CONNECT', 'the queue service can’t be reached', { cause, retryable: true })
    : new UpstreamError('ERR_UPSTREAM_CLOSED', 'the queue service broke off before it answered', { cause })
}

function faultFrom(status: number, headers: Received['headers'], body: Buffer): Fault {
  const [query = '', kind = ''] = String(headers['x-amzn-query-error'] ?? '').split(';')
  const { __type, message, Message } = errorMembers(body)
  const code = (textOf(__type) ?? '').split('#').at(-1)?.split(':')[0] ?? ''
  return {
    status,
    code: CODE.test(code) ? code : 'InternalError',
    query: CODE.test(query) ? query : CODE.test(code) ? code : 'InternalError',
    sender: kind === '' ? status < 500 : kind === 'Sender',
    message: textOf(message) ?? textOf(Message) ?? '',
  }
}

function errorMembers(body: Buffer): JsonObject {
  try {
    const value: JsonObject[string] = JSON.parse(body.toString('utf8'))
    return objectOf(value)
  } catch {
    return {}
  }
}

/** node:crypto's SHA-256 as the signer wants it; its own, in JavaScript, takes longer than all else of a request. */
export class NodeSha256 {
  readonly #secret: string | Uint8Array | undefined
  #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret === undefined || typeof secret === 'string' ? secret : bytesOf(secret)
    this.#hash = this.#fresh()
  }

  update(chunk: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(typeof chunk === 'string' ? chunk : bytesOf(chunk))
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.#hash.digest()))
  }

  reset(): void {
    this.#hash = this.#fresh()
  }

  #fresh(): Hash | Hmac {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret)
  }
}

function bytesOf(chunk: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(chunk)
    ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    : new Uint8Array(chunk)
}

/** The gateway's credentials at the service: as configured, or as the AWS SDKs find them. */
export async function credentialSource(config: SqsUpstreamConfig): Promise<CredentialSource> {
  const { credentials } = config
  if (credentials !== null) return () => Promise.resolve(credentials)
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node')
  return defaultProvider()
}

import { hash } from 'node:crypto'
import type { JsonObject, Principal } from '../../engine/index.ts'
import { UpstreamError } from '../../engine/index.ts'
import type { Fault } from './codec/call.ts'
import { JSON_TYPE, readJsonAnswer } from './codec/json-protocol.ts'
import { objectOf, textOf } from './codec/members.ts'
import type { ActionName } from './codec/operations.ts'
import { ALGORITHM, scopeText, signatureOf, signingTime } from './codec/sigv4.ts'
import type { SqsUpstreamConfig } from './config.ts'
import type { AwsCredentials, CredentialSource } from './upstream-credentials.ts'
import { type Received, UpstreamConnections } from './upstream-post.ts'

/** What the service said; or that it could not be asked (`UpstreamError`, thrown). */
export type UpstreamAnswer =
  | { readonly kind: 'ok'; readonly result: JsonObject }
  | { readonly kind: 'fault'; readonly fault: Fault }

const CODE = /^[A-Za-z0-9._]{1,128}$/

/** SQS itself, spoken to in AWS JSON, each request signed anew with the gateway's own credentials. */
export class SqsUpstream {
  readonly #endpoint: URL
  readonly #region: string
  readonly #connections: UpstreamConnections
  readonly #credentials: CredentialSource
  readonly #now: () => number

  constructor(config: SqsUpstreamConfig, region: string, credentials: CredentialSource, now: () => number = Date.now) {
    this.#endpoint = new URL(config.endpoint)
    this.#region = region
    this.#credentials = credentials
    this.#connections = new UpstreamConnections(this.#endpoint.origin, config.ca)
    this.#now = now
  }

  /**
   * Sends one action once: a second attempt is the client's to make. Every queue URL in `input` is the service's own. `gone`
   * breaks it off; null for what must go on to its end. `principal`: whose call it is, null for one of the gateway's own.
   */
  async call(
    action: ActionName,
    input: JsonObject,
    principal: Principal | null,
    gone: AbortSignal | null,
  ): Promise<UpstreamAnswer> {
    const body = JSON.stringify(input)
    const headers = this.#signed(`AmazonSQS.${action}`, body, await this.#identity(principal))
    const answer = await this.#connections.post(headers, body, gone)
    if (answer.status >= 200 && answer.status < 300) return { kind: 'ok', result: readAnswer(action, answer.body) }
    return { kind: 'fault', fault: faultFrom(answer) }
  }

  queueUrl({ account, name }: { readonly account: string; readonly name: string }): string {
    return `${this.#endpoint.origin}/${account}/${name}`
  }

  /** What a queue's URL, or an error's text, says of the service's own address. */
  get origin(): string {
    return this.#endpoint.origin
  }

  close(): Promise<void> {
    return this.#connections.close()
  }

  async #identity(principal: Principal | null): Promise<AwsCredentials> {
    try {
      return await this.#credentials(principal)
    } catch (cause) {
      throw new UpstreamError('ERR_UPSTREAM_AUTH', 'the gateway has no credentials for the queue service', { cause })
    }
  }

  #signed(target: string, body: string, credentials: AwsCredentials): readonly (readonly [string, string])[] {
    const { accessKeyId, secretAccessKey, sessionToken } = credentials
    const payload = hash('sha256', body)
    const time = signingTime(this.#now())
    const token: readonly [string, string][] =
      sessionToken === undefined ? [] : [['x-amz-security-token', sessionToken]]
    // In the order in which they are signed.
    const headers: readonly (readonly [string, string])[] = [
      ['content-type', JSON_TYPE],
      ['host', this.#endpoint.host],
      ['x-amz-content-sha256', payload],
      ['x-amz-date', time],
      ...token,
      ['x-amz-target', target],
    ]
    const scope = { day: time.slice(0, 8), region: this.#region, service: 'sqs' }
    const signed = headers.map(([name]) => name)
    const request = { method: 'POST', path: '/', headers: new Map(headers), signed, payload }
    const signature = signatureOf(secretAccessKey, scope, time, request).toString('hex')
    const proof = `${ALGORITHM} Credential=${accessKeyId}/${scopeText(scope)}, SignedHeaders=${signed.join(';')}, Signature=${signature}`
    return [...headers, ['authorization', proof]]
  }
}

function readAnswer(action: ActionName, body: Buffer): JsonObject {
  try {
    return readJsonAnswer(action, body)
  } catch (cause) {
    throw new UpstreamError('ERR_UPSTREAM_PROTOCOL', 'the queue service answered what can’t be read', { cause })
  }
}

function faultFrom({ status, headers, body }: Received): Fault {
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

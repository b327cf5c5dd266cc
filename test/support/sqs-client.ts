import { createHash, createHmac } from 'node:crypto'
import { connect } from 'node:net'
import { once } from 'node:events'

export interface Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export interface RawRequest {
  readonly method?: string
  readonly target?: string
  /** As they are sent, in this order, doubles and all. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

/** Credentials from a token, as an SDK gets them. */
export async function assumeRole(url: string, token: string): Promise<Keys> {
  const response = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: 'arn:aws:iam::000000000000:role/agent',
      RoleSessionName: 'hostile',
      WebIdentityToken: token,
    }),
  })
  const text = await response.text()
  const of = (name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? ''
  if (response.status !== 200) throw new Error(`${response.status} ${text}`)
  return { accessKeyId: of('AccessKeyId'), secretAccessKey: of('SecretAccessKey'), sessionToken: of('SessionToken') }
}

/** Signs by hand what `headers` has, with `more` beside it unsigned, so that a test can send what no SDK would. */
export function signed(
  keys: Keys,
  url: string,
  request: { readonly headers?: Readonly<Record<string, string>>; readonly body: string; readonly target?: string },
): RawRequest {
  const now = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const day = now.slice(0, 8)
  const headers: Record<string, string> = {
    host: new URL(url).host,
    'x-amz-date': now,
    ...(keys.sessionToken === undefined ? {} : { 'x-amz-security-token': keys.sessionToken }),
    ...request.headers,
  }
  const names = Object.keys(headers).toSorted()
  const lines = names.map((name) => `${name}:${headers[name] ?? ''}\n`).join('')
  const canonical = `POST\n${request.target ?? '/'}\n\n${lines}\n${names.join(';')}\n${sha(request.body)}`
  const scope = `${day}/us-east-1/sqs/aws4_request`
  const key = hmac(hmac(hmac(hmac(`AWS4${keys.secretAccessKey}`, day), 'us-east-1'), 'sqs'), 'aws4_request')
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${now}\n${scope}\n${sha(canonical)}`).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return {
    target: request.target ?? '/',
    headers: [...Object.entries(headers), ['authorization', authorization]],
    body: request.body,
  }
}

function sha(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

export function signedJson(keys: Keys, url: string, action: string, input: object): RawRequest {
  return signed(keys, url, {
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` },
    body: JSON.stringify(input),
  })
}

/** One request on a connection of its own, byte for byte as told. */
export async function sendRaw(
  url: string,
  { method = 'POST', target = '/', headers, body }: RawRequest,
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => undefined)
  const head = [...headers, ['content-length', String(Buffer.byteLength(body))], ['connection', 'close']]
  socket.write(
    `${method} ${target} HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
  )
  await once(socket, 'close')
  const text = Buffer.concat(chunks).toString('utf8')
  const [top = '', ...rest] = text.split('\r\n\r\n')
  const [line = '', ...lines] = top.split('\r\n')
  return {
    status: Number(line.split(' ')[1]),
    headers: new Map(
      lines.map((each) => [each.split(': ')[0]?.toLowerCase() ?? '', each.slice(each.indexOf(': ') + 2)]),
    ),
    body: rest.join('\r\n\r\n'),
  }
}

import { SignatureV4 } from '@smithy/signature-v4'
import aws4 from 'aws4'
import { AwsV4Signer } from 'aws4fetch'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IdentityError } from '../../../engine/index.ts'
import { type HttpMessage, readHeaders } from '../../../planes/sqs/codec/http-message.ts'
import { isSignedWith, readClaim } from '../../../planes/sqs/session/signature.ts'
import { NodeSha256 } from '../../../planes/http/credentials/sha256.ts'

const NOW = Date.parse('2026-11-25T12:00:00.000Z')
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const AKID = 'ASIAEXAMPLEEXAMPLE77'
const SCOPE = { service: 'sqs', regions: ['us-east-1'] }
const HOST = 'gateway.example:8443'
const RUNS = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 60), seed: 7 }

interface Unsigned {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

type Signer = (request: Unsigned) => Promise<Readonly<Record<string, string>>>

// Other people's signers, each with all that it signs of its own accord.
const smithy: Signer = async ({ body, headers }) => {
  const credentials = { accessKeyId: AKID, secretAccessKey: SECRET, sessionToken: 'token' }
  const signer = new SignatureV4({ service: 'sqs', region: 'us-east-1', credentials, sha256: NodeSha256 })
  const request = { method: 'POST', protocol: 'https:', hostname: 'gateway.example', path: '/', query: {}, body }
  const signed = await signer.sign({ ...request, headers: { host: HOST, ...headers } }, { signingDate: new Date(NOW) })
  return signed.headers
}

const SIGNERS: Readonly<Record<string, Signer>> = {
  '@smithy/signature-v4': smithy,
  aws4: ({ body, headers }) => {
    const own = { ...headers, 'X-Amz-Date': '20261125T120000Z' }
    const request = { host: HOST, method: 'POST', path: '/', service: 'sqs', region: 'us-east-1', headers: own, body }
    const signed = aws4.sign(request, { accessKeyId: AKID, secretAccessKey: SECRET, sessionToken: 'token' })
    return Promise.resolve(
      Object.fromEntries(Object.entries(signed.headers ?? {}).map(([name, value]) => [name, String(value)])),
    )
  },
  aws4fetch: async ({ body, headers }) => {
    const signer = new AwsV4Signer({
      url: `https://${HOST}/`,
      method: 'POST',
      headers: { ...headers },
      body,
      accessKeyId: AKID,
      secretAccessKey: SECRET,
      sessionToken: 'token',
      service: 'sqs',
      region: 'us-east-1',
      datetime: '20261125T120000Z',
      allHeaders: true,
    })
    const signed = await signer.sign()
    return { host: HOST, ...Object.fromEntries(signed.headers) }
  },
}

const request: fc.Arbitrary<Unsigned> = fc.record({
  body: fc.oneof(fc.json(), fc.string({ unit: 'grapheme', maxLength: 200 })),
  headers: fc
    .dictionary(
      fc.stringMatching(/^x-(?:amz-)?[a-z]{3,12}$/),
      fc.stringMatching(/^[A-Za-z0-9](?:[ -~]{0,30}[A-Za-z0-9])?$/),
      { maxKeys: 4 },
    )
    .map((more) => ({
      ...more,
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': 'AmazonSQS.SendMessage',
    })),
})

function messageOf(headers: Readonly<Record<string, string>>, body: string): HttpMessage {
  return {
    method: 'POST',
    target: '/',
    headers: readHeaders(Object.entries(headers).flat()),
    body: Buffer.from(body),
    source: null,
  }
}

function accepts(message: HttpMessage): boolean {
  try {
    const claim = readClaim(message, SCOPE, NOW)
    return claim.accessKeyId === AKID && isSignedWith(SECRET, claim, message) // an id finds the secret: it isn't signed itself
  } catch (error) {
    if (error instanceof IdentityError) return false
    throw error
  }
}

describe.each(Object.entries(SIGNERS))('what %s signs', (_name, sign) => {
  test('is accepted, whatever is signed', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (unsigned) => {
        expect(accepts(messageOf(await sign(unsigned), unsigned.body))).toBe(true)
      }),
      RUNS,
    )
  })

  test('is refused with any one bit of it changed: method, target, body, and every header that is signed', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (unsigned) => {
        const good = messageOf(await sign(unsigned), unsigned.body)
        const covered = new Set(
          /SignedHeaders=([^,]+)/.exec(good.headers.get('authorization') ?? '')?.[1]?.split(';') ?? [],
        )
        const wrongs = [
          ...flips(good.method).map((method) => ({ ...good, method })),
          ...flips(good.target).map((target) => ({ ...good, target })),
          ...flipsOf(good.body).map((body) => ({ ...good, body })),
          ...[...good.headers].flatMap(([name, value]) =>
            covered.has(name) || name === 'authorization'
              ? flips(value).map((changed) => ({ ...good, headers: new Map([...good.headers, [name, changed]]) }))
              : [],
          ),
        ]
        const taken = wrongs.filter((wrong) => accepts(wrong) && !isSameToSigners(wrong, good))
        expect(taken).toEqual([])
      }),
      { ...RUNS, numRuns: Math.ceil(RUNS.numRuns / 30) },
    )
  })
})

function plain({ headers }: HttpMessage): string {
  return JSON.stringify([...headers].map(([name, value]) => [name, value.trim().replaceAll(/ +/g, ' ')]))
}

/** SigV4 reads a run of spaces as one, and none at the ends: such a change is none. */
function isSameToSigners(one: HttpMessage, other: HttpMessage): boolean {
  return (
    one.method === other.method &&
    one.target === other.target &&
    one.body.equals(other.body) &&
    plain(one) === plain(other)
  )
}

function flips(text: string): string[] {
  return flipsOf(Buffer.from(text, 'latin1')).map((bytes) => bytes.toString('latin1'))
}

function flipsOf(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const changed = Buffer.from(bytes)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    return changed
  })
}

async function signed(): Promise<HttpMessage> {
  const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.ListQueues' }
  return messageOf(await smithy({ body: '{}', headers }), '{}')
}

function authorization(headers: Map<string, string>, from: string | RegExp, to: string): unknown {
  return headers.set('authorization', (headers.get('authorization') ?? '').replace(from, to))
}

async function altered(change: (headers: Map<string, string>) => void): Promise<HttpMessage> {
  const message = await signed()
  const headers = new Map(message.headers)
  change(headers)
  return { ...message, headers }
}

describe('a good signature is refused', () => {
  test.each<[string, (headers: Map<string, string>) => unknown]>([
    ['with an x-amz header beside it that is not signed', (headers) => headers.set('x-amz-extra', '1')],
    ['with the payload declared unsigned', (headers) => headers.set('x-amz-content-sha256', 'UNSIGNED-PAYLOAD')],
    ['with a streamed payload', (headers) => headers.set('x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD')],
    ['for another region', (headers) => authorization(headers, 'us-east-1', 'us-west-2')],
    ['for another service', (headers) => authorization(headers, '/sqs/', '/sns/')],
    ['of another day', (headers) => authorization(headers, '20261125/', '20261124/')],
    ['without host among the signed', (headers) => authorization(headers, 'host;', '')],
    ['without the target among the signed', (headers) => authorization(headers, ';x-amz-target', '')],
    [
      'with its headers named in another order',
      (headers) => authorization(headers, 'content-type;host', 'host;content-type'),
    ],
    ['with a header named twice', (headers) => authorization(headers, 'host;', 'host;host;')],
    ['in capitals', (headers) => headers.set('authorization', (headers.get('authorization') ?? '').toUpperCase())],
    ['without Authorization', (headers) => headers.delete('authorization')],
    ['without a date', (headers) => headers.delete('x-amz-date')],
  ])('%s', async (_what, change) => {
    expect(accepts(await signed())).toBe(true)
    expect(accepts(await altered(change))).toBe(false)
  })

  test.each([-301, 301])('%i seconds from now', async (seconds) => {
    const message = await signed()
    expect(() => readClaim(message, SCOPE, NOW + seconds * 1000)).toThrow(IdentityError)
    expect(readClaim(message, SCOPE, NOW + Math.sign(seconds) * 299_000).accessKeyId).toBe(AKID)
  })

  test('and two headers of one name never get that far', () => {
    expect(() => readHeaders(['X-Amz-Target', 'AmazonSQS.ListQueues', 'x-amz-target', 'AmazonSQS.PurgeQueue'])).toThrow(
      'twice',
    )
  })
})

function vector(more: Readonly<Record<string, string>>, names: string, signature: string, body = ''): HttpMessage {
  return {
    method: 'POST',
    target: '/',
    headers: new Map(
      Object.entries({
        host: 'example.amazonaws.com',
        'x-amz-date': '20150830T123600Z',
        ...more,
        authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${names}, Signature=${signature}`,
      }),
    ),
    body: Buffer.from(body),
    source: null,
  }
}

/** From AWS's own test suite for Signature Version 4: inputs and the signatures that it prints. */
describe('AWS’s published vectors', () => {
  const scope = { service: 'service', regions: ['us-east-1'] }
  const at = Date.parse('2015-08-30T12:36:00Z')
  test.each<[string, HttpMessage]>([
    ['post-vanilla', vector({}, 'host;x-amz-date', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b')],
    [
      'get-vanilla',
      {
        ...vector({}, 'host;x-amz-date', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'),
        method: 'GET',
      },
    ],
    [
      'post-header-key-case and value-case',
      vector(
        { 'my-header1': 'VALUE1' },
        'host;my-header1;x-amz-date',
        'cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d',
      ),
    ],
    [
      'post-x-www-form-urlencoded',
      vector(
        { 'content-type': 'application/x-www-form-urlencoded' },
        'content-type;host;x-amz-date',
        'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
        'Param1=value1',
      ),
    ],
  ])('%s', (_name, message) => {
    expect(isSignedWith('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', readClaim(message, scope, at), message)).toBe(true)
  })
})

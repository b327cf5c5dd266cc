import { createHash, createHmac, pbkdf2Sync, X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { startScram, type ScramExchange } from '../../../../planes/postgres/scram.ts'
import { issueCertificates } from '../../../support/certificates.ts'

const BOTH = ['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS']
const NONCE = 'rOprNGfwEbeRWgbNEkqO'
/** RFC 7677, 3. */
const SERVER_FIRST = `r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`
const SERVER_FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='

const certificate = new X509Certificate(issueCertificates(['localhost']).certificate).raw

function exchange(changes: Partial<Parameters<typeof startScram>[0]> = {}): ScramExchange {
  return startScram({
    user: 'user',
    password: 'pencil',
    nonce: NONCE,
    mechanisms: ['SCRAM-SHA-256'],
    certificate: null,
    ...changes,
  })
}

function refused(message: RegExp): unknown {
  return expect.objectContaining({ code: 'ERR_UPSTREAM_AUTH', message: expect.stringMatching(message) })
}

test('the exchange of RFC 7677', async () => {
  const client = exchange()
  expect(client.first().toString()).toBe(`n,,n=user,r=${NONCE}`)
  expect((await client.final(Buffer.from(SERVER_FIRST))).toString()).toBe(
    `c=biws,r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
  )
  expect(() => client.verify(Buffer.from(SERVER_FINAL))).not.toThrow()
})

describe('a server that does not know the password', () => {
  test.each([
    ['signs with another key', 'v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='],
    ['signs nothing', 'v='],
    ['signs less', 'v=6rriTRBi23WpRR/wtup+mA=='],
    ['sends an error', 'e=other-error'],
    ['sends nothing', ''],
  ])('%s', async (_, final) => {
    const client = exchange()
    await client.final(Buffer.from(SERVER_FIRST))
    expect(() => client.verify(Buffer.from(final))).toThrowError(refused(/did not prove that it knows the password/))
  })

  test('skips its challenge', () => {
    expect(() => exchange().verify(Buffer.from(SERVER_FINAL))).toThrowError(refused(/did not prove/))
  })
})

describe('a challenge is refused', () => {
  test.each([
    ['with another nonce', 'r=someoneElse,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096', /does not continue ours/],
    ['with our nonce alone', `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`, /does not continue ours/],
    ['with one iteration', `r=${NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1`, /asks for 1 SCRAM iterations/],
    ['with 2^31 iterations', `r=${NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2147483648`, /2147483648 SCRAM iterations/],
    ['without salt', `r=${NONCE}x,s=,i=4096`, /first SCRAM message is malformed/],
    ['with an extension that must be understood', `m=x,r=${NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`, /malformed/],
    ['when it is an error', 'e=unknown-user', /malformed/],
  ])('%s', async (_, challenge, message) => {
    await expect(exchange().final(Buffer.from(challenge))).rejects.toThrowError(refused(message))
  })
})

describe('channel binding', () => {
  test('is used where both sides can', async () => {
    const client = exchange({ mechanisms: BOTH, certificate })
    expect(client.mechanism).toBe('SCRAM-SHA-256-PLUS')
    expect(client.first().toString()).toBe(`p=tls-server-end-point,,n=user,r=${NONCE}`)
    const final = (await client.final(Buffer.from(SERVER_FIRST))).toString()
    const bound = Buffer.concat([
      Buffer.from('p=tls-server-end-point,,'),
      createHash('sha256').update(certificate).digest(), // signed with ecdsa-with-SHA256
    ])
    expect(final).toMatch(`c=${bound.toString('base64')},r=`)
  })

  test('tells a server that offers none that we could', () => {
    expect(exchange({ certificate }).first().toString()).toMatch(/^y,,/)
  })

  test('is not claimed without TLS', () => {
    const client = exchange({ mechanisms: BOTH })
    expect(client.mechanism).toBe('SCRAM-SHA-256')
    expect(client.first().toString()).toMatch(/^n,,/)
  })

  test('no mechanism of ours', () => {
    expect(() => exchange({ mechanisms: ['SCRAM-SHA-1', 'OAUTHBEARER'] })).toThrowError(
      refused(/offers no SASL mechanism that is spoken here/),
    )
    expect(() => exchange({ mechanisms: ['SCRAM-SHA-256-PLUS'] })).toThrowError(refused(/no SASL mechanism/))
  })
})

describe('a password is prepared as the server prepares it', () => {
  test.each([
    ['I\u00adX', 'IX'],
    ['\u00aa', 'a'],
    ['\u2168', 'IX'],
    ['a\u00a0b', 'a b'],
    ['bell\u0007', 'bell\u0007'],
    ['\u00ad', '\u00ad'],
  ])('%j as %j', async (password, prepared) => {
    const nonce = `${NONCE}x`
    const first = `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`
    const client = exchange({ password })
    const final = (await client.final(Buffer.from(first))).toString()
    expect(final.slice(final.indexOf(',p=') + 3)).toBe(
      proofByRfc5802(prepared, `n=user,r=${NONCE},${first},c=biws,r=${nonce}`),
    )
  })
})

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** ClientProof as RFC 5802, 3 writes it down. */
function proofByRfc5802(password: string, authMessage: string): string {
  const salted = pbkdf2Sync(password, Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096, 32, 'sha256')
  const clientKey = hmac(salted, 'Client Key')
  const signature = hmac(createHash('sha256').update(clientKey).digest(), authMessage)
  return Buffer.from(clientKey.map((byte, index) => byte ^ signature.readUInt8(index))).toString('base64')
}

/**
 * X.509 certificates for a throwaway run. Node reads certificates but issues none, and the packages that do bring twenty
 * others along; the handful of DER that two ECDSA certificates take (RFC 5280) is written out here instead.
 */
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { isIPv4 } from 'node:net'

export interface Certificates {
  /** PEM of the authority's own certificate: what a client trusts. */
  readonly ca: string
  /** PEM of the server's certificate. */
  readonly certificate: string
  /** PEM (PKCS#8) of the server's private key. */
  readonly key: string
}

const DAY_MS = 86_400_000
const AUTHORITY = 'Countersign throwaway CA'

const OID = {
  commonName: '550403',
  ecdsaWithSha256: '2a8648ce3d040302',
  sha256WithRSA: '2a864886f70d01010b',
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  authorityKeyIdentifier: '551d23',
  extendedKeyUsage: '551d25',
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
} as const

/** An authority made for this run, whose key is forgotten at once, and a server's certificate for these names from it. */
export function issueCertificates(names: readonly string[], now: number = Date.now()): Certificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const validity = {
    from: new Date(now - DAY_MS),
    to: new Date(now + 7 * DAY_MS),
    issuer: AUTHORITY,
    key: authority.privateKey,
  }
  const identifier = keyIdentifier(authority.publicKey)
  const ca = certificate(1, AUTHORITY, authority.publicKey, validity, [
    extension('basicConstraints', true, sequence(TRUE)),
    extension('keyUsage', true, Buffer.from('03020106', 'hex')), // keyCertSign, cRLSign
    extension('subjectKeyIdentifier', false, der(0x04, identifier)),
  ])
  const leaf = certificate(2, names[0] ?? 'localhost', server.publicKey, validity, [
    extension('basicConstraints', true, sequence()),
    extension('keyUsage', true, Buffer.from('03020780', 'hex')), // digitalSignature
    extension('extendedKeyUsage', false, sequence(oid('serverAuth'), oid('clientAuth'))),
    extension('subjectAltName', false, sequence(...names.map(alternativeName))),
    extension('authorityKeyIdentifier', false, sequence(der(0x80, identifier))),
  ])
  return {
    ca: pem(ca),
    certificate: pem(leaf),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** An RSA key with a certificate of its own, as a SAML identity provider signs with one; PEM both. */
export function selfSigned(
  name: string,
  now: number = Date.now(),
): { readonly certificate: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const by = { from: new Date(now - DAY_MS), to: new Date(now + 7 * DAY_MS), issuer: name, key: privateKey }
  return {
    certificate: pem(certificate(1, name, publicKey, by, [extension('basicConstraints', true, sequence())])),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

interface Issuing {
  readonly from: Date
  readonly to: Date
  readonly issuer: string
  readonly key: KeyObject
}

function certificate(
  serial: number,
  subject: string,
  key: KeyObject,
  by: Issuing,
  extensions: readonly Buffer[],
): Buffer {
  const isRsa = by.key.asymmetricKeyType === 'rsa'
  const algorithm = isRsa ? sequence(oid('sha256WithRSA'), der(0x05)) : sequence(oid('ecdsaWithSha256'))
  const signed = sequence(
    der(0xa0, der(0x02, Buffer.of(2))), // version 3
    der(0x02, Buffer.of(serial)),
    algorithm,
    commonName(by.issuer),
    sequence(utcTime(by.from), utcTime(by.to)),
    commonName(subject),
    key.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  )
  return sequence(signed, algorithm, bitString(sign('sha256', signed, by.key)))
}

function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const { length } = body
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), body])
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), body])
}

const TRUE = der(0x01, Buffer.of(0xff))
const sequence = (...content: readonly Buffer[]): Buffer => der(0x30, ...content)
const oid = (name: keyof typeof OID): Buffer => der(0x06, Buffer.from(OID[name], 'hex'))
const bitString = (bytes: Buffer): Buffer => der(0x03, Buffer.of(0), bytes)

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(oid('commonName'), der(0x0c, Buffer.from(name)))))
}

/** UTCTime, `YYMMDDHHMMSSZ`: RFC 5280 (4.1.2.5) asks for the two-digit year until 2049. */
function utcTime(time: Date): Buffer {
  const digits = time.toISOString().replaceAll(/\D/g, '').slice(2, 14)
  return der(0x17, Buffer.from(`${digits}Z`))
}

function extension(name: keyof typeof OID, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(name), ...(critical ? [TRUE] : []), der(0x04, value))
}

function alternativeName(name: string): Buffer {
  if (isIPv4(name)) return der(0x87, Buffer.from(name.split('.').map(Number)))
  return der(0x82, Buffer.from(name))
}

function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

import { generateKeyPairSync, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CompactSign } from 'jose'
import { describe, expect, test } from 'vitest'
import { openBundle, signBundle } from '../../../engine/policy/index.ts'
import type { SignatureTrust } from '../../../engine/policy/index.ts'
import { fileHash, verifySignature } from '../../../engine/policy/signature.ts'
import type { ArchiveFile } from '../../../engine/policy/tar.ts'
import { readTar } from '../../../engine/policy/tar.ts'
import { gunzipSync } from 'node:zlib'
import { FIXTURES, contentOf, filesOf, fixture, onDisk, pack, withFile, withoutFile } from './bundles.ts'

const KEYS = {
  EdDSA: generateKeyPairSync('ed25519'),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
}
const { publicKey, privateKey } = KEYS.EdDSA
const trust: SignatureTrust = { key: publicKey, algorithm: 'EdDSA', keyId: 'bank' }
const toy = await readFile(fixture('toy'))
const signed = readTar(gunzipSync(await signBundle(toy, privateKey, 'EdDSA', 'bank')))

const refused = (message = '') =>
  expect.objectContaining({ code: 'ERR_POLICY_SIGNATURE', message: expect.stringContaining(message) })

/** A signature by the right key over whatever payload. */
async function forged(payload: unknown): Promise<ArchiveFile[]> {
  const token = await new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'EdDSA', kid: 'bank' })
    .sign(privateKey)
  return withFile(signed, '.signatures.json', JSON.stringify({ signatures: [token] }))
}

const listed = withoutFile(signed, '.signatures.json').map((file) => ({
  name: file.name,
  hash: fileHash(file),
  algorithm: 'SHA-256',
}))

describe('a signature is required by configuration, never by what the bundle says', () => {
  test('an unsigned bundle', async () => {
    await expect(openBundle(fixture('toy'), { kind: 'signed', ...trust })).rejects.toThrow(refused('not signed'))
  })

  test('an empty signature file', async () => {
    const path = await onDisk(pack(withFile(signed, '.signatures.json', '{"signatures": []}')))
    await expect(openBundle(path, { kind: 'signed', ...trust })).rejects.toThrow(refused('exactly one token'))
  })

  test('a signature in a folder', async () => {
    const moved = withFile(
      withoutFile(signed, '.signatures.json'),
      'a/.signatures.json',
      contentOf(signed, '.signatures.json'),
    )
    const path = await onDisk(pack(moved))
    await expect(openBundle(path, { kind: 'signed', ...trust })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_BUNDLE' }),
    )
  })

  test('two tokens', async () => {
    const text = JSON.parse(contentOf(signed, '.signatures.json').toString())
    const twice = withFile(
      signed,
      '.signatures.json',
      JSON.stringify({ signatures: [...text.signatures, ...text.signatures] }),
    )
    await expect(verifySignature(twice, trust)).rejects.toThrow(refused('exactly one token'))
  })

  test('another signer than OPA’s default', async () => {
    const text = JSON.parse(contentOf(signed, '.signatures.json').toString())
    const other = withFile(signed, '.signatures.json', JSON.stringify({ ...text, plugin: 'mine' }))
    await expect(verifySignature(other, trust)).rejects.toThrow(refused('default signer'))
  })
})

describe('another algorithm or key', () => {
  test.each(['none', 'HS256', 'ES384', 'RS512', 'RSA-OAEP', '', 'toString'])('configured as %j', async (algorithm) => {
    await expect(verifySignature(signed, { ...trust, algorithm })).rejects.toThrow(refused('is not allowed'))
  })

  test('alg none in the token', async () => {
    const [, payload] = JSON.parse(contentOf(signed, '.signatures.json').toString()).signatures[0].split('.')
    const header = Buffer.from('{"alg":"none"}').toString('base64url')
    const bare = withFile(signed, '.signatures.json', JSON.stringify({ signatures: [`${header}.${payload}.`] }))
    await expect(verifySignature(bare, trust)).rejects.toThrow(refused('does not verify'))
  })

  test('a token keyed with the public key as a shared secret', async () => {
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const token = await new CompactSign(Buffer.from(JSON.stringify({ files: listed })))
      .setProtectedHeader({ alg: 'HS256', kid: 'bank' })
      .sign(Buffer.from(pem))
    const confused = withFile(signed, '.signatures.json', JSON.stringify({ signatures: [token] }))
    await expect(verifySignature(confused, { ...trust, key: pem })).rejects.toThrow(refused('does not verify'))
  })

  test('another key of the same kind', async () => {
    const other = generateKeyPairSync('ed25519').publicKey
    await expect(verifySignature(signed, { ...trust, key: other })).rejects.toThrow(refused('does not verify'))
  })

  test.each(['ES256', 'RS256', 'PS256'] as const)('%s where EdDSA signed', async (algorithm) => {
    await expect(verifySignature(signed, { ...trust, algorithm, key: KEYS[algorithm].publicKey })).rejects.toThrow(
      refused('does not verify'),
    )
  })

  test('PS256 where RS256 signed with the same key', async () => {
    const { privateKey: key, publicKey: rsa } = KEYS.RS256
    const files = readTar(gunzipSync(await signBundle(toy, key, 'RS256', 'bank')))
    await expect(verifySignature(files, { key: rsa, algorithm: 'RS256' })).resolves.toBeUndefined()
    await expect(verifySignature(files, { key: rsa, algorithm: 'PS256' })).rejects.toThrow(refused('does not verify'))
  })

  test.each([
    ['a private key', privateKey],
    ['a private JWK', privateKey.export({ format: 'jwk' })],
    ['a shared secret', { kty: 'oct', k: 'AAAA' }],
    ['a key of another kind', KEYS.RS256.publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    ['no key at all', 'secret'],
  ])('%s', async (_what, key) => {
    await expect(verifySignature(signed, { ...trust, key })).rejects.toThrow(refused('key'))
  })

  test('another key id', async () => {
    await expect(verifySignature(signed, { ...trust, keyId: 'other' })).rejects.toThrow(
      refused('another key than other'),
    )
  })

  test('signing with an algorithm that is not allowed', async () => {
    await expect(signBundle(toy, privateKey, 'HS256', 'bank')).rejects.toThrow(refused('is not allowed'))
  })
})

describe('what is in the bundle is what was signed', () => {
  test.each(['data.json', 'policy.wasm', '.manifest'])('%s changed', async (name) => {
    const changed = contentOf(signed, name)
    changed[changed.length - 2] = 0x20
    await expect(verifySignature(withFile(signed, name, changed), trust)).rejects.toThrow(
      expect.objectContaining({ code: expect.stringMatching(/ERR_POLICY_(SIGNATURE|DATA)/) }),
    )
  })

  test('one value of the data changed', async () => {
    const data = contentOf(signed, 'data.json').toString().replace('payments', 'everyone')
    await expect(verifySignature(withFile(signed, 'data.json', data), trust)).rejects.toThrow(
      refused('data.json is not what was signed'),
    )
  })

  test('a file more', async () => {
    await expect(verifySignature(withFile(signed, 'more.rego', 'package more'), trust)).rejects.toThrow(
      refused('more.rego is in the bundle but not in its signature'),
    )
  })

  test.each(['data.json', 'policy.wasm', '.manifest'])('%s missing', async (name) => {
    await expect(verifySignature(withoutFile(signed, name), trust)).rejects.toThrow(
      refused(`${name} was signed but is not in the bundle`),
    )
  })

  test('a signature of another bundle', async () => {
    const other = await signBundle(await readFile(fixture('traps')), privateKey, 'EdDSA', 'bank')
    const signature = contentOf(readTar(gunzipSync(other)), '.signatures.json')
    await expect(verifySignature(withFile(signed, '.signatures.json', signature), trust)).rejects.toThrow(
      refused('is not what was signed'),
    )
  })

  test.each<[string, unknown, string]>([
    ['no files', {}, 'lists no files'],
    ['files by name', { files: { 'data.json': 'x' } }, 'lists no files'],
    ['a file of nothing', { files: [null] }, 'no file'],
    ['a file without hash', { files: [{ name: 'data.json', algorithm: 'SHA-256' }] }, 'without name and SHA-256'],
    ['a weak hash', { files: listed.map((file) => ({ ...file, algorithm: 'MD5' })) }, 'without name and SHA-256'],
    ['no hash algorithm', { files: listed.map(({ name, hash }) => ({ name, hash })) }, 'without name and SHA-256'],
    ['a file twice', { files: [...listed, ...listed] }, 'twice'],
    ['a scope', { files: listed, scope: 'write' }, 'scope'],
  ])('a payload with %s', async (_what, payload, message) => {
    await expect(verifySignature(await forged(payload), trust)).rejects.toThrow(refused(message))
  })

  test('a payload that is not an object', async () => {
    await expect(verifySignature(await forged('files'), trust)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_DATA' }),
    )
  })

  test('a signature spelt in another way', async () => {
    const text = contentOf(signed, '.signatures.json').toString()
    const last = text.lastIndexOf('"]')
    const char = text[last - 1] ?? ''
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    // 86 characters carry 512 bits and four to spare: another last character may decode to the same bytes.
    const respelt = `${text.slice(0, last - 1)}${alphabet[alphabet.indexOf(char) ^ 1] ?? ''}${text.slice(last)}`
    await expect(verifySignature(withFile(signed, '.signatures.json', respelt), trust)).rejects.toThrow(refused())
  })

  test('a critical header that nobody knows', async () => {
    const input = [{ alg: 'EdDSA', kid: 'bank', crit: ['x'], x: 1 }, { files: listed }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    const token = `${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}`
    const files = withFile(signed, '.signatures.json', JSON.stringify({ signatures: [token] }))
    await expect(verifySignature(files, trust)).rejects.toThrow(refused('does not verify'))
  })
})

describe('a signed bundle', () => {
  test.each(['EdDSA', 'ES256', 'RS256', 'PS256'] as const)(
    'by %s opens, with the digest of the unsigned one',
    async (algorithm) => {
      const pair = KEYS[algorithm]
      const path = await onDisk(await signBundle(toy, pair.privateKey, algorithm, 'bank'))
      const unsigned = await openBundle(fixture('toy'), { kind: 'unsigned' })
      const jwk = pair.publicKey.export({ format: 'jwk' })
      for (const key of [pair.publicKey, jwk, pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()]) {
        const policy = await openBundle(path, { kind: 'signed', key, algorithm, keyId: 'bank' })
        expect(policy.reference).toEqual(unsigned.reference)
      }
    },
  )

  test('signed again carries one signature, the new one', async () => {
    const once = await signBundle(toy, KEYS.ES256.privateKey, 'ES256', 'old')
    const twice = readTar(gunzipSync(await signBundle(once, privateKey, 'EdDSA', 'bank')))
    await expect(verifySignature(twice, trust)).resolves.toBeUndefined()
  })

  test.each([
    ['es256', 'ES256'],
    ['eddsa', 'EdDSA'],
  ])('by OPA itself opens: %s', async (name, algorithm) => {
    const key = await readFile(join(FIXTURES, `signed-by-opa-${name}.pem`), 'utf8')
    const policy = await openBundle(fixture(`signed-by-opa-${name}`), { kind: 'signed', key, algorithm, keyId: 'main' })
    expect(policy.reference.revision).toBe('toy-1')
  })

  test('is the same bytes when a deterministic algorithm signs it twice', async () => {
    const [one, other] = await Promise.all([1, 2].map(async () => signBundle(toy, privateKey, 'EdDSA', 'bank')))
    expect(Buffer.compare(one ?? Buffer.alloc(0), other ?? Buffer.alloc(1))).toBe(0)
  })

  test('holds the files of the unsigned one', async () => {
    expect(withoutFile(signed, '.signatures.json')).toEqual(await filesOf(fixture('toy')))
  })
})

import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { importPKCS8 } from 'jose'
import * as oidc from 'openid-client'
import { ApiError } from './api-client.ts'
import { EXIT, UsageError } from './exit.ts'

/** How a client shows the provider that it is who it says. */
export type ClientProof =
  | { readonly kind: 'public' }
  | { readonly kind: 'secret'; readonly file: string }
  /** RFC 7523, `private_key_jwt`: PEM, and what the provider calls the key. */
  | { readonly kind: 'private key'; readonly file: string; readonly keyId: string | null }

const EXIT_NOT_ALLOWED = 77 // sysexits.h, EX_NOPERM

/** The identity provider as its clients see it. Throws UsageError for an address that could be anybody's. */
export async function discover(issuer: string, clientId: string, proof: ClientProof): Promise<oidc.Configuration> {
  const url = URL.parse(issuer)
  const isLocal = url !== null && /^(localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(url.hostname)
  if (url === null || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))) {
    throw new UsageError(`--issuer: expected an https URL, or http on loopback; found ${issuer}`)
  }
  const execute = url.protocol === 'http:' ? [oidc.allowInsecureRequests] : []
  const authentication = await authenticationOf(proof)
  return told(() => oidc.discovery(url, clientId, undefined, authentication, { execute }))
}

async function authenticationOf(proof: ClientProof): Promise<oidc.ClientAuth> {
  switch (proof.kind) {
    case 'public':
      return oidc.None()
    case 'secret':
      return oidc.ClientSecretBasic((await readText(proof.file, '--client-secret-file')).trim())
    case 'private key': {
      const pem = await readText(proof.file, '--private-key')
      const key = await importPKCS8(pem, algorithmOf(pem))
      return oidc.PrivateKeyJwt(proof.keyId === null ? key : { key, kid: proof.keyId })
    }
  }
}

function algorithmOf(pem: string): string {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    throw new UsageError('--private-key: expected a private key in PEM (PKCS#8); found something else')
  }
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return 'RS256'
    case 'ed25519':
      return 'Ed25519'
    case 'ec':
      if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256'
      break
    default:
  }
  throw new UsageError('--private-key: expected an RSA key, an Ed25519 key, or one of P-256')
}

export async function readText(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'it failed'
    throw new UsageError(`${option}: ${file} can't be read (${reason})`)
  }
}

/** What the provider refused, or that it could not be asked, as an ApiError: nothing of a secret is in it. */
export async function told<Result>(ask: () => Promise<Result>): Promise<Result> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof oidc.ResponseBodyError || error instanceof oidc.AuthorizationResponseError) {
      const why = error.error_description ?? error.error
      throw new ApiError(EXIT_NOT_ALLOWED, error.error, `the identity provider refused: ${why}`)
    }
    if (error instanceof oidc.WWWAuthenticateChallengeError) {
      const message = 'the identity provider does not take what the client has shown: is it the right secret or key?'
      throw new ApiError(EXIT_NOT_ALLOWED, 'invalid_client', message)
    }
    if (error instanceof oidc.ClientError) {
      throw new ApiError(EXIT.unavailable, error.code ?? 'ERR_OAUTH', `the identity provider: ${error.message}`)
    }
    if (error instanceof TypeError) {
      throw new ApiError(EXIT.unavailable, 'ERR_OAUTH', 'no answer from the identity provider: is --issuer right?')
    }
    throw error
  }
}

/** Seconds since 1970; a provider that doesn't say is taken at an hour's word. */
export function expiryOf({ expires_in }: { readonly expires_in?: number | undefined }, now: number): number {
  return Math.floor(now / 1000) + (expires_in ?? 3_600)
}

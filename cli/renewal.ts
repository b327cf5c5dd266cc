import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as oidc from 'openid-client'
import { ApiError } from './api-client.ts'
import type { CommandIo } from './command.ts'
import { EXIT, UsageError } from './exit.ts'
import { discover, expiryOf, told } from './oauth-client.ts'
import { keepSignIn, readSignIn, signInFile, type SignedIn } from './sign-in-file.ts'

/** With a clock for tests: milliseconds since 1970. */
type Io = Pick<CommandIo, 'env'> & { now?(): number }

/** A token is renewed so long before it is over: what is begun with it gets done. */
const AHEAD_MS = 30_000
const LOCK_POLL_MS = 50
/** A lock that is older than any renewal takes was left by a process that died. */
const LOCK_STALE_MS = 60_000

/**
 * What `countersign login` keeps, with a token that is good now: renewed by its refresh token where it is over, in silence,
 * until the provider says no. Null: nobody has signed in. Throws UsageError, or ApiError where the provider has said no.
 */
export async function currentSignIn(io: Io): Promise<SignedIn | null> {
  const kept = readSignIn(io)
  if (kept === null || lasts(kept, io, AHEAD_MS)) return kept
  if (kept.refresh_token === undefined) return stillGood(kept, io)
  return alone(io, async () => {
    const newest = readSignIn(io)
    if (newest === null || newest.refresh_token === undefined) throw over()
    return lasts(newest, io, AHEAD_MS) ? newest : renewed(newest, newest.refresh_token, io)
  })
}

/** Tells the provider that its refresh token is given back. False where it can't be told. */
export async function giveBack({ issuer, client_id: clientId, refresh_token: token }: SignedIn): Promise<boolean> {
  if (token === undefined) return true
  try {
    const provider = await discover(issuer, clientId, { kind: 'public' })
    if (provider.serverMetadata().revocation_endpoint === undefined) return false
    await told(() => oidc.tokenRevocation(provider, token, { token_type_hint: 'refresh_token' }))
    return true
  } catch (error) {
    if (error instanceof ApiError) return false
    throw error
  }
}

async function renewed(kept: SignedIn, refreshToken: string, io: Io): Promise<SignedIn> {
  const { resource } = kept
  try {
    const provider = await discover(kept.issuer, kept.client_id, { kind: 'public' })
    const tokens = await told(() =>
      oidc.refreshTokenGrant(provider, refreshToken, resource === undefined ? {} : { resource }),
    )
    const next: SignedIn = {
      ...kept,
      token: tokens.access_token,
      expires_at: expiryOf({ expires_in: tokens.expiresIn() }, nowOf(io)),
      refresh_token: tokens.refresh_token ?? refreshToken,
    }
    await keepSignIn(next, io)
    return next
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (error.exit === EXIT.unavailable) return stillGood(kept, io, error)
    const { refresh_token: _, ...rest } = kept // the provider has taken it back: it is not asked again
    await keepSignIn(rest, io)
    throw new ApiError(error.exit, error.code, `${error.message}; sign in again: countersign login`)
  }
}

function lasts({ expires_at: expiresAt }: SignedIn, io: Io, ahead: number): boolean {
  return expiresAt * 1000 > nowOf(io) + ahead
}

function stillGood(kept: SignedIn, io: Io, why?: ApiError): SignedIn {
  if (lasts(kept, io, 0)) return kept
  throw why ?? over()
}

function over(): UsageError {
  return new UsageError('the token of countersign login is over: sign in again')
}

function nowOf(io: Io): number {
  return io.now?.() ?? Date.now()
}

/** One process at a time: a refresh token that is shown twice is taken for a stolen one. */
async function alone<T>(io: Io, work: () => Promise<T>): Promise<T> {
  const lock = `${signInFile(io)}.lock`
  mkdirSync(dirname(lock), { recursive: true, mode: 0o700 })
  while (!taken(lock)) await sleep(LOCK_POLL_MS)
  try {
    return await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function taken(lock: string): boolean {
  try {
    writeFileSync(lock, `${process.pid}\n`, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST'))
      throw new UsageError(`${lock} can't be written`)
    const written = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
    if (written !== undefined && Date.now() - written > LOCK_STALE_MS) rmSync(lock, { force: true })
    return false
  }
}

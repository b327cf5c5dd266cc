import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { Ajv } from 'ajv'
import type { CommandIo } from './command.ts'
import { UsageError } from './exit.ts'

/** What `countersign login` keeps: a token for one gateway, and where it came from. */
export interface SignedIn {
  /** The gateway's API that it is for: it is shown to no other. */
  readonly api: string
  readonly issuer: string
  readonly client_id: string
  readonly token: string
  /** Seconds since 1970. */
  readonly expires_at: number
  /** Gets the next one, where the provider has given it; it is shown to the provider alone. */
  readonly refresh_token?: string
  /** What the provider calls the gateway, where the token was asked for it alone. */
  readonly resource?: string
}

const text = { type: 'string', minLength: 1 } as const
const isSignedIn = new Ajv().compile<SignedIn>({
  type: 'object',
  required: ['api', 'issuer', 'client_id', 'token', 'expires_at'],
  properties: {
    api: text,
    issuer: text,
    client_id: text,
    token: text,
    expires_at: { type: 'integer' },
    refresh_token: text,
    resource: text,
  },
})

/** `$XDG_CONFIG_HOME/countersign/signed-in.json`, else beneath `~/.config`. */
export function signInFile({ env }: Pick<CommandIo, 'env'>): string {
  return join(env['XDG_CONFIG_HOME'] ?? join(env['HOME'] ?? homedir(), '.config'), 'countersign', 'signed-in.json')
}

/** Null: nobody has signed in. Throws UsageError for a file that can't be read as one. */
export function readSignIn(io: Pick<CommandIo, 'env'>): SignedIn | null {
  const file = signInFile(io)
  let written: string
  try {
    written = readFileSync(file, 'utf8')
  } catch {
    return null
  }
  try {
    const value: unknown = JSON.parse(written)
    if (isSignedIn(value)) return value
  } catch {
    // told below, without what stands there: it may be half a token
  }
  throw new UsageError(`${file} is not what countersign login wrote: sign in again`)
}

export async function keepSignIn(signedIn: SignedIn, io: Pick<CommandIo, 'env'>): Promise<string> {
  const file = signInFile(io)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  await writePrivate(file, `${JSON.stringify(signedIn, null, 2)}\n`)
  return file
}

/** True where there was one. */
export function forgetSignIn(io: Pick<CommandIo, 'env'>): boolean {
  const there = readSignIn(io) !== null
  rmSync(signInFile(io), { force: true })
  return there
}

/** Whole or not at all, for its owner's eyes: whoever reads it meanwhile finds the one before. */
export async function writePrivate(file: string, content: string): Promise<void> {
  const fresh = `${file}.${process.pid}.new`
  try {
    await writeFile(fresh, content, { mode: 0o600, flag: 'wx', flush: true })
    await rename(fresh, file)
  } catch (error) {
    rmSync(fresh, { force: true })
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'it failed'
    throw new UsageError(`${file} can't be written (${reason})`)
  }
}

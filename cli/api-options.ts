import { readFile } from 'node:fs/promises'
import { ApiClient, ApiError } from './api-client.ts'
import { visible } from './approval-page.ts'
import type { CommandIo } from './command.ts'
import { EXIT, isParseError, UsageError } from './exit.ts'
import { currentSignIn } from './renewal.ts'
import { readSignIn } from './sign-in-file.ts'

export const DEFAULT_API = 'http://127.0.0.1:7420'

/** Where the API is and whose token to show it, as a command line and the environment say. */
export interface ApiOptions {
  readonly api?: string | undefined
  readonly 'token-file'?: string | undefined
}

/** Throws UsageError where either is missing or unfit. */
export async function apiClient(options: ApiOptions, io: CommandIo): Promise<ApiClient> {
  const api = apiOf(options.api ?? io.env['COUNTERSIGN_API'] ?? DEFAULT_API)
  return new ApiClient(api, await tokenOf(options, api, io))
}

/** A token goes over TLS or nowhere off this host. */
export function apiOf(address: string): URL {
  const url = URL.parse(address)
  const isLocal = url !== null && /^(localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(url.hostname)
  if (url === null || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))) {
    throw new UsageError(`--api: expected an https URL, or http on loopback; found ${address}`)
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

/** The file that is named, else the environment's, else what `countersign login` got for this very gateway. */
async function tokenOf(options: ApiOptions, api: URL, io: CommandIo): Promise<string> {
  const file = options['token-file']
  const given = file === undefined ? io.env['COUNTERSIGN_TOKEN'] : await readToken(file)
  const token = given ?? (await signedInTo(api, io))
  if (token === undefined || token.trim() === '') {
    throw new UsageError('no token: countersign login, set COUNTERSIGN_TOKEN, or name its file with --token-file')
  }
  if (!/^[\x21-\x7e]+$/.test(token.trim())) throw new UsageError('the token is not one line of printable characters')
  return token.trim()
}

async function signedInTo(api: URL, io: CommandIo): Promise<string | undefined> {
  if (readSignIn(io)?.api !== api.origin) return undefined
  return (await currentSignIn(io))?.token
}

async function readToken(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'it failed'
    throw new UsageError(`--token-file: ${file} can't be read (${reason})`)
  }
}

/** Tells what went wrong between a person and the API, and which exit code says so; anything else goes on being thrown. */
export function tellRefusal(error: unknown, usage: string, io: CommandIo): number {
  if (error instanceof ApiError) {
    io.stderr.write(`countersign: ${visible(error.message)} (${visible(error.code)})\n`)
    return error.exit
  }
  if (error instanceof UsageError || isParseError(error)) {
    io.stderr.write(`countersign: ${visible(error.message)}\n\n${usage}`)
    return EXIT.usage
  }
  throw error
}

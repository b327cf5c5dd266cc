import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { CommandIo } from './command.ts'
import { EXIT, isParseError, UsageError } from './exit.ts'

const USAGE = `usage: countersign aws-credentials --gateway URL [--token-file FILE]

Prints credentials for the gateway's queues as AWS SDKs ask a process for them. In ~/.aws/config:

    [profile agent]
    credential_process = countersign aws-credentials --gateway https://queues.bank.example

The token is read from FILE, by default from the one that AWS_WEB_IDENTITY_TOKEN_FILE names.

exit: 0 printed, 1 the gateway refuses, 69 it can't be reached
`
const TIMEOUT_MS = 15_000

/** `countersign aws-credentials`: what `credential_process` runs. */
export async function awsCredentialsCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = parse(argv, io.env)
  if (asked === null) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const token = (await readFile(asked.tokenFile, 'utf8')).trim()
  const answer = await ask(new URL('/credentials', asked.gateway), token)
  if (answer === null) {
    io.stderr.write(`countersign aws-credentials: no answer from ${asked.gateway}: is --gateway its address?\n`)
    return EXIT.unavailable
  }
  const { AccessKeyId, SecretAccessKey, Token, Expiration, message } = answer
  if (AccessKeyId === undefined) {
    io.stderr.write(
      `countersign aws-credentials: ${typeof message === 'string' ? message : 'the gateway gave no credentials'}\n`,
    )
    return EXIT.failed
  }
  const printed = { Version: 1, AccessKeyId, SecretAccessKey, SessionToken: Token, Expiration }
  io.stdout.write(`${JSON.stringify(printed)}\n`)
  return EXIT.ok
}

function parse(
  argv: readonly string[],
  env: CommandIo['env'],
): { readonly gateway: string; readonly tokenFile: string } | null {
  try {
    const options = {
      gateway: { type: 'string' },
      'token-file': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    } as const
    const { values } = parseArgs({ args: [...argv], options })
    if (values.help) return null
    const tokenFile = values['token-file'] ?? env['AWS_WEB_IDENTITY_TOKEN_FILE']
    if (values.gateway === undefined || !URL.canParse(values.gateway))
      throw new UsageError(`--gateway: expected the gateway's URL; found ${values.gateway ?? 'nothing'}\n\n${USAGE}`)
    if (tokenFile === undefined) throw new UsageError(`--token-file: expected a file; found nothing\n\n${USAGE}`)
    return { gateway: values.gateway, tokenFile }
  } catch (error) {
    throw isParseError(error) ? new UsageError(`${error.message}\n\n${USAGE}`) : error
  }
}

async function ask(url: URL, token: string): Promise<Readonly<Record<string, unknown>> | null> {
  try {
    const headers = { authorization: token }
    const response = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
    const body: unknown = await response.json()
    return typeof body === 'object' && body !== null ? Object.fromEntries(Object.entries(body)) : null
  } catch {
    return null
  }
}

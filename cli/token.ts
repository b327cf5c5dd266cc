import { parseArgs } from 'node:util'
import * as oidc from 'openid-client'
import { ApiError } from './api-client.ts'
import { apiOf, DEFAULT_API, tellRefusal } from './api-options.ts'
import type { CommandIo } from './command.ts'
import { EXIT, UsageError } from './exit.ts'
import { discover, readText, told, type ClientProof } from './oauth-client.ts'
import { printedJson } from './printable.ts'
import { currentSignIn } from './renewal.ts'
import { writePrivate } from './sign-in-file.ts'

const USAGE = `usage: countersign token [--json]
       countersign token --issuer URL --client-id ID (--client-secret-file FILE | --private-key FILE) [options]
       countersign token --exchange --subject-token-file FILE [--actor-token-file FILE] [options]

Gets a token, and prints it or writes it into a file that only its owner can read: without options yours, of countersign
login, renewed where it is over; else one for an agent.

From the identity provider, as a client (client credentials):
  --issuer URL               the identity provider (COUNTERSIGN_ISSUER)
  --client-id ID             what it calls the agent (COUNTERSIGN_CLIENT_ID)
  --client-secret-file FILE  where the agent's secret is
  --private-key FILE         or its private key in PEM, for a provider that knows the public one (private_key_jwt)
  --key-id ID                what the provider calls that key
  --resource URL             what it calls the gateway (COUNTERSIGN_RESOURCE)
  --scope SCOPE

From a gateway, for what its bearer has proven elsewhere (RFC 8693):
  --exchange
  --subject-token-file FILE  whose token it is to be: an access token, or with --saml an assertion in base64
  --saml                     the subject's is a SAML assertion or response
  --actor-token-file FILE    the token of who acts for the subject
  --api URL                  the gateway's API (COUNTERSIGN_API; default http://127.0.0.1:7420)

  --out FILE                 write the token there, in the place of what stood there, instead of printing it
  --json                     the token, and when it is over

exit: 0 done, 64 wrong usage, 69 nobody there, 77 refused
`

const TYPE = 'urn:ietf:params:oauth:token-type:'
const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const TIMEOUT_MS = 60_000
const EXIT_NOT_ALLOWED = 77

/** With a clock for tests: milliseconds since 1970. */
type Io = CommandIo & { now?(): number }

type Options = ReturnType<typeof parse>['values']

interface Issued {
  readonly token: string
  /** Seconds; null: the provider doesn't say. */
  readonly expiresIn: number | null
}

/** `countersign token`. Resolves with the exit code. */
export async function tokenCommand(argv: readonly string[], io: Io): Promise<number> {
  try {
    const { values } = parse(argv)
    if (values.help) io.stdout.write(USAGE)
    else await hand(await issued(values, io), values, io)
    return EXIT.ok
  } catch (error) {
    return tellRefusal(error, USAGE, io)
  }
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  return parseArgs({
    args: [...argv],
    options: {
      issuer: text,
      'client-id': text,
      'client-secret-file': text,
      'private-key': text,
      'key-id': text,
      resource: text,
      scope: text,
      exchange: flag,
      'subject-token-file': text,
      'actor-token-file': text,
      saml: flag,
      api: text,
      out: text,
      json: flag,
      help: { ...flag, short: 'h' },
    },
  })
}

function issued(options: Options, io: Io): Promise<Issued> {
  if (options.exchange) return exchanged(options, io)
  const { issuer, 'client-id': client, 'client-secret-file': secret, 'private-key': key } = options
  const isOwn = [issuer, client, secret, key].every((each) => each === undefined)
  return isOwn ? own(io) : granted(options, io)
}

async function own(io: Io): Promise<Issued> {
  const kept = await currentSignIn(io)
  if (kept === null) throw new UsageError('nobody has signed in: countersign login; or name an agent with --client-id')
  const now = Math.floor((io.now?.() ?? Date.now()) / 1000)
  return { token: kept.token, expiresIn: kept.expires_at - now }
}

async function granted(options: Options, io: CommandIo): Promise<Issued> {
  const issuer = options.issuer ?? io.env['COUNTERSIGN_ISSUER']
  const clientId = options['client-id'] ?? io.env['COUNTERSIGN_CLIENT_ID']
  if (issuer === undefined) throw new UsageError('--issuer: expected the identity provider; found nothing')
  if (clientId === undefined) throw new UsageError('--client-id: expected what it calls the agent; found nothing')
  const provider = await discover(issuer, clientId, proofOf(options))
  const resource = options.resource ?? io.env['COUNTERSIGN_RESOURCE']
  const asked = {
    ...(resource === undefined ? {} : { resource }),
    ...(options.scope === undefined ? {} : { scope: options.scope }),
  }
  const tokens = await told(() => oidc.clientCredentialsGrant(provider, asked))
  return { token: tokens.access_token, expiresIn: tokens.expiresIn() ?? null }
}

function proofOf({ 'client-secret-file': secret, 'private-key': key, 'key-id': keyId }: Options): ClientProof {
  if ((secret === undefined) === (key === undefined)) {
    throw new UsageError('expected one of --client-secret-file and --private-key')
  }
  if (secret !== undefined) return { kind: 'secret', file: secret }
  return { kind: 'private key', file: key ?? '', keyId: keyId ?? null }
}

async function exchanged(options: Options, io: CommandIo): Promise<Issued> {
  const { 'subject-token-file': subject, 'actor-token-file': actor } = options
  if (subject === undefined) throw new UsageError('--subject-token-file: expected a file; found nothing')
  const api = apiOf(options.api ?? io.env['COUNTERSIGN_API'] ?? DEFAULT_API)
  const form = new URLSearchParams({
    grant_type: GRANT,
    subject_token: (await readText(subject, '--subject-token-file')).trim(),
    subject_token_type: `${TYPE}${options.saml ? 'saml2' : 'access_token'}`,
  })
  if (actor !== undefined) {
    form.set('actor_token', (await readText(actor, '--actor-token-file')).trim())
    form.set('actor_token_type', `${TYPE}access_token`)
  }
  return ask(new URL('oauth/token', api), form)
}

async function ask(address: URL, body: URLSearchParams): Promise<Issued> {
  let response: Response
  try {
    response = await fetch(address, {
      method: 'POST',
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
  } catch {
    throw new ApiError(EXIT.unavailable, 'ERR_API_UNREACHABLE', `no answer from ${address.origin}: is --api right?`)
  }
  const answer: Readonly<Record<string, unknown>> = Object(await response.json().catch(() => null))
  const { access_token: token, expires_in: expiresIn, error_description: why, code, error } = answer
  if (response.ok && typeof token === 'string' && typeof expiresIn === 'number') return { token, expiresIn }
  const status = response.status >= 500 ? EXIT.unavailable : EXIT_NOT_ALLOWED
  const message = typeof why === 'string' ? why : `${address.origin} exchanges no tokens`
  const name = [code, error].find((each) => typeof each === 'string')
  throw new ApiError(status, typeof name === 'string' ? name : `HTTP ${response.status}`, message)
}

async function hand({ token, expiresIn }: Issued, { out, json }: Options, io: CommandIo): Promise<void> {
  if (out !== undefined) await writePrivate(out, `${token}\n`)
  if (json) io.stdout.write(printedJson({ ...(out === undefined ? { token } : { file: out }), expires_in: expiresIn }))
  else if (out === undefined) io.stdout.write(`${token}\n`)
}

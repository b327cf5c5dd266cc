import { once } from 'node:events'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import * as oidc from 'openid-client'
import { ApiError } from './api-client.ts'
import { apiOf, DEFAULT_API, tellRefusal } from './api-options.ts'
import { visible } from './approval-page.ts'
import type { CommandIo } from './command.ts'
import { EXIT, UsageError } from './exit.ts'
import { discover, expiryOf, told } from './oauth-client.ts'
import { giveBack } from './renewal.ts'
import { forgetSignIn, keepSignIn, readSignIn, type SignedIn } from './sign-in-file.ts'

const USAGE = `usage: countersign login [--device] [options]
       countersign login --out

Signs you in at the bank's identity provider, and keeps the token that it gives for commands that ask a gateway, in a file
that only you can read. With a browser on this machine by default (authorization code with PKCE, back to loopback);
--device prints a code that you enter in a browser anywhere.

  --issuer URL      the identity provider (COUNTERSIGN_ISSUER; default the one of last time)
  --client-id ID    what it calls this command (COUNTERSIGN_CLIENT_ID; default as last time)
  --resource URL    what it calls the gateway (COUNTERSIGN_RESOURCE), where it gives tokens for that alone (RFC 8707)
  --scope SCOPE     default openid; with offline_access the provider may give a refresh token, which then renews the
                    token in silence until the provider says no
  --device          no browser here: device authorization (RFC 8628)
  --api URL         the gateway that the token is for (COUNTERSIGN_API; default http://127.0.0.1:7420)
  --out             forget the token that is kept

exit: 0 done, 1 not signed in, 64 wrong usage, 69 no provider, 77 refused
`

/** Between the provider's page and its answer. */
const PATIENCE_MS = 600_000

type Options = ReturnType<typeof parse>['values']

/** With a clock for tests: milliseconds since 1970. */
type Io = CommandIo & { now?(): number }

/** `countersign login`. Resolves with the exit code. */
export async function loginCommand(argv: readonly string[], io: Io): Promise<number> {
  try {
    const { values } = parse(argv)
    if (values.help) io.stdout.write(USAGE)
    else if (values.out) await signOut(io)
    else await signIn(values, io)
    return EXIT.ok
  } catch (error) {
    return tellRefusal(error, USAGE, io)
  }
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: {
      issuer: { type: 'string' },
      'client-id': { type: 'string' },
      resource: { type: 'string' },
      scope: { type: 'string', default: 'openid' },
      device: { type: 'boolean', default: false },
      api: { type: 'string' },
      out: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
}

async function signIn(options: Options, io: Io): Promise<void> {
  const before = readSignIn(io)
  const issuer = options.issuer ?? io.env['COUNTERSIGN_ISSUER'] ?? before?.issuer
  const clientId = options['client-id'] ?? io.env['COUNTERSIGN_CLIENT_ID'] ?? before?.client_id
  if (issuer === undefined) throw new UsageError('--issuer: expected the identity provider; found nothing')
  if (clientId === undefined) throw new UsageError('--client-id: expected what it calls this command; found nothing')
  const api = apiOf(options.api ?? io.env['COUNTERSIGN_API'] ?? DEFAULT_API)
  const resource = options.resource ?? io.env['COUNTERSIGN_RESOURCE']
  const provider = await discover(issuer, clientId, { kind: 'public' })
  const asked = { scope: options.scope, ...(resource === undefined ? {} : { resource }) }
  const tokens = await (options.device ? byDevice : byBrowser)(provider, asked, io)
  const expiresAt = expiryOf({ expires_in: tokens.expiresIn() }, io.now?.() ?? Date.now())
  const kept: SignedIn = {
    api: api.origin,
    issuer,
    client_id: clientId,
    token: tokens.access_token,
    expires_at: expiresAt,
    ...(tokens.refresh_token === undefined ? {} : { refresh_token: tokens.refresh_token }),
    ...(resource === undefined ? {} : { resource }),
  }
  const file = await keepSignIn(kept, io)
  const until = new Date(expiresAt * 1000).toISOString()
  io.stdout.write(`Signed in${nameOf(tokens)} until ${until}, for ${api.origin}. The token is in ${visible(file)}\n`)
}

async function signOut(io: Io): Promise<void> {
  const kept = readSignIn(io)
  forgetSignIn(io)
  if (kept === null) io.stdout.write('Nobody was signed in.\n')
  else if (await giveBack(kept)) io.stdout.write('The token is gone.\n')
  else io.stdout.write('The token is gone here; the identity provider could not be told.\n')
}

type Tokens = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers
type Asked = Readonly<Record<string, string>>

function nameOf(tokens: Tokens): string {
  const subject = tokens.claims()?.sub
  return subject === undefined ? '' : ` as ${visible(subject)}`
}

/** RFC 8628: the code is entered anywhere; this waits for it. */
async function byDevice(provider: oidc.Configuration, asked: Asked, io: Io): Promise<Tokens> {
  const started = await told(() => oidc.initiateDeviceAuthorization(provider, asked))
  const { verification_uri: address, user_code: code, verification_uri_complete: whole } = started
  const or = whole === undefined ? '' : `\nor open ${visible(whole)}`
  io.stderr.write(`Open ${visible(address)} and enter the code ${visible(code)}${or}\n`)
  const { resource } = asked
  return told(() => oidc.pollDeviceAuthorizationGrant(provider, started, resource === undefined ? {} : { resource }))
}

/** RFC 8252: authorization code with PKCE, state and nonce; the answer comes to a port of loopback that listens for this alone. */
async function byBrowser(provider: oidc.Configuration, asked: Asked, io: Io): Promise<Tokens> {
  const landing = await openLanding()
  try {
    const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
    const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()]
    const address = oidc.buildAuthorizationUrl(provider, {
      ...asked,
      ...(asksOffline(asked) ? { prompt: 'consent' } : {}), // OpenID Connect Core, 11
      redirect_uri: landing.address,
      code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
      nonce: expectedNonce,
    })
    io.stderr.write(`Open this in a browser on this machine:\n${address.href}\n`)
    const answer = await landing.answer
    const { resource } = asked
    return await told(() =>
      oidc.authorizationCodeGrant(
        provider,
        answer,
        { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true },
        resource === undefined ? {} : { resource },
      ),
    )
  } finally {
    landing.close()
  }
}

function asksOffline({ scope = '' }: Asked): boolean {
  return scope.split(' ').includes('offline_access')
}

const PATH = '/signed-in'

async function openLanding() {
  const answered = Promise.withResolvers<URL>()
  const server = createServer((request, response) => {
    const url = URL.parse(request.url ?? '', address())
    const isAnswer = request.method === 'GET' && url?.pathname === PATH
    response.writeHead(isAnswer ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
    response.end(isAnswer ? 'You can close this page and go back to the terminal.\n' : 'Nothing here.\n')
    if (isAnswer && url !== null) answered.resolve(url)
  })
  const address = (): string => {
    const bound = server.address()
    return `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}${PATH}`
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const timer = setTimeout(() => {
    answered.reject(new ApiError(EXIT.failed, 'ERR_OAUTH_PATIENCE', 'nobody signed in within ten minutes'))
  }, PATIENCE_MS)
  return {
    address: address(),
    answer: answered.promise,
    close: () => {
      clearTimeout(timer)
      server.close()
      server.closeAllConnections()
    },
  }
}

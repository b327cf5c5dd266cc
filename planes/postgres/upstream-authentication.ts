import { createHash, randomBytes } from 'node:crypto'
import tls from 'node:tls'
import { UpstreamError } from '../../engine/index.ts'
import type { AuthenticationMessage, BackendMessage } from './codec/backend-messages.ts'
import { encodeFrontend, passwordBody, saslInitialBody } from './codec/frontend-messages.ts'
import { Writer } from './codec/writer.ts'
import { startScram } from './scram.ts'
import { ServerRefusal, unexpected, type UpstreamMessages } from './upstream-messages.ts'
import type { UpstreamConfig, UpstreamSocket } from './upstream-transport.ts'

/** Answers the server's authentication request until it says AuthenticationOk. Throws UpstreamError. */
export async function authenticate(
  socket: UpstreamSocket,
  messages: UpstreamMessages,
  config: UpstreamConfig,
): Promise<void> {
  const request = await nextStep(messages, config)
  switch (request.kind) {
    case 'authenticationOk':
      return
    case 'authenticationCleartextPassword':
      sendPassword(socket, passwordBody(cleartext(socket, config)))
      break
    case 'authenticationMD5Password':
      sendPassword(socket, passwordBody(md5Answer(config.user, passwordOf(config), request.salt)))
      break
    case 'authenticationSASL':
      await exchangeScram(socket, messages, config, request.mechanisms)
      break
    case 'authenticationSASLContinue':
    case 'authenticationSASLFinal':
      throw unexpected(request, 'the first authentication request')
    case 'authenticationOther':
      throw new UpstreamError(
        'ERR_UPSTREAM_AUTH',
        `the server asks for authentication method ${request.method}; SCRAM-SHA-256, MD5 or a password over TLS is spoken here`,
      )
  }
  const end = await nextStep(messages, config)
  if (end.kind !== 'authenticationOk') throw unexpected(end, 'authenticationOk')
}

async function exchangeScram(
  socket: UpstreamSocket,
  messages: UpstreamMessages,
  config: UpstreamConfig,
  mechanisms: readonly string[],
): Promise<void> {
  const exchange = startScram({
    user: '',
    password: passwordOf(config),
    nonce: randomBytes(18).toString('base64'),
    mechanisms,
    certificate: socket instanceof tls.TLSSocket ? socket.getPeerCertificate().raw : null,
  })
  sendPassword(socket, saslInitialBody(exchange.mechanism, exchange.first()))
  const challenge = await nextStep(messages, config)
  if (challenge.kind !== 'authenticationSASLContinue') throw unexpected(challenge, 'authenticationSASLContinue')
  sendPassword(socket, await exchange.final(challenge.step))
  const proof = await nextStep(messages, config)
  // An AuthenticationOk in its place would come from a server that never had the password.
  if (proof.kind !== 'authenticationSASLFinal') throw unexpected(proof, 'authenticationSASLFinal')
  exchange.verify(proof.step)
}

async function nextStep(messages: UpstreamMessages, config: UpstreamConfig): Promise<AuthenticationMessage> {
  for (;;) {
    const message = await messages.next()
    if (message.kind === 'errorResponse') throw refusal(message, config)
    if (isAuthentication(message)) return message
    // A negotiated minor version: we ask for 3.0 and no options, so there is nothing to negotiate.
    if (message.kind !== 'noticeResponse') throw unexpected(message, 'an authentication request')
  }
}

function isAuthentication(message: BackendMessage): message is AuthenticationMessage {
  return message.kind.startsWith('authentication')
}

/** The server's own words for why there will be no session, without our password should it repeat that. */
export function refusal(
  message: Extract<BackendMessage, { kind: 'errorResponse' }>,
  { password }: UpstreamConfig,
): UpstreamError {
  const cause = new ServerRefusal(
    new Map(Array.from(message.fields, ([code, text]) => [code, password ? text.replaceAll(password, '…') : text])),
  )
  const code = cause.sqlstate.startsWith('28') ? 'ERR_UPSTREAM_AUTH' : 'ERR_UPSTREAM_CONNECT'
  const retryable = /^(53|57P)/.test(cause.sqlstate) // too many connections; starting up or shutting down
  return new UpstreamError(code, `the server refused the connection: ${cause.message}`, { cause, retryable })
}

function sendPassword(socket: UpstreamSocket, body: Buffer): void {
  const writer = new Writer(256)
  encodeFrontend(writer, { kind: 'password', body })
  socket.write(writer.take())
}

function passwordOf({ password }: UpstreamConfig): string {
  if (password === null) {
    throw new UpstreamError('ERR_UPSTREAM_AUTH', 'the server asks for a password and the configuration has none')
  }
  return password
}

function cleartext(socket: UpstreamSocket, config: UpstreamConfig): string {
  if (socket instanceof tls.TLSSocket) return passwordOf(config)
  throw new UpstreamError(
    'ERR_UPSTREAM_AUTH',
    'the server asks for the password in the clear and the connection is not TLS: turn on TLS or SCRAM-SHA-256',
  )
}

function md5Answer(user: string, password: string, salt: Buffer): string {
  const inner = createHash('md5')
    .update(password + user)
    .digest('hex')
  return `md5${createHash('md5').update(inner).update(salt).digest('hex')}`
}

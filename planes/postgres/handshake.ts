import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { ProtocolError } from '../../engine/index.ts'
import {
  decodeFrontend,
  decodePassword,
  decodeSaslInitial,
  decodeStartup,
  type StartupMessage,
} from './codec/frontend-messages.ts'
import { FrameReader } from './codec/frame.ts'
import { challenge, isSurrender, type OAuthConfig, OAUTHBEARER, readBearer } from './oauth-bearer.ts'
import { encoded } from './session/server-messages.ts'

/** Tokens are passwords here and exceed 1 KB; none exceeds this. */
const MAX_PASSWORD_FRAME = 64 * 1024
/** SSLRequest, GSSENCRequest and startup; a fourth message is somebody playing. */
const MAX_NEGOTIATIONS = 3
/** First byte of a TLS handshake; no startup packet of a sane length begins so. */
const TLS_HANDSHAKE = 0x16
const ALPN = 'postgresql'

export type ClientStartup = Extract<StartupMessage, { kind: 'startup' }>
export type CancelRequest = Extract<StartupMessage, { kind: 'cancelRequest' }>

/**
 * The beginning of a client connection, before there is a session: TLS, startup, password. Reads only as far as it has
 * to, so that nothing sent in plain text is ever taken for something that came through TLS.
 */
export class Handshake {
  #socket: Socket
  readonly #reader: FrameReader
  readonly #tls: SecureContext | null
  readonly #plaintext: boolean
  /** Something has been read: TLS can't come first any more. */
  #begun = false

  /** `tls` null: none is offered. `plaintext`: a client may do without it. */
  constructor(socket: Socket, options: { readonly tls: SecureContext | null; readonly plaintext: boolean }) {
    this.#socket = socket
    this.#tls = options.tls
    this.#plaintext = options.plaintext
    this.#reader = new FrameReader({ maxFrameBytes: MAX_PASSWORD_FRAME, startup: true })
  }

  /** The socket to go on with: the client's own, or the TLS one over it. */
  get socket(): Socket {
    return this.#socket
  }

  /** SHA-256 of the certificate that the client has proven, as RFC 8705 writes it; null: it brought none. */
  get certificate(): string | null {
    if (!(this.#socket instanceof TLSSocket)) return null
    const { raw }: { raw?: Buffer } = this.#socket.getPeerCertificate()
    return raw === undefined ? null : createHash('sha256').update(raw).digest('base64url')
  }

  /** Answers what comes first until it is a startup or a cancel. */
  async startup(): Promise<ClientStartup | CancelRequest> {
    for (let round = 0; round < MAX_NEGOTIATIONS; round += 1) {
      await this.#frame()
      const message = decodeStartup(this.#reader.buffer, this.#reader.bodyStart, this.#reader.end)
      switch (message.kind) {
        case 'sslRequest':
          this.#nothingAhead('SSLRequest')
          await this.#answerTls()
          break
        case 'gssEncRequest':
          this.#nothingAhead('GSSENCRequest')
          this.#socket.write('N')
          break
        case 'cancelRequest':
          return message
        case 'startup':
          if (!this.#plaintext && !(this.#socket instanceof TLSSocket)) throw tlsRequired()
          this.#reader.startupDone()
          return message
      }
    }
    throw new ProtocolError('ERR_PROTOCOL_STARTUP', 'too many negotiations before the startup message')
  }

  /** Asks for the password and waits for it. */
  async password(): Promise<string> {
    this.#socket.write(encoded({ kind: 'authenticationCleartextPassword' }))
    return decodePassword(await this.#answer())
  }

  /** Asks for a token by OAUTHBEARER; null where the client has none and asks where to get one. */
  async bearer(): Promise<string | null> {
    this.#socket.write(encoded({ kind: 'authenticationSASL', mechanisms: [OAUTHBEARER] }))
    const { mechanism, response } = decodeSaslInitial(await this.#answer())
    if (mechanism !== OAUTHBEARER) throw new ProtocolError('ERR_PROTOCOL_STATE', `only ${OAUTHBEARER} is offered`)
    if (response !== null) return readBearer(response)
    this.#socket.write(encoded({ kind: 'authenticationSASLContinue', step: Buffer.alloc(0) }))
    return readBearer(await this.#answer())
  }

  /** Says that the token is no good, and where to get one; the client has to take note before it hears that it failed. */
  async turnAway(oauth: OAuthConfig): Promise<void> {
    this.#socket.write(encoded({ kind: 'authenticationSASLContinue', step: challenge(oauth) }))
    if (!isSurrender(await this.#answer()))
      throw new ProtocolError('ERR_PROTOCOL_MESSAGE', `${OAUTHBEARER}: 0x01 alone is expected behind a refusal`)
  }

  /** The client's next PasswordMessage, SASLInitialResponse or SASLResponse: they share a type. */
  async #answer(): Promise<Buffer> {
    await this.#frame()
    const { type, buffer, bodyStart, end } = this.#reader
    const message = decodeFrontend(type, buffer, bodyStart, end)
    if (message.kind !== 'password') throw new ProtocolError('ERR_PROTOCOL_STATE', 'a password is expected first')
    return message.body
  }

  /** What the client sent ahead; the reader is of no more use. */
  release(): Buffer {
    return this.#reader.takeRest()
  }

  /** CVE-2021-23214: what is already here came in plain text and must not be read as if it had come through TLS. */
  #nothingAhead(request: string): void {
    if (this.#reader.bufferedBytes === 0 && this.#socket.readableLength === 0) return
    throw new ProtocolError('ERR_PROTOCOL_TLS', `data came behind ${request} without waiting for the answer`)
  }

  async #answerTls(): Promise<void> {
    if (this.#tls === null) {
      this.#socket.write('N')
      return
    }
    if (this.#socket instanceof TLSSocket) throw new ProtocolError('ERR_PROTOCOL_TLS', 'TLS is on already')
    this.#socket.write('S')
    await this.#secure(this.#tls)
  }

  /**
   * Direct TLS (PostgreSQL 17): the handshake comes first, and names the protocol, so that a browser or another server's
   * client that was lured here gets nowhere.
   */
  async #directTls(hello: Buffer): Promise<void> {
    if (this.#tls === null) throw new ProtocolError('ERR_PROTOCOL_TLS', 'TLS is not offered here')
    this.#socket.unshift(hello)
    const secure = await this.#secure(this.#tls)
    if (secure.alpnProtocol === ALPN) return
    throw new ProtocolError('ERR_PROTOCOL_TLS', `direct TLS must name the protocol ${ALPN} (ALPN)`)
  }

  async #secure(secureContext: SecureContext): Promise<TLSSocket> {
    const secure = new TLSSocket(this.#socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: [ALPN],
      // Of any authority: what counts is whether a token is bound to it (RFC 8705).
      requestCert: true,
      rejectUnauthorized: false,
    })
    await once(secure, 'secure')
    this.#socket = secure
    return secure
  }

  async #frame(): Promise<void> {
    while (!this.#reader.advance()) {
      const chunk = await this.#read()
      const first = !this.#begun
      this.#begun = true
      if (first && chunk[0] === TLS_HANDSHAKE) await this.#directTls(chunk)
      else this.#reader.push(chunk)
    }
  }

  async #read(): Promise<Buffer> {
    for (;;) {
      const chunk: unknown = this.#socket.read()
      if (Buffer.isBuffer(chunk)) return chunk
      if (this.#socket.readableEnded || this.#socket.destroyed) {
        throw new ProtocolError('ERR_PROTOCOL_STARTUP', 'the client went away before it had said who it is')
      }
      await Promise.race([once(this.#socket, 'readable'), once(this.#socket, 'end'), once(this.#socket, 'close')])
    }
  }
}

function tlsRequired(): ProtocolError {
  return new ProtocolError(
    'ERR_PROTOCOL_TLS',
    'connect with TLS (sslmode=require or stricter): tokens do not travel in plain text',
  )
}

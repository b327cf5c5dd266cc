import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import type { PlaneHost, Principal, RunningPlane } from '../../engine/index.ts'
import { ConfigError, CountersignError, IdentityError, ProtocolError, UpstreamError } from '../../engine/index.ts'
import { CatalogSource } from './catalog-source.ts'
import { catalogueUpstream, estimatesUpstream, sessionUpstream } from './audit/upstream-place.ts'
import type { PostgresConfig } from './config.ts'
import { type Denial, fatalOf, SQLSTATE } from './enforcer/denial.ts'
import { type Expected, Estimates } from './estimates.ts'
import { Enforcer } from './enforcer/enforcer.ts'
import { NO_NAMES } from './naming.ts'
import { type CancelRequest, type ClientStartup, Handshake } from './handshake.ts'
import { SqlParser } from './normalizer/index.ts'
import { encoded, errorResponse } from './session/server-messages.ts'
import { PostgresSession } from './session/session.ts'
import { readStartup, type Startup } from './session/startup-parameters.ts'
import { SessionTrace } from './session/session-trace.ts'
import { makeTraceDirectory, TraceFile } from './trace-file.ts'
import { connectUpstream, sendCancel, ServerRefusal, type UpstreamConfig, type UpstreamConnection } from './upstream.ts'

/** How long a statement whose client has gone may take to tell how it ended. */
const GRACE_MS = 5000
const KEEPALIVE_MS = 30_000

/** How much longer than the server's a masked row may be, where it is traced. */
const MASKED_GROWTH = 64 * 1024 * 1024

interface OpenSession {
  readonly pid: number
  readonly secret: Buffer
  readonly session: PostgresSession
}

/** Opens the plane: takes connections until it is drained or closed. */
export async function openListener(config: PostgresConfig, host: PlaneHost): Promise<RunningPlane> {
  const listener = new Listener(config, host, await SqlParser.open())
  await listener.listen()
  return listener
}

class Listener implements RunningPlane {
  readonly #config: PostgresConfig
  readonly #host: PlaneHost
  readonly #parser: SqlParser
  readonly #server: Server
  readonly #tls: SecureContext | null
  readonly #catalogs = new Map<string, CatalogSource>()
  readonly #estimates = new Map<string, Estimates>()
  readonly #sockets = new Set<Socket>()
  /** By the process id that we issued. */
  readonly #sessions = new Set<OpenSession>()
  #draining = false

  constructor(config: PostgresConfig, host: PlaneHost, parser: SqlParser) {
    this.#config = config
    this.#host = host
    this.#parser = parser
    this.#tls = config.tls === null ? null : createSecureContext(config.tls)
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS }, (socket) => {
      void this.#accept(socket)
    })
    this.#server.maxConnections = config.limits.connections
  }

  get address(): RunningPlane['address'] {
    const address = this.#server.address()
    const port = typeof address === 'object' && address !== null ? address.port : this.#config.listen.port
    return { host: this.#config.listen.host, port }
  }

  listen(): Promise<void> {
    if (this.#config.trace !== null) makeTraceDirectory(this.#config.trace)
    const { host, port } = this.#config.listen
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) => {
        reject(
          new ConfigError('ERR_CONFIG_PLANE', `planes.postgres.listen: can't listen on ${host}:${port}`, { cause }),
        )
      })
      this.#server.listen(port, host, resolve)
    })
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true
    this.#server.close()
    const deadline = Date.now() + deadlineMs
    while (this.#sessions.size > 0 && Date.now() < deadline) {
      for (const { session } of this.#sessions) if (session.idle) void session.shutDown()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async close(): Promise<void> {
    this.#draining = true
    this.#server.close()
    await Promise.all([...this.#sessions].map(({ session }) => session.shutDown()))
    for (const socket of this.#sockets) socket.destroy()
    for (const catalog of this.#catalogs.values()) catalog.close()
    for (const estimates of this.#estimates.values()) estimates.close()
    await this.#parser.close()
  }

  async #accept(socket: Socket): Promise<void> {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined) // whoever reads from it sees it end
    const source = socket.remoteAddress ?? null
    const plaintext = this.#config.plaintextLoopback && isLoopback(source)
    const handshake = new Handshake(socket, { tls: this.#tls, plaintext })
    const timeout = setTimeout(() => socket.destroy(), this.#config.limits.authenticationMs)
    try {
      const first = await handshake.startup()
      if (first.kind === 'cancelRequest') return this.#cancel(first, handshake.socket)
      const opened = await this.#authenticate(handshake, first, source)
      clearTimeout(timeout)
      await this.#serve(handshake, opened)
    } catch (error) {
      this.#refuse(handshake.socket, error, source)
    } finally {
      clearTimeout(timeout)
    }
  }

  /** Who is it, then a session in evidence, then one at the server: in this order, so that a stranger costs the server nothing. */
  async #authenticate(handshake: Handshake, first: ClientStartup, source: string | null): Promise<Authenticated> {
    const { socket } = handshake
    const minor = negotiateVersion(socket, first)
    const startup = readStartup(first.parameters)
    const principal = await this.#identify(handshake, startup, source)
    if (this.#draining)
      throw new UnavailableError('the gateway is shutting down: connect again', SQLSTATE.cannotConnectNow)
    const { databases } = this.#config
    if (databases !== 'any' && !databases.includes(startup.database)) {
      throw new UnavailableError('this database is not offered here', SQLSTATE.invalidCatalogName)
    }
    const about = {
      source,
      client: {
        user: startup.user,
        database: startup.database,
        application: startup.settings.get('application_name') ?? null,
        tls: socket instanceof TLSSocket ? socket.getProtocol() : null,
      },
    }
    return { startup, minor, principal, source, session: await this.#host.openSession(principal, about) }
  }

  /** By a token, as password or by OAUTHBEARER; refused ones are recorded before the client hears of it. */
  async #identify(handshake: Handshake, { user, authentication }: Startup, source: string | null): Promise<Principal> {
    const { oauth } = this.#config
    const asked = authentication ?? (oauth?.users.includes(user) === true ? 'oauth' : 'password')
    const from = { source, certificate: handshake.certificate }
    if (asked === 'password') return this.#host.identify({ kind: 'token', token: await handshake.password(), ...from })
    if (oauth === null) throw new ProtocolError('ERR_PROTOCOL_STARTUP', 'OAUTHBEARER is not offered here')
    const token = await handshake.bearer()
    try {
      if (token === null) throw new IdentityError('ERR_IDENTITY_MALFORMED', 'no token yet: get one and connect again')
      return await this.#host.identify({ kind: 'token', token, ...from })
    } catch (error) {
      if (error instanceof IdentityError) await handshake.turnAway(oauth)
      throw error
    }
  }

  async #serve(handshake: Handshake, { startup, minor, principal, source, session }: Authenticated): Promise<void> {
    const { socket } = handshake
    const config: UpstreamConfig = { ...this.#config.upstream, database: startup.database }
    let upstream: UpstreamConnection
    try {
      upstream = await connectUpstream(config, startup.settings)
    } catch (error) {
      await session.close('upstream unavailable')
      throw error
    }
    await session.connected(sessionUpstream(config, upstream.place)).catch((error: unknown) => {
      upstream.socket.destroy()
      throw error
    })
    const { database, user } = startup
    const client = { principal, session, database, user, source }
    const catalog = this.#catalog(config)
    const traceFile = this.#traceFile(session.id)
    const running = new PostgresSession({
      client,
      socket,
      upstream,
      enforcer: new Enforcer(client, this.#host, {
        now: Date.now,
        key: this.#host.maskingKey,
        maxRowBytes: this.#config.limits.rowBytes,
        estimate: this.#estimate(config),
      }),
      options: {
        maxQueryBytes: this.#config.limits.queryBytes,
        maxRowBytes: this.#config.limits.rowBytes,
        outboxBytes: this.#config.limits.outboxBytes,
        kept: { names: this.#config.limits.statements, bytes: this.#config.limits.statementBytes },
        idleTransactionMs: this.#config.limits.idleTransactionMs,
        hold: this.#config.hold,
        graceMs: GRACE_MS,
      },
      trace:
        traceFile &&
        new SessionTrace(traceFile, {
          reword: async (sql) => (await catalog.normalize(sql, NO_NAMES)).statements.map(({ text }) => text),
          now: Date.now,
          maxFrameBytes: this.#config.limits.rowBytes + MASKED_GROWTH,
        }),
      normalize: (sql, session) => catalog.normalize(sql, session),
      catalogueChanged: (how) => catalog.changed(how),
      cancelUpstream: () => sendCancel(config, upstream.cancelKey),
      log: (event, fields) => this.#host.log(event, fields),
    })
    const key = this.#issueKey(running, upstream.place.pid, minor)
    try {
      greet(socket, upstream, key)
      await running.run(handshake.release())
    } finally {
      this.#sessions.delete(key)
      traceFile?.close()
    }
  }

  #traceFile(session: string): TraceFile | null {
    if (this.#config.trace === null) return null
    return new TraceFile(this.#config.trace, session, ({ message }) => {
      this.#host.log('trace_failed', { session, message })
    })
  }

  #estimate(config: UpstreamConfig): ((text: string) => Promise<Expected>) | null {
    if (!this.#config.estimates) return null
    const name = config.database ?? ''
    let source = this.#estimates.get(name)
    if (source === undefined) {
      source = new Estimates(config, {
        now: Date.now,
        connected: (place) => this.#host.connected(estimatesUpstream(config, place)),
      })
      this.#estimates.set(name, source)
    }
    const known = source
    return (text) => known.of(text)
  }

  #catalog(config: UpstreamConfig): CatalogSource {
    const name = config.database ?? ''
    const known = this.#catalogs.get(name)
    if (known !== undefined) return known
    const source = new CatalogSource(config, this.#parser, {
      maxAgeMs: this.#config.limits.catalogueMs,
      now: Date.now,
      connected: (place) => this.#host.connected(catalogueUpstream(config, place)),
    })
    this.#catalogs.set(name, source)
    return source
  }

  /** The process id is the one that the server knows the session by, in pg_stat_activity and elsewhere; the secret is ours. */
  #issueKey(session: PostgresSession, pid: number, minor: number): OpenSession {
    const open = { pid, secret: randomBytes(minor < 2 ? 4 : 32), session }
    this.#sessions.add(open)
    return open
  }

  /** On its own connection, unanswered, right or wrong: as the server does. */
  #cancel({ pid, secret }: CancelRequest, socket: Socket): void {
    for (const open of this.#sessions) {
      if (open.pid === pid && open.secret.length === secret.length && timingSafeEqual(open.secret, secret))
        open.session.cancel()
    }
    socket.end()
  }

  #refuse(socket: Socket, error: unknown, source: string | null): void {
    const denial = error instanceof UnavailableError ? error.denial : (refusedByServer(error) ?? fatalOf(error))
    const code = error instanceof CountersignError ? error.code : denial.code
    this.#host.log('connection_refused', { source, code })
    if (
      error instanceof ProtocolError &&
      error.code === 'ERR_PROTOCOL_TLS' &&
      !(socket instanceof TLSSocket) &&
      socket.bytesWritten > 0
    ) {
      socket.destroy() // 'S' or half a TLS handshake is on its way: no message of ours would be read
      return
    }
    socket.end(errorResponse(denial))
    setTimeout(() => socket.destroy(), 1000).unref()
  }
}

interface Authenticated {
  readonly startup: Startup
  /** Of protocol 3, as it was agreed on. */
  readonly minor: number
  readonly principal: Principal
  readonly source: string | null
  readonly session: Awaited<ReturnType<PlaneHost['openSession']>>
}

/** A connection that is refused for what it asks, not for who asks. */
class UnavailableError extends Error {
  readonly denial: Denial

  constructor(message: string, code: string) {
    super(message)
    this.denial = { severity: 'FATAL', code, message }
  }
}

/** The server's own SQLSTATE (no such database, too many connections); its text names roles that are ours. */
function refusedByServer(error: unknown): Denial | null {
  if (!(error instanceof UpstreamError) || !(error.cause instanceof ServerRefusal)) return null
  if (error.code === 'ERR_UPSTREAM_AUTH') return null
  return { severity: 'FATAL', code: error.cause.sqlstate, message: 'the server refused the session', hint: error.code }
}

/** The newest minor version of protocol 3 there is (PostgreSQL 18); it brought cancel keys of any length. */
const NEWEST_MINOR = 2

/** A newer minor version, or an option we don't know: said once, then the session goes on with what is known. */
function negotiateVersion(socket: Socket, { minor, parameters }: ClientStartup): number {
  const agreed = Math.min(minor, NEWEST_MINOR)
  const options = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'))
  if (minor > agreed || options.length > 0)
    socket.write(encoded({ kind: 'negotiateProtocolVersion', version: 196_608 + agreed, options }))
  return agreed
}

/** What a server says once it has let somebody in. */
function greet(socket: Socket, upstream: UpstreamConnection, { pid, secret }: OpenSession): void {
  const settings = [...upstream.parameters].map(([name, value]) => encoded({ kind: 'parameterStatus', name, value }))
  socket.write(
    Buffer.concat([
      encoded({ kind: 'authenticationOk' }),
      ...settings,
      encoded({ kind: 'backendKeyData', pid, secret }),
      encoded({ kind: 'readyForQuery', status: 'I' }),
    ]),
  )
}

function isLoopback(address: string | null): boolean {
  return address !== null && (address === '::1' || /^(::ffff:)?127\./.test(address))
}

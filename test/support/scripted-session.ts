import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { Enforcer } from '../../planes/postgres/enforcer/enforcer.ts'
import { PostgresSession, type SessionOptions } from '../../planes/postgres/session/session.ts'
import { AGENT } from './rooms.ts'
import { ScriptedClient } from './scripted-client.ts'
import { ScriptedEngine } from './scripted-engine.ts'
import { ScriptedServer, type ServerScript } from './scripted-server.ts'
import { nameScript, scriptedCatalog } from './scripted-statements.ts'

/** A real session between a scripted client and a scripted server, under a scripted engine. */
export interface Rig {
  readonly client: ScriptedClient
  readonly server: ScriptedServer
  readonly engine: ScriptedEngine
  readonly session: PostgresSession
  /** Resolves when the session has ended and its end is recorded. */
  readonly ended: Promise<void>
  /** The gateway's ends: towards the client, towards the server. */
  readonly socket: Socket
  readonly upstream: Socket
  readonly log: { readonly event: string; readonly code: unknown }[]
  close(): void
}

export interface RigScript {
  readonly server: Partial<ServerScript>
  /** How long a record takes to become durable, and a statement to be named. */
  readonly pause?: () => Promise<void>
  readonly options?: Partial<SessionOptions>
  /** Whose connection has ended before the session begins. */
  readonly gone?: 'client' | 'server'
}

const OPTIONS: SessionOptions = {
  maxQueryBytes: 1 << 20,
  maxRowBytes: 1 << 20,
  outboxBytes: 1 << 16,
  kept: { names: 10_000, bytes: 1 << 20 },
  idleTransactionMs: 60_000,
  hold: { patienceMs: 1000, heartbeatMs: 1000 },
  graceMs: 200,
}
const AT_ONCE = (): Promise<void> => Promise.resolve()
export const QUIET: ServerScript = { pause: AT_ONCE, buffered: true, cuts: [], outbursts: [] }
const catalog = scriptedCatalog()

export async function openRig({ server: script, pause = AT_ONCE, options = {}, gone }: RigScript): Promise<Rig> {
  const [front, socket] = await socketPair()
  const [upstream, back] = await socketPair()
  const client = new ScriptedClient(front)
  const server = new ScriptedServer(back, { ...QUIET, ...script })
  const engine = new ScriptedEngine(pause)
  const log: { event: string; code: unknown }[] = []
  const about = { principal: AGENT, session: engine, database: 'bank', user: 'reconciler', source: null }
  const known = await catalog
  const session = new PostgresSession({
    client: about,
    socket,
    upstream: {
      socket: upstream.on('error', () => undefined).pause(),
      parameters: new Map(),
      cancelKey: { pid: 1, secret: Buffer.from('abcd') },
      place: { pid: 1, client: null, opening: 0, opened: 0 },
      leftover: Buffer.alloc(0),
      transactionStatus: 'I',
    },
    enforcer: new Enforcer(about, engine.host(), { now: Date.now, key: null, maxRowBytes: 1 << 20, estimate: null }),
    options: { ...OPTIONS, ...options },
    trace: null,
    normalize: async (sql) => {
      await pause()
      return nameScript(sql, known)
    },
    catalogueChanged: () => undefined,
    cancelUpstream: AT_ONCE,
    log: (event, { code }) => log.push({ event, code }),
  })
  if (gone !== undefined) await once((gone === 'client' ? socket : upstream).destroy(), 'close')
  const ended = session.run(Buffer.alloc(0))
  const close = (): void => {
    for (const each of [front, socket, upstream, back]) each.destroy()
  }
  return { client, server, engine, session, ended, socket, upstream, log, close }
}

let listening: Promise<net.Server> | undefined

/** Two ends of one connection. */
export async function socketPair(): Promise<readonly [Socket, Socket]> {
  const server = await (listening ??= listen())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP port is expected')
  const accepted = once(server, 'connection')
  const near = net.connect({ port: address.port, host: '127.0.0.1', noDelay: true })
  const [[far]] = await Promise.all([accepted, once(near, 'connect')])
  if (!(far instanceof net.Socket)) throw new Error('a socket is expected')
  return [near, far.setNoDelay(true)]
}

async function listen(): Promise<net.Server> {
  const server = net.createServer({ pauseOnConnect: false })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return server
}

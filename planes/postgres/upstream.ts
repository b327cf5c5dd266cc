import { addAbortListener } from 'node:events'
import { UpstreamError } from '../../engine/index.ts'
import type { BackendMessage } from './codec/backend-messages.ts'
import { type CancelKey, encodeFrontend, encodeStartup, type FrontendMessage } from './codec/frontend-messages.ts'
import { Writer } from './codec/writer.ts'
import { authenticate, refusal } from './upstream-authentication.ts'
import { ServerRefusal, unexpected, UpstreamMessages } from './upstream-messages.ts'
import { openTransport, type UpstreamConfig, type UpstreamSocket } from './upstream-transport.ts'

export { ServerRefusal } from './upstream-messages.ts'
export type { UpstreamConfig, UpstreamSocket, UpstreamTls } from './upstream-transport.ts'

/** Until the session is ready nothing large has a reason to come. */
const MAX_STARTUP_FRAME = 1024 * 1024
/** One row of the catalogue: a view's definition may be long. */
const MAX_CATALOG_FRAME = 64 * 1024 * 1024

/**
 * What the server's log calls this session: its backend's process id, the address that the server sees, and when it was
 * started. No client of the gateway chooses any of it, and no two sessions share it: a process id is given again only
 * when its owner has gone, and then at another time.
 */
export interface BackendPlace {
  readonly pid: number
  /** Our end, as the server sees it where nothing in between translates addresses; null over a Unix socket. */
  readonly client: { readonly address: string; readonly port: number } | null
  /** Milliseconds since 1970 by this host's clock: before the first packet, behind the first ReadyForQuery. */
  readonly opening: number
  readonly opened: number
}

/** A session at the server, as its owner gets it. */
export interface UpstreamConnection {
  /**
   * Paused, just behind the first ReadyForQuery. Has a listener for `error` that does nothing: watch `close`. The owner
   * attaches `data`, feeds `leftover` first, then resumes.
   */
  readonly socket: UpstreamSocket
  /** The server's first ParameterStatus messages. */
  readonly parameters: ReadonlyMap<string, string>
  readonly cancelKey: CancelKey
  readonly place: BackendPlace
  readonly leftover: Buffer
  readonly transactionStatus: 'I'
}

/**
 * Opens a session at the server. `startup`: database and settings; the user is always the configuration's, whatever it
 * says there. Throws UpstreamError (cause ServerRefusal where the server said why); then nothing is left open.
 */
export function connectUpstream(
  config: UpstreamConfig,
  startup: ReadonlyMap<string, string>,
  signal?: AbortSignal,
): Promise<UpstreamConnection> {
  return beforeDeadline(config, signal, async (ended) => {
    const opening = Date.now()
    const password = (await config.makePassword?.(ended)) ?? config.password
    return openSession({ ...config, password }, startup, opening, ended)
  })
}

async function openSession(
  config: UpstreamConfig,
  startup: ReadonlyMap<string, string>,
  opening: number,
  ended: AbortSignal,
): Promise<UpstreamConnection> {
  const socket = await openTransport(config, ended)
  const messages = new UpstreamMessages(socket, MAX_STARTUP_FRAME)
  using _ = addAbortListener(ended, () => messages.fail(new UpstreamError('ERR_UPSTREAM_CONNECT', 'aborted')))
  try {
    sendStartup(socket, config, startup)
    await authenticate(socket, messages, config)
    return await untilReady(socket, messages, config, opening)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function sendStartup(socket: UpstreamSocket, config: UpstreamConfig, startup: ReadonlyMap<string, string>): void {
  const database: readonly [string, string][] = config.database === undefined ? [] : [['database', config.database]]
  const parameters = new Map([...database, ...startup, ['user', config.user]])
  const writer = new Writer(512)
  encodeStartup(writer, { kind: 'startup', minor: 0, parameters })
  socket.write(writer.take())
}

async function untilReady(
  socket: UpstreamSocket,
  messages: UpstreamMessages,
  config: UpstreamConfig,
  opening: number,
): Promise<UpstreamConnection> {
  const parameters = new Map<string, string>()
  let cancelKey: CancelKey | null = null
  for (;;) {
    const message = await messages.next()
    if (message.kind === 'parameterStatus') parameters.set(message.name, message.value)
    else if (message.kind === 'backendKeyData') cancelKey = ownKey(message)
    else if (message.kind === 'errorResponse') throw refusal(message, config)
    else if (message.kind === 'readyForQuery' && message.status === 'I' && cancelKey !== null) {
      const place = placeOf(socket, cancelKey.pid, opening)
      return { socket, parameters, cancelKey, place, leftover: messages.release(), transactionStatus: 'I' }
    } else if (message.kind !== 'noticeResponse') throw unexpected(message, 'a cancel key and then an idle session')
  }
}

function placeOf({ localAddress, localPort }: UpstreamSocket, pid: number, opening: number): BackendPlace {
  const tcp = localAddress !== undefined && localPort !== undefined
  return { pid, client: tcp ? { address: localAddress, port: localPort } : null, opening, opened: Date.now() }
}

/** The key outlives the frame it came in. */
function ownKey({ pid, secret }: CancelKey): CancelKey {
  return { pid, secret: Buffer.from(secret) }
}

/** Runs `connect` under the configured time and the caller's signal, and says which of the two ended it. */
async function beforeDeadline<T>(
  config: UpstreamConfig,
  signal: AbortSignal | undefined,
  connect: (ended: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), config.connectTimeoutMs)
  const ended = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal])
  try {
    return await connect(ended)
  } catch (cause) {
    if (!ended.aborted) throw cause
    const why = late.signal.aborted ? `within ${config.connectTimeoutMs} ms` : 'before its owner gave up'
    throw new UpstreamError('ERR_UPSTREAM_CONNECT', `no session at the server ${why}`, { cause, retryable: true })
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Asks the server to cancel what the session with this key is doing. Resolves when the server has taken note (it closes
 * the connection and never answers); whether anything was cancelled, only the session itself learns.
 */
export function sendCancel(config: UpstreamConfig, key: CancelKey): Promise<void> {
  return beforeDeadline(config, undefined, async (ended) => {
    const socket = await openTransport(config, ended)
    using _ = addAbortListener(ended, () => socket.destroy())
    const writer = new Writer(64)
    encodeStartup(writer, { kind: 'cancelRequest', ...key })
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
      socket.resume()
      socket.write(writer.take())
    })
    ended.throwIfAborted()
  })
}

/** A row's values as text. */
export type TextRow = readonly (string | null)[]

/** A session of the gateway's own, for looking things up in the catalogue by simple queries, one after another. */
export class QueryConnection {
  readonly #socket: UpstreamSocket
  readonly #messages: UpstreamMessages
  readonly place: BackendPlace
  #last: Promise<unknown> = Promise.resolve()

  private constructor(connection: UpstreamConnection) {
    this.#socket = connection.socket
    this.place = connection.place
    this.#messages = new UpstreamMessages(connection.socket, MAX_CATALOG_FRAME, connection.leftover)
  }

  static async open(
    config: UpstreamConfig,
    startup: ReadonlyMap<string, string>,
    signal?: AbortSignal,
  ): Promise<QueryConnection> {
    return new QueryConnection(await connectUpstream(config, startup, signal))
  }

  /** True once it can't be used any more; opening another is the caller's. */
  get closed(): boolean {
    return this.#messages.failed || !this.#socket.writable
  }

  /**
   * All rows that the statements in `sql` return, in order. A call waits for the one before it. Throws UpstreamError:
   * ERR_UPSTREAM_QUERY when the server refused the statement (the connection stays good), else the connection is gone.
   */
  query(sql: string, signal?: AbortSignal): Promise<readonly TextRow[]> {
    const run = this.#last.then(() => this.#run(sql, signal))
    this.#last = run.catch(() => undefined)
    return run
  }

  async #run(sql: string, signal: AbortSignal | undefined): Promise<readonly TextRow[]> {
    const aborted = new UpstreamError('ERR_UPSTREAM_CLOSED', 'the query was given up', { retryable: true })
    if (signal?.aborted) throw aborted
    if (this.closed) throw new UpstreamError('ERR_UPSTREAM_CLOSED', 'the connection is closed', { retryable: true })
    using _ = signal && addAbortListener(signal, () => this.#messages.fail(aborted))
    this.#send({ kind: 'query', sql })
    const answer: Answer = { rows: [], refused: null }
    for (;;) {
      const message = await this.#messages.next()
      if (message.kind === 'readyForQuery') break
      if (!collect(answer, message)) {
        const error = unexpected(message, 'the answer to a query')
        this.#messages.fail(error)
        throw error
      }
    }
    if (answer.refused === null) return answer.rows
    const cause = answer.refused
    throw new UpstreamError('ERR_UPSTREAM_QUERY', `the server refused a look-up: ${cause.message}`, { cause })
  }

  /** Says goodbye and ends the connection; a query under way rejects. Safe to call twice. */
  close(): void {
    if (this.closed) return
    this.#send({ kind: 'terminate' })
    this.#socket.destroySoon()
  }

  #send(message: FrontendMessage): void {
    const writer = new Writer(1024)
    encodeFrontend(writer, message)
    this.#socket.write(writer.take())
  }
}

interface Answer {
  readonly rows: TextRow[]
  refused: ServerRefusal | null
}

/** What a server may send on the way to ReadyForQuery that the answer doesn't keep. */
const PASSED_OVER: ReadonlySet<BackendMessage['kind']> = new Set<BackendMessage['kind']>([
  'rowDescription',
  'commandComplete',
  'emptyQueryResponse',
  'noticeResponse',
  'parameterStatus',
  'notificationResponse',
])

/** Takes one message into the answer; false for one that has no place in it, such as COPY. */
function collect(answer: Answer, message: BackendMessage): boolean {
  if (message.kind === 'dataRow') answer.rows.push(message.values.map((value) => value?.toString('utf8') ?? null))
  else if (message.kind === 'errorResponse') answer.refused ??= new ServerRefusal(message.fields)
  else return PASSED_OVER.has(message.kind)
  return true
}

import type { Socket } from 'node:net'
import type { CountersignError, HoldNotice } from '../../../engine/index.ts'
import { EvidenceError, IdentityError, ObligationError, ProtocolError, UpstreamError } from '../../../engine/index.ts'
import { backendLimits, frontendLimits } from '../codec/frame-limits.ts'
import { FrameReader } from '../codec/frame.ts'
import { credentialOver, type Denial, fatalOf, SQLSTATE } from '../enforcer/denial.ts'
import type { Client, Enforcer, Invocation, Judged } from '../enforcer/enforcer.ts'
import type { RunningStatement } from '../enforcer/running-statement.ts'
import type { UpstreamConnection } from '../upstream.ts'
import { Backend } from './backend.ts'
import { Frontend } from './frontend.ts'
import type { SessionTexts } from '../naming.ts'
import type { Named } from './invocations.ts'
import { Outbox, writeTogether } from './outbox.ts'
import { errorResponse, noticeResponse } from './server-messages.ts'
import type { SessionTrace } from './session-trace.ts'
import { Wire } from './wire.ts'

export interface SessionOptions {
  /** Bytes: the largest message of a client, the largest of the server, and what may wait for a slow reader. */
  readonly maxQueryBytes: number
  readonly maxRowBytes: number
  readonly outboxBytes: number
  /** Prepared statements and portals: how many of each, and how many bytes of each. */
  readonly kept: { readonly names: number; readonly bytes: number }
  /** How long nothing may come within a transaction. */
  readonly idleTransactionMs: number
  readonly hold: { readonly patienceMs: number; readonly heartbeatMs: number }
  /** How long a statement whose client has gone may take to tell how it ended. */
  readonly graceMs: number
}

export interface SessionParts {
  readonly client: Client
  readonly socket: Socket
  readonly upstream: UpstreamConnection
  readonly enforcer: Enforcer
  readonly options: SessionOptions
  /** For support; null where nobody asked for it. */
  readonly trace: SessionTrace | null
  normalize(sql: string, session: SessionTexts): Promise<Named>
  catalogueChanged(how: 'done' | 'suspected'): void
  /** Cancels what runs upstream. */
  cancelUpstream(): Promise<void>
  log(event: string, fields: Record<string, string | number | null>): void
}

type State = 'open' | 'ending' | 'ended'

/** One authenticated client connection with its one server connection, from first ReadyForQuery to the end. */
export class PostgresSession {
  readonly #parts: SessionParts
  readonly #wire: Wire
  readonly #frontend: Frontend
  readonly #backend: Backend
  readonly #fromClient: FrameReader
  readonly #fromServer: FrameReader
  #state: State = 'open'
  #pumping = false
  /** The message that is being decided has been dealt with. */
  #pumped: Promise<void> = Promise.resolve()
  /** Something went wrong while the session was ending. */
  readonly #broken = Promise.withResolvers<'broken'>()
  #judging = false
  #idling: NodeJS.Timeout | null = null
  /** Why an answer could not be handed out, where that ended the session. */
  #withheld: ObligationError | null = null
  #cancelling = false
  #outgoing: Buffer[] = []
  #outgoingBytes = 0
  /** Aborted when the client cancels, then replaced. */
  #withdrawal = new AbortController()
  readonly #gone = new AbortController()
  readonly #ended = Promise.withResolvers<void>()

  constructor(parts: SessionParts) {
    this.#parts = parts
    const { options, socket, upstream } = parts
    const outbox = new Outbox(socket, {
      highWaterMark: options.outboxBytes,
      onFailure: (error) => this.#fail(error),
      onRoom: () => upstream.socket.resume(),
      onWrite: parts.trace === null ? null : (pieces) => parts.trace?.toClient(pieces),
    })
    this.#wire = new Wire(outbox, (bytes) => this.#sendUpstream(bytes), options.kept)
    this.#frontend = new Frontend(this.#wire, {
      normalize: (sql, session) => parts.normalize(sql, session),
      judge: (invocation) => this.#judge(invocation),
      refuse: (error, kind) => this.#refuse(error, kind),
      enforcer: parts.enforcer,
      catalogueChanged: (how) => parts.catalogueChanged(how),
    })
    this.#backend = new Backend(this.#wire, {
      catalogueChanged: (how) => parts.catalogueChanged(how),
      cancel: () => this.#cancelFirst(),
      idle: () => {
        if (this.#wire.state.idle()) parts.catalogueChanged('done')
      },
      protects: () => parts.enforcer.protects,
      parameters: upstream.parameters,
    })
    const { maxQueryBytes, maxRowBytes } = options
    this.#fromClient = new FrameReader({ maxFrameBytes: maxQueryBytes, limits: frontendLimits(maxQueryBytes) })
    this.#fromServer = new FrameReader({ maxFrameBytes: maxRowBytes, limits: backendLimits(maxRowBytes) })
  }

  /** Resolves when the session has ended and its end is recorded. `early`: what the client sent behind its startup. */
  run(early: Buffer): Promise<void> {
    const { socket, upstream } = this.#parts
    socket.on('data', (chunk: Buffer) => this.#clientSent(chunk))
    socket.on('end', () => void this.#end('client closed'))
    socket.on('close', () => this.#clientGone())
    socket.on('error', () => void this.#end('client connection failed'))
    upstream.socket.on('data', (chunk: Buffer) => this.#serverSent(chunk))
    upstream.socket.on('close', () => this.#serverGone())
    upstream.socket.on('error', () => this.#serverGone())
    if (upstream.leftover.length > 0) this.#serverSent(upstream.leftover)
    if (early.length > 0) this.#clientSent(early)
    // Either may have gone while the other was being opened; then no event tells.
    if (socket.destroyed) this.#clientGone()
    if (upstream.socket.destroyed) this.#serverGone()
    upstream.socket.resume()
    socket.resume()
    const { over } = this.#parts.client.session
    const onOver = (): void => this.#fail(over.reason)
    over.addEventListener('abort', onOver, { once: true })
    if (over.aborted) onOver()
    void this.#ended.promise.then(() => over.removeEventListener('abort', onOver))
    return this.#ended.promise
  }

  /** A CancelRequest with this session's key: a hold is withdrawn, a running statement cancelled, an idle session left alone. */
  cancel(): void {
    if (this.#judging) this.#withdraw()
    else if (this.#wire.expected.length > 0) void this.#cancelUpstream()
  }

  /** No statement waits or runs, and no transaction is open. */
  get idle(): boolean {
    return this.#wire.expected.length === 0 && !this.#pumping && this.#wire.transaction === 'I'
  }

  /** The gateway is going down. Resolves when the session's end is recorded. */
  shutDown(): Promise<void> {
    this.#fail(new UpstreamError('ERR_UPSTREAM_CLOSED', 'the gateway is shutting down: connect again'))
    return this.#ended.promise
  }

  #clientSent(chunk: Buffer): void {
    if (this.#state !== 'open') return
    this.#stirred()
    this.#fromClient.push(chunk)
    if (!this.#pumping) this.#pumped = this.#pump()
    else if (this.#fromClient.bufferedBytes > this.#parts.options.outboxBytes) this.#parts.socket.pause()
  }

  /** Takes the client's messages one at a time; the next waits until this one has been decided. */
  async #pump(): Promise<void> {
    this.#pumping = true
    const reader = this.#fromClient
    try {
      while (this.#state === 'open' && reader.advance()) {
        const { type, buffer, start, bodyStart, end } = reader
        if (this.#parts.trace !== null) await this.#parts.trace.fromClient(type, buffer, bodyStart, end)
        if (!this.#wire.copies.data(type, buffer, start, bodyStart, end)) {
          const next = await this.#frontend.take(type, buffer, start, bodyStart, end)
          if (next === 'terminate') return void this.#end('client terminated')
        }
        if (this.#parts.upstream.socket.writableNeedDrain) await this.#upstreamDrained()
        if (this.#wire.outbox.full) await this.#wire.outbox.room() // who doesn't read his answers isn't given more
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#pumping = false
      this.#parts.socket.resume()
      this.#watchIdle()
    }
  }

  #upstreamDrained(): Promise<void> {
    const { socket } = this.#parts.upstream
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done)
        socket.off('close', done)
        resolve()
      }
      socket.once('drain', done)
      socket.once('close', done)
    })
  }

  #serverSent(chunk: Buffer): void {
    if (this.#state === 'ended') return
    this.#fromServer.push(chunk)
    try {
      this.#backend.take(this.#fromServer)
    } catch (error) {
      return this.#fail(error)
    }
    if (this.#wire.outbox.full) this.#parts.upstream.socket.pause()
    this.#watchIdle()
  }

  /** A transaction holds locks: one that nothing comes for is ended, by the server's rollback when its client is cut off. */
  #watchIdle(): void {
    const idle = !this.#pumping && this.#wire.expected.length === 0 && this.#wire.transaction !== 'I'
    if (!idle || this.#state !== 'open' || this.#idling !== null) return
    const error = new ProtocolError('ERR_PROTOCOL_IDLE', 'terminating connection due to idle-in-transaction timeout')
    this.#idling = setTimeout(() => this.#fail(error), this.#parts.options.idleTransactionMs)
  }

  #stirred(): void {
    if (this.#idling !== null) clearTimeout(this.#idling)
    this.#idling = null
  }

  /** Everything sent in one turn of the event loop goes up in one write. */
  #sendUpstream(bytes: Buffer): void {
    const last = this.#outgoing.at(-1)
    if (last === undefined) process.nextTick(() => this.#flushUpstream())
    if (last !== undefined && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset) {
      this.#outgoing[this.#outgoing.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + bytes.length)
    } else this.#outgoing.push(bytes)
    this.#outgoingBytes += bytes.length
  }

  #flushUpstream(): void {
    if (this.#state === 'ended' || this.#cancelling) return
    const pieces = this.#outgoing
    const bytes = this.#outgoingBytes
    this.#outgoing = []
    this.#outgoingBytes = 0
    writeTogether(this.#parts.upstream.socket, pieces, bytes)
  }

  async #judge(invocation: Invocation): Promise<Judged> {
    if (this.#state !== 'open') return CANCELLED
    const { signal } = this.#withdrawal
    const gone = this.#gone.signal
    let heartbeat: NodeJS.Timeout | undefined
    const { patienceMs, heartbeatMs } = this.#parts.options.hold
    this.#judging = true
    try {
      const judged = await this.#parts.enforcer.judge(invocation, {
        signal,
        gone,
        patienceMs,
        onHold: (notice) => {
          this.#tell(notice, 'held for approval')
          heartbeat = setInterval(() => this.#tell(notice, 'still waiting for approval'), heartbeatMs)
        },
      })
      if (judged.kind === 'run' && judged.running.timeoutMs !== null)
        this.#watch(judged.running, judged.running.timeoutMs)
      return (signal.aborted || gone.aborted) && judged.kind === 'run' ? await cancelled(judged) : judged
    } finally {
      clearInterval(heartbeat)
      this.#judging = false
    }
  }

  async #refuse(error: CountersignError, kind: string): Promise<Denial> {
    return this.#state === 'open' ? this.#parts.enforcer.refuse(error, kind) : CANCELLED.denial
  }

  #tell(notice: HoldNotice, what: string): void {
    const people = notice.quorum === 1 ? 'one person' : `${notice.quorum} people`
    this.#wire.outbox.push(
      noticeResponse(
        `${what} ${notice.approval}: ${notice.message}`,
        `Waits for ${people} of ${notice.approvers.join(', ')} until ${notice.expires}. Cancel the statement to withdraw it.`,
      ),
    )
    this.#wire.outbox.flush()
  }

  /** A cancel that comes late would hit the next statement: none goes up before it has been delivered. */
  #cancelFirst(): void {
    this.#cancelling = true
    void this.#cancelUpstream().finally(() => {
      this.#cancelling = false
      if (this.#outgoing.length > 0) this.#flushUpstream()
    })
  }

  /** Gives up on a statement whose time is up; one that still waits behind others gets as much again. */
  #watch(statement: RunningStatement, timeoutMs: number): void {
    const timer = setTimeout(
      () => {
        if (this.#state === 'open' && !this.#backend.expire(statement)) this.#watch(statement, timeoutMs)
      },
      Math.min(timeoutMs, MAX_TIMEOUT_MS),
    )
    timer.unref()
    void statement.ended.then(() => clearTimeout(timer))
  }

  /** A cancel that can't be delivered is like one that came too late. */
  async #cancelUpstream(): Promise<void> {
    await this.#parts.cancelUpstream().catch(() => undefined)
  }

  #withdraw(): void {
    this.#withdrawal.abort(new Error('withdrawn by the client'))
    this.#withdrawal = new AbortController()
  }

  #clientGone(): void {
    this.#wire.outbox.close()
    void this.#end('client closed')
  }

  #serverGone(): void {
    if (this.#state !== 'open') return
    this.#fail(new UpstreamError('ERR_UPSTREAM_CLOSED', 'the server closed the connection'))
  }

  /** Ends the session at once: nothing that waits leaves, the client gets one FATAL error. */
  #fail(error: unknown): void {
    if (this.#state === 'ended') return
    this.#wire.outbox.close()
    const denial = error instanceof IdentityError ? credentialOver(error) : fatalOf(error)
    this.#parts.log('session_failed', { session: this.#parts.client.session.id, code: denial.hint ?? denial.code })
    const last = errorResponse(denial)
    this.#parts.trace?.toClient([last])
    this.#parts.socket.end(last)
    if (this.#wire.expected.length > 0) void this.#cancelUpstream()
    if (error instanceof ObligationError && error.code === 'ERR_OBLIGATION_UNENFORCEABLE') this.#withheld = error
    if (this.#state === 'ending') this.#broken.resolve('broken')
    else void this.#end(reasonOf(error), false)
    this.#state = 'ended'
  }

  /**
   * Ends once: nobody waits on a hold any more, though it stays to be answered; a running statement is cancelled and gets a moment to tell how it ended,
   * what then is still open is recorded as in doubt.
   */
  async #end(reason: string, graceful = true): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = graceful ? 'ending' : 'ended'
    const { socket, upstream, client, options } = this.#parts
    this.#stirred()
    this.#gone.abort(new Error('nobody waits any more'))
    this.#wire.copies.giveUp()
    const how = graceful ? await Promise.race([this.#wrapUp(reason), this.#broken.promise]) : 'broken'
    this.#state = 'ended'
    upstream.socket.end(TERMINATE)
    upstream.socket.destroySoon()
    if (how === 'done') socket.end()
    setTimeout(() => socket.destroy(), 1000).unref()
    this.#wire.expected.end(new UpstreamError('ERR_UPSTREAM_CLOSED', 'the session has ended'))
    await within(this.#pumped, options.graceMs) // what was being decided comes before the session's last record
    try {
      await Promise.all(this.#openStatements().map((statement) => statement.doubt()))
      if (this.#withheld !== null) await client.session.failedClosed(this.#withheld)
      await client.session.close(graceful && how === 'broken' ? 'failed' : reason)
    } catch (error) {
      this.#parts.log('session_end_unrecorded', {
        session: client.session.id,
        code: error instanceof EvidenceError ? error.code : null,
      })
    }
    this.#ended.resolve()
  }

  /** What was sent gets a moment to be answered, what was answered to reach the client. */
  async #wrapUp(reason: string): Promise<'done'> {
    const { graceMs } = this.#parts.options
    await within(this.#pumped, graceMs)
    if (this.#wire.expected.length > 0) {
      if (reason !== 'client terminated') await within(this.#cancelUpstream(), graceMs)
      await within(this.#wire.expected.settled(), graceMs)
    }
    await within(this.#wire.outbox.drained(), graceMs)
    return 'done'
  }

  #openStatements(): { doubt(): Promise<void> }[] {
    const open: { doubt(): Promise<void> }[] = []
    for (let reply = this.#wire.expected.shift(); reply !== undefined; reply = this.#wire.expected.shift()) {
      if (reply.kind === 'execute') open.push(reply.statement)
      if (reply.kind === 'query') open.push(...reply.statements.slice(reply.next))
      if (reply.kind === 'parse' && reply.prepare !== null) open.push(reply.prepare)
    }
    return open
  }
}

/** As the session's last record tells it. */
function reasonOf(error: unknown): string {
  if (error instanceof EvidenceError) return 'evidence failed'
  return error instanceof IdentityError ? 'credential over' : 'failed'
}

/** The most that a timer can wait. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1
const TERMINATE: Buffer = Buffer.from([0x58, 0, 0, 0, 4])

const CANCELLED: Extract<Judged, { kind: 'denied' }> = {
  kind: 'denied',
  denial: {
    severity: 'ERROR',
    code: SQLSTATE.queryCanceled,
    message: 'canceling statement due to user request',
  },
}

async function cancelled({ running }: Extract<Judged, { kind: 'run' }>): Promise<Judged> {
  await running.fail(SQLSTATE.queryCanceled)
  return CANCELLED
}

async function within(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
}

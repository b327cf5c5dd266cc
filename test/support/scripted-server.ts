import type { Socket } from 'node:net'
import { encodeBackend } from '../../planes/postgres/codec/backend-encoder.ts'
import type { BackendMessage, TransactionStatus } from '../../planes/postgres/codec/backend-messages.ts'
import { FrameReader } from '../../planes/postgres/codec/frame.ts'
import { decodeFrontend, type FrontendMessage } from '../../planes/postgres/codec/frontend-messages.ts'
import { Writer } from '../../planes/postgres/codec/writer.ts'
import { CANARY, errorFields, fieldsOf, readScript, type ScriptedStatement } from './scripted-statements.ts'

interface Prepared {
  readonly sql: string
  readonly statement: ScriptedStatement | null
}

interface OpenPortal {
  readonly prepared: Prepared
  readonly parameters: readonly (string | null)[]
  readonly formats: readonly (0 | 1)[]
  /** Rows handed out so far. */
  at: number
  done: boolean
}

/** What the server ran, with the values it ran it on. */
export interface Executed {
  readonly sql: string
  readonly parameters: readonly (string | null)[]
}

export interface ServerScript {
  /** Resolves when it is time for the next message. */
  pause(): Promise<void>
  /** Answers wait in its buffer until Sync, Flush or the end of a Query, as the real one's mostly do. */
  readonly buffered: boolean
  /** Cuts what leaves at these places, cyclically; no place: leaves whole. */
  readonly cuts: readonly number[]
  /** What else it says, after so many messages of the client's: frames of any kind, or the end of the connection. */
  readonly outbursts: readonly { readonly after: number; readonly says: readonly (BackendMessage | 'close')[] }[]
}

const ROWS = 3
/** Sends what waits: the end of a COPY may be a Query's end as well. */
const FLUSHING: ReadonlySet<string> = new Set(['sync', 'flush', 'query', 'copyDone', 'copyFail', 'copyData'])
/**
 * A PostgreSQL server as its protocol sees it: one name space of prepared statements, portals that end with their
 * transaction, implicit transactions, and everything discarded from an error up to Sync. It remembers what it was sent
 * and what it ran.
 */
export class ScriptedServer {
  readonly received: string[] = []
  readonly executed: Executed[] = []
  terminated = false
  /** ReadyForQuery that it has said. */
  readies = 0
  /** The connection has ended, and what came over it has been taken. */
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #script: ServerScript
  readonly #reader = new FrameReader({ maxFrameBytes: 1 << 24 })
  readonly #statements = new Map<string, Prepared>()
  readonly #portals = new Map<string, OpenPortal>()
  #status: TransactionStatus = 'I'
  /** An implicit transaction is open: something ran since the last Sync. */
  #implicit = false
  #failsAtCommit = false
  #skipping = false
  #taken = 0
  /** Told how the COPY that it takes rows for ended. */
  #copying: ((done: boolean) => void) | null = null
  #out = new Writer()
  #cut = 0
  #busy = false
  #over = false

  constructor(socket: Socket, script: ServerScript) {
    this.#socket = socket
    this.#script = script
    socket.on('error', () => undefined)
    let work = Promise.resolve()
    this.closed = new Promise((resolve) => socket.on('close', () => void work.then(resolve)))
    socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk)
      if (!this.#busy) work = this.#work()
    })
  }

  /** Says this now, whatever it was asked. */
  interject(...messages: readonly BackendMessage[]): void {
    const writer = new Writer()
    for (const message of messages) encodeBackend(writer, message)
    this.#socket.write(writer.take())
  }

  async #work(): Promise<void> {
    this.#busy = true
    while (!this.#over && this.#reader.advance()) {
      const { type, buffer, bodyStart, end } = this.#reader
      const message = decodeFrontend(type, buffer, bodyStart, end)
      await this.#script.pause()
      if (!this.#skipping || message.kind === 'sync' || message.kind === 'terminate') this.#take(message)
      this.#taken += 1
      for (const { after, says } of this.#script.outbursts) if (after === this.#taken) this.#burst(says)
      if (!this.#script.buffered || FLUSHING.has(message.kind) || this.#copying !== null) await this.#flush()
    }
    this.#busy = false
  }

  #burst(says: readonly (BackendMessage | 'close')[]): void {
    for (const each of says) {
      if (each === 'close') this.#close()
      else this.#say(each)
    }
  }

  #take(message: FrontendMessage): void {
    if (this.#copying !== null) return this.#copied(this.#copying, message)
    switch (message.kind) {
      case 'query':
        return this.#query(message.sql)
      case 'parse':
        return this.#parse(message.name, message.sql)
      case 'bind':
        return this.#bind(message)
      case 'describe':
        return message.target === 'statement'
          ? this.#describeStatement(message.name)
          : this.#describePortal(message.name)
      case 'execute':
        return this.#execute(message.portal, message.maxRows)
      case 'close':
        if (message.target === 'statement') this.#statements.delete(message.name)
        else this.#portals.delete(message.name)
        return this.#say({ kind: 'closeComplete' })
      case 'sync':
        return this.#sync()
      case 'terminate':
        this.terminated = true
        this.#socket.end()
        return
      case 'functionCall':
        this.received.push('a function call')
        return this.#say({ kind: 'functionCallResponse', value: Buffer.from(CANARY) }, this.#ready())
      case 'flush':
      case 'copyData':
      case 'copyDone':
      case 'copyFail':
        return
      case 'password':
        return this.#fatal('08P01')
    }
  }

  // One at a time

  #query(sql: string): void {
    this.received.push(sql)
    this.#statements.delete('')
    this.#portals.delete('')
    const script = readScript(sql)
    if (script === null) this.#fail(errorFields('42601', 'syntax error'))
    else if (script.length > 0) return this.#simply(script)
    else if (this.#commitImplicit()) this.#say({ kind: 'emptyQueryResponse' })
    this.#endQuery()
  }

  #simply([statement, ...rest]: readonly ScriptedStatement[]): void {
    if (statement === undefined) {
      this.#commitImplicit()
      return this.#endQuery()
    }
    if (!this.#simple(statement)) return this.#endQuery()
    if (this.#copying === null) return this.#simply(rest)
    this.#copying = (done) => (done ? this.#simply(rest) : this.#endQuery())
  }

  #endQuery(): void {
    this.#skipping = false
    this.#say(this.#ready())
  }

  /** Within COPY: rows and their end, nothing else; Sync and Flush are ignored. */
  #copied(ended: (done: boolean) => void, message: FrontendMessage): void {
    if (message.kind === 'sync' || message.kind === 'flush') return
    const bad = message.kind === 'copyData' && message.data.includes('bad')
    if (message.kind === 'copyData' && !bad) return
    if (!bad && message.kind !== 'copyDone' && message.kind !== 'copyFail') return this.#fatal('08P01')
    this.#copying = null
    if (message.kind === 'copyDone') this.#say({ kind: 'commandComplete', tag: 'COPY 1' })
    else this.#fail(errorFields(bad ? '22P02' : '57014', 'the COPY failed'))
    ended(message.kind === 'copyDone')
  }

  #simple(statement: ScriptedStatement): boolean {
    const fields = fieldsOf(statement, [])
    if (!this.#admits(statement)) return false
    if (fields !== null) this.#say({ kind: 'rowDescription', fields })
    const portal = { prepared: { sql: statement.sql, statement }, parameters: [], formats: [], at: 0, done: false }
    return this.#run(portal, statement, 0)
  }

  #parse(name: string, sql: string): void {
    this.received.push(sql)
    if (name === '') this.#statements.delete('')
    const script = readScript(sql)
    if (script === null || script.length > 1) return this.#fail(errorFields('42601', 'syntax error'))
    if (name !== '' && this.#statements.has(name)) return this.#fail(errorFields('42P05', 'it exists already'))
    this.#statements.set(name, { sql, statement: script[0] ?? null })
    this.#say({ kind: 'parseComplete' })
  }

  #bind({ portal, statement, parameters, resultFormats }: Extract<FrontendMessage, { kind: 'bind' }>): void {
    const prepared = this.#statements.get(statement)
    if (prepared === undefined) return this.#fail(errorFields('26000', 'no such prepared statement'))
    if (parameters.length !== (prepared.statement?.parameters ?? 0))
      return this.#fail(errorFields('08P01', 'another number of parameters'))
    if (prepared.statement !== null && !this.#admits(prepared.statement)) return
    if (portal !== '' && this.#portals.has(portal)) return this.#fail(errorFields('42P03', 'the portal exists already'))
    const values = parameters.map((value) => value?.toString() ?? null)
    this.#portals.set(portal, { prepared, parameters: values, formats: resultFormats, at: 0, done: false })
    this.#say({ kind: 'bindComplete' })
  }

  #describeStatement(name: string): void {
    const prepared = this.#statements.get(name)
    if (prepared === undefined) return this.#fail(errorFields('26000', 'no such prepared statement'))
    this.#say({ kind: 'parameterDescription', types: prepared.statement?.parameters === 1 ? [25] : [] })
    this.#describe(prepared, [])
  }

  #describePortal(name: string): void {
    const portal = this.#portals.get(name)
    if (portal === undefined) return this.#fail(errorFields('34000', 'no such portal'))
    this.#describe(portal.prepared, portal.formats)
  }

  #describe({ statement }: Prepared, formats: readonly (0 | 1)[]): void {
    const fields = statement === null ? null : fieldsOf(statement, formats)
    this.#say(fields === null ? { kind: 'noData' } : { kind: 'rowDescription', fields })
  }

  #execute(name: string, maxRows: number): void {
    const portal = this.#portals.get(name)
    if (portal === undefined) return this.#fail(errorFields('34000', 'no such portal'))
    const { statement } = portal.prepared
    if (statement === null) return this.#say({ kind: 'emptyQueryResponse' })
    if (!this.#admits(statement)) return
    if (portal.done && fieldsOf(statement, []) === null) return this.#fail(errorFields('55000', 'the portal was run'))
    this.#run(portal, statement, maxRows)
  }

  #sync(): void {
    if (!this.#skipping) this.#commitImplicit()
    else this.#rollbackImplicit()
    this.#skipping = false
    this.#say(this.#ready())
  }

  // Running

  /** In a failed transaction only its end is taken. */
  #admits({ verb }: ScriptedStatement): boolean {
    if (this.#status !== 'E' || verb === 'rollback' || verb === 'commit') return true
    this.#fail(errorFields('25P02', 'the transaction is aborted'))
    return false
  }

  #run(portal: OpenPortal, statement: ScriptedStatement, maxRows: number): boolean {
    const { verb, target } = statement
    this.executed.push({ sql: portal.prepared.sql, parameters: portal.parameters })
    if (this.#status === 'I') this.#implicit = true
    const wasDone = portal.done
    portal.done = true
    switch (verb) {
      case 'read':
        return this.#rows(portal, statement, maxRows, wasDone)
      case 'copy':
        this.#say({ kind: 'copyInResponse', format: 0, columnFormats: [0] })
        this.#copying = () => undefined
        return true
      case 'write':
      case 'late':
        if (verb === 'late') this.#failsAtCommit = true
        this.#say({ kind: 'commandComplete', tag: 'INSERT 0 1' })
        return true
      case 'fail':
        this.#fail(errorFields('22P02', target === 'secret' ? `${CANARY} of ${statement.sql}` : `no: ${statement.sql}`))
        return false
      case 'deallocate':
        if (!this.#statements.delete(target)) {
          this.#fail(errorFields('26000', 'no such prepared statement'))
          return false
        }
        this.#say({ kind: 'commandComplete', tag: 'DEALLOCATE' })
        return true
      case 'begin':
        this.#status = 'T'
        this.#implicit = false
        this.#say({ kind: 'commandComplete', tag: 'BEGIN' })
        return true
      case 'commit':
      case 'rollback':
        return this.#endTransaction(verb)
      case 'nonsense':
        return false
    }
  }

  #rows(portal: OpenPortal, { sql, target }: ScriptedStatement, maxRows: number, wasDone: boolean): boolean {
    const wanted = maxRows > 0 ? Math.min(portal.at + maxRows, ROWS) : ROWS
    const from = wasDone && portal.at === ROWS ? ROWS : portal.at
    for (portal.at = from; portal.at < wanted; portal.at += 1) {
      const cells = target === 'secret' ? [sql, `${CANARY}-${portal.at}`] : [sql]
      this.#say({ kind: 'dataRow', values: cells.map((cell) => Buffer.from(cell)) })
    }
    if (maxRows > 0 && wanted - from === maxRows) this.#say({ kind: 'portalSuspended' })
    else this.#say({ kind: 'commandComplete', tag: `SELECT ${portal.at - from}` })
    return true
  }

  #endTransaction(verb: 'commit' | 'rollback'): boolean {
    const failed = this.#status === 'E'
    this.#status = 'I'
    this.#implicit = false
    this.#portals.clear()
    if (verb === 'commit' && !failed && this.#failsAtCommit) {
      this.#failsAtCommit = false
      this.#fail(errorFields('23505', `${CANARY} at commit`))
      return false
    }
    this.#failsAtCommit = false
    this.#say({ kind: 'commandComplete', tag: verb === 'commit' && !failed ? 'COMMIT' : 'ROLLBACK' })
    return true
  }

  /** Whether nothing failed at it. */
  #commitImplicit(): boolean {
    if (this.#status !== 'I') return true
    const fails = this.#failsAtCommit
    this.#rollbackImplicit()
    if (fails) this.#say({ kind: 'errorResponse', fields: errorFields('23505', `${CANARY} at the end`) })
    return !fails
  }

  #rollbackImplicit(): void {
    if (this.#status !== 'I') return
    this.#failsAtCommit = false
    this.#implicit = false
    this.#portals.clear()
  }

  #fail(fields: ReadonlyMap<string, string>): void {
    this.#say({ kind: 'errorResponse', fields })
    this.#skipping = true
    this.#failsAtCommit = false
    if (this.#status === 'T') this.#status = 'E'
    if (this.#implicit) this.#rollbackImplicit()
  }

  #fatal(code: string): void {
    this.#say({
      kind: 'errorResponse',
      fields: new Map([...errorFields(code, 'going away'), ['S', 'FATAL'], ['V', 'FATAL']]),
    })
    this.#close()
  }

  /** Takes nothing more. */
  #close(): void {
    this.#over = true
    this.#socket.end(this.#out.take())
  }

  #ready(): BackendMessage {
    this.readies += 1
    return { kind: 'readyForQuery', status: this.#status }
  }

  #say(...messages: readonly BackendMessage[]): void {
    for (const message of messages) encodeBackend(this.#out, message)
  }

  async #flush(): Promise<void> {
    const bytes = this.#out.take()
    for (const piece of this.#pieces(bytes)) {
      if (this.#socket.writable) this.#socket.write(piece)
      await this.#script.pause()
    }
  }

  *#pieces(bytes: Buffer): Generator<Buffer> {
    const { cuts } = this.#script
    let from = 0
    while (from < bytes.length) {
      const size = cuts[this.#cut++ % Math.max(cuts.length, 1)] ?? bytes.length
      yield bytes.subarray(from, from + size)
      from += size
    }
  }
}

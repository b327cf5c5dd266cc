import type { CountersignError } from '../../../engine/index.ts'
import { NormalizeError, ProtocolError } from '../../../engine/index.ts'
import {
  type BindMessage,
  decodeFrontend,
  formatAt,
  type FrontendMessage,
  type Target,
} from '../codec/frontend-messages.ts'
import { type Denial, SQLSTATE } from '../enforcer/denial.ts'
import type { Enforcer, Invocation } from '../enforcer/enforcer.ts'
import { message, POISON_PARSE, SYNC } from './client-messages.ts'
import type { DescribeReply, ExpectedReply } from './expected-replies.ts'
import { Invocations, type NamingHost } from './invocations.ts'
import { parameterText } from './parameters.ts'
import { errorResponse } from './server-messages.ts'
import { type Judges, SimpleQueries } from './simple-queries.ts'
import type { NameTable, Portal, PreparedStatement } from './statements.ts'
import type { Wire } from './wire.ts'

/** What the client's side asks of the session around it. */
export interface FrontendHost extends NamingHost, Judges {
  readonly enforcer: Pick<Enforcer, 'check'>
}

/** A message of an extended batch that waits for the decision that lets it go up. */
interface Pending {
  readonly bytes: Buffer
  readonly reply: ExpectedReply
  /** For a Parse: what it prepares. */
  readonly prepared: PreparedStatement | null
}

const FUNCTION_CALL: NormalizeError = new NormalizeError(
  'ERR_NORMALIZE_UNSUPPORTED',
  'a function call by OID is not supported: call it in a SELECT',
)
const FLUSH: Buffer = message({ kind: 'flush' })

/** Messages that wait for a Sync; whoever sends more gets those decided as if he had sent Flush. */
const MOST_PENDING = 1000

/**
 * The client's side of a session: every message, in order, one at a time. Parse, Bind, Describe and Close wait here until
 * the Execute, Flush or Sync for which a decision is made; nothing goes up before its decision.
 */
export class Frontend {
  readonly #wire: Wire
  readonly #host: FrontendHost
  readonly #invocations: Invocations
  readonly #simple: SimpleQueries
  #pending: Pending[] = []
  /** Counts Syncs: a name that one batch defines is for that batch alone until the server confirms it. */
  #batch = 0
  /** Something of this batch is already with the server. */
  #batchSent = false
  /** After an error of ours: everything up to Sync is discarded, as the server does. */
  #skipping = false

  constructor(wire: Wire, host: FrontendHost) {
    this.#wire = wire
    this.#host = host
    this.#invocations = new Invocations(wire, host)
    this.#simple = new SimpleQueries(wire, host, this.#invocations)
  }

  /** Takes one frame; its bytes are the session's from here on. `terminate`: the client says goodbye. */
  async take(
    type: number,
    buffer: Buffer,
    start: number,
    bodyStart: number,
    end: number,
  ): Promise<'go-on' | 'terminate'> {
    const incoming = decodeFrontend(type, buffer, bodyStart, end)
    if (incoming.kind === 'terminate') return 'terminate'
    const { copies } = this.#wire
    for (let copy = copies.current(); copy !== null; copy = copies.current()) {
      if (copies.data(type, buffer, start, bodyStart, end)) return 'go-on'
      if (copy.open) {
        copies.take(copy, incoming, buffer.subarray(start, end))
        return 'go-on'
      }
      await copy.answered()
    }
    const discarded = this.#skipping || this.#wire.discarding !== null
    if (!discarded || incoming.kind === 'sync') await this.#dispatch(incoming, buffer.subarray(start, end))
    if (this.#pending.length >= MOST_PENDING) await this.#release()
    return 'go-on'
  }

  #dispatch(incoming: FrontendMessage, bytes: Buffer): Promise<void> | void {
    switch (incoming.kind) {
      case 'query':
        return this.#simply((within) => this.#simple.run(incoming.sql, bytes, within))
      case 'parse':
        return this.#parse(incoming, bytes)
      case 'bind':
        return this.#bind(incoming, bytes)
      case 'describe':
        return this.#describe(incoming.target, incoming.name, bytes)
      case 'execute':
        return this.#execute(incoming.portal, bytes)
      case 'close':
        return this.#close(incoming.target, incoming.name, bytes)
      case 'flush':
        return this.#flush(bytes)
      case 'sync':
        return this.#sync()
      case 'functionCall':
        return this.#simply((within) => this.#simple.refuse(FUNCTION_CALL, 'function_call', within))
      case 'copyData':
      case 'copyDone':
      case 'copyFail':
        return // left over from a COPY that was refused; the server would ignore them as well
      case 'password':
      case 'terminate':
        throw new ProtocolError('ERR_PROTOCOL_STATE', `a ${incoming.kind} message is not expected now`)
    }
  }

  // Extended query

  async #parse(
    { name, sql, parameterTypes }: Extract<FrontendMessage, { kind: 'parse' }>,
    bytes: Buffer,
  ): Promise<void> {
    const named = await this.#invocations.name(sql, this.#batch)
    if (named instanceof NormalizeError) return this.#refuse(named, 'parse')
    if (named.statements.length > 1) {
      const text = 'cannot insert multiple commands into a prepared statement'
      return this.#refuse(new NormalizeError('ERR_NORMALIZE_SYNTAX', text), 'parse')
    }
    const known = this.#wire.state.own.changes
    const prepared: PreparedStatement = {
      name,
      sql,
      parameterOids: parameterTypes,
      known,
      allowed: false,
      checked: false,
    }
    if (!(await this.#hasRoom(this.#wire.statements, prepared, 'prepared statements'))) return
    const naming = this.#wire.statements.define(name, prepared, this.#batch)
    this.#pending.push({ bytes, reply: { kind: 'parse', naming, prepare: null }, prepared })
  }

  async #bind(incoming: BindMessage, bytes: Buffer): Promise<void> {
    const prepared = await this.#lookUp(this.#wire.statements, incoming.statement)
    if (prepared === undefined) return this.#denyHere(unknown('prepared statement', incoming.statement))
    const { formats: parameterFormats, resultFormats } = incoming
    const parameters =
      incoming.portal === '' ? incoming.parameters : incoming.parameters.map((value) => value && Buffer.from(value))
    const spent = { rows: 0, bytes: 0 }
    const portal: Portal = { prepared, parameters, parameterFormats, resultFormats, spent, cursor: null }
    if (!(await this.#hasRoom(this.#wire.portals, portal, 'portals'))) return
    const naming = this.#wire.portals.define(incoming.portal, portal, this.#batch)
    this.#pending.push({ bytes, reply: { kind: 'bind', naming }, prepared: null })
  }

  async #describe(target: Target, name: string, bytes: Buffer): Promise<void> {
    const prepared =
      target === 'statement'
        ? await this.#lookUp(this.#wire.statements, name)
        : (await this.#lookUp(this.#wire.portals, name))?.prepared
    if (prepared === undefined)
      return this.#denyHere(unknown(target === 'statement' ? 'prepared statement' : 'portal', name))
    const described = await this.#describedBy(prepared)
    this.#pending.push({
      bytes,
      reply: { kind: 'describe', swallow: false, owesParameters: target === 'statement', described },
      prepared: null,
    })
  }

  async #execute(name: string, bytes: Buffer): Promise<void> {
    const portal = await this.#lookUp(this.#wire.portals, name)
    if (portal === undefined) return this.#denyHere(unknown('portal', name))
    const { prepared } = portal
    const invocation = await this.#invocation(portal, false)
    if (invocation instanceof NormalizeError) return this.#refuse(invocation, 'execute')
    const judged = invocation === null ? null : await this.#host.judge(invocation)
    if (judged?.kind === 'denied') return this.#deny(judged.denial)
    prepared.allowed = true
    if (!(await this.#release())) return judged?.running.fail(SQLSTATE.insufficientPrivilege)
    if (judged === null) return this.#send(bytes, { kind: 'empty' })
    if (judged.running.sensitive && !prepared.checked) {
      const described = await this.#describedBy(prepared)
      this.#send(message({ kind: 'describe', target: 'portal', name }), {
        kind: 'describe',
        swallow: true,
        owesParameters: false,
        described,
      })
    }
    this.#send(bytes, { kind: 'execute', statement: judged.running })
    if (judged.running.incoming !== null) this.#wire.sendUpstream(FLUSH) // what becomes of it is waited for
  }

  #close(target: Target, name: string, bytes: Buffer): void {
    const table = target === 'statement' ? this.#wire.statements : this.#wire.portals
    const naming = table.define(name, null, this.#batch)
    this.#pending.push({ bytes, reply: { kind: 'close', naming }, prepared: null })
  }

  async #flush(bytes: Buffer): Promise<void> {
    if ((await this.#release()) && this.#batchSent) this.#wire.sendUpstream(bytes)
  }

  async #sync(): Promise<void> {
    if (!this.#skipping && this.#wire.discarding === null) await this.#release()
    this.#drop(this.#wire.discarding ?? SQLSTATE.queryCanceled)
    const failed = this.#wire.discarding !== null
    this.#wire.discarding = null
    const unfailed = this.#skipping && !failed
    if (
      this.#wire.mustFail ||
      (unfailed && (this.#batchSent || this.#wire.transaction !== 'I' || this.#wire.expected.length > 0))
    ) {
      this.#send(POISON_PARSE, { kind: 'poison' })
    }
    this.#wire.mustFail = false
    this.#send(SYNC, { kind: 'ready' })
    this.#batch += 1
    this.#batchSent = false
    this.#skipping = false
  }

  /** Sends what waited, once a decision covers every statement that it prepares. False: one was denied. */
  async #release(): Promise<boolean> {
    for (const { prepared, reply } of this.#pending) {
      if (prepared === null || prepared.allowed || reply.kind !== 'parse') continue
      const invocation = await this.#invocation(
        {
          prepared,
          parameters: [],
          parameterFormats: [],
          resultFormats: [],
          spent: { rows: 0, bytes: 0 },
          cursor: null,
        },
        true,
      )
      const judged = invocation instanceof NormalizeError ? null : invocation && (await this.#host.judge(invocation))
      if (invocation instanceof NormalizeError) {
        this.#deny(await this.#host.refuse(invocation, 'parse'))
        return false
      }
      if (judged?.kind === 'denied') {
        this.#deny(judged.denial)
        return false
      }
      prepared.allowed = true
      reply.prepare = judged?.running ?? null
    }
    const released = this.#pending
    this.#pending = []
    for (const { bytes, reply } of released) this.#send(bytes, reply)
    return true
  }

  /** What Execute (or, with `prepareOnly`, Parse alone) asks for; null for the empty statement. */
  async #invocation(portal: Portal, prepareOnly: boolean): Promise<Invocation | NormalizeError | null> {
    const { prepared, resultFormats, spent } = portal
    const named = await this.#invocations.name(prepared.sql, this.#batch, prepared.known)
    if (named instanceof NormalizeError) return named
    const statement = named.statements[0]
    if (statement === undefined) return null
    return {
      ...this.#invocations.of(prepared.sql, named, 0, this.#batch),
      parameters:
        statement.values ??
        portal.parameters.map((value, index) =>
          parameterText(value, formatAt(portal.parameterFormats, index), prepared.parameterOids[index] ?? 0),
        ),
      bound: boundText(prepared.sql, portal),
      resultFormats,
      spent,
      prepareOnly,
    }
  }

  /** Takes the server's description of a prepared statement: parameter types, and the check against lineage. */
  async #describedBy(prepared: PreparedStatement): Promise<(reply: DescribeReply) => void> {
    const named = await this.#invocations.name(prepared.sql, this.#batch, prepared.known)
    return (reply) => {
      if (reply.parameterOids !== undefined) prepared.parameterOids = reply.parameterOids
      if (reply.fields === undefined || named instanceof NormalizeError) return
      const statement = named.statements[0]
      if (statement !== undefined) this.#host.enforcer.check(statement, named.catalog, reply.fields)
      prepared.checked = true
    }
  }

  #send(bytes: Buffer, reply: ExpectedReply): void {
    this.#wire.send(bytes, reply)
    this.#batchSent = true
  }

  async #refuse(error: CountersignError, kind: string): Promise<void> {
    if (await this.#release()) this.#deny(await this.#host.refuse(error, kind))
  }

  /** An error that the server would make as well: what came before it in the batch is done first. */
  async #denyHere(denial: Denial): Promise<void> {
    if (await this.#release()) this.#deny(denial)
  }

  /** An error in an extended batch: what waited is dropped, the rest is discarded up to Sync. */
  #deny(denial: Denial): void {
    this.#drop(denial.code)
    this.#skipping = true
    if (this.#batchSent) this.#wire.sendUpstream(FLUSH) // the answers before it, as the server would send them now
    this.#wire.answer(errorResponse(denial))
  }

  /** What still waits will never go up. */
  #drop(sqlstate: string): void {
    for (const { reply } of this.#pending) this.#wire.abandon(reply, sqlstate)
    this.#pending = []
  }

  /**
   * Names that wait for the server's word may yet turn out to replace others, as the unnamed one does again and again: the
   * answers to them come first. False: the client has been told, or the message is discarded with the rest of its batch.
   */
  async #hasRoom<T>(table: NameTable<T>, value: T, what: 'prepared statements' | 'portals'): Promise<boolean> {
    if (!table.full(value)) return true
    if (!(await this.#release())) return false
    this.#wire.sendUpstream(FLUSH)
    await this.#wire.expected.answered()
    if (this.#wire.discarding !== null) return false
    if (!table.full(value)) return true
    await this.#denyHere(tooMany(what))
    return false
  }

  #lookUp<T>(table: NameTable<T>, name: string): Promise<T | undefined> {
    return this.#wire.lookUp(table, name, this.#batch)
  }

  /**
   * A simple message is answered once everything before it is. Within an unfinished batch it stands where Sync would: what
   * the batch did is in one transaction with it, and after an error it is discarded like the rest.
   */
  async #simply(run: (within: 'batch' | 'nothing') => Promise<void>): Promise<void> {
    const unfinished = this.#batchSent || this.#pending.length > 0
    if (!unfinished) {
      await this.#wire.expected.settled()
      return run('nothing')
    }
    if (!(await this.#release())) return
    this.#wire.sendUpstream(FLUSH)
    await this.#wire.expected.answered()
    if (this.#wire.discarding !== null) return
    await run('batch')
    this.#batch += 1
    this.#batchSent = false
  }
}

/** No two executions that differ share it: a text holds no NUL, and neither do base64 and the format codes. */
function boundText(sql: string, { parameters, parameterFormats }: Portal): string {
  const values = parameters.map((value) => value?.toString('base64') ?? 'null ')
  return [sql, parameterFormats.join(), ...values].join('\0')
}

/** The server has no such limit; its memory is its own. */
function tooMany(what: 'prepared statements' | 'portals'): Denial {
  const message = `this session keeps as many ${what} as it may: close some that are no longer used`
  return { severity: 'ERROR', code: SQLSTATE.programLimitExceeded, message }
}

function unknown(what: 'prepared statement' | 'portal', name: string): Denial {
  const code = what === 'portal' ? SQLSTATE.undefinedCursor : SQLSTATE.undefinedPreparedStatement
  return { severity: 'ERROR', code, message: `${what} "${name}" does not exist` }
}

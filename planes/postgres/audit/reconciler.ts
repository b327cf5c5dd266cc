import { setImmediate } from 'node:timers/promises'
import type { JsonObject } from '../../../engine/index.ts'
import type { SqlParser } from '../normalizer/index.ts'
import { readRecord, type ReadRecord, type ReadRecords } from './audit-record.ts'
import { Findings } from './findings.ts'
import type { EvidenceOutline, GatewaySession } from './gateway-sessions.ts'
import { objectOf, textOf } from './json-fields.ts'
import type { LogLine } from './log-line.ts'
import { changedSetting, signsIn, statementOf, type LoggedStatement } from './log-statement.ts'
import type { Around, Reconciliation, ReconcileOptions, ServerSession, Span } from './reconciliation.ts'
import { readServerLog, type LogFile, type LogStretch } from './server-log.ts'
import { SessionMatch, type Intent, type Unit } from './session-match.ts'
import { StatementTexts } from './statement-texts.ts'
import { digestOf } from './upstream-place.ts'

/** What one side may be behind the other before what it lacks counts as missing. */
const PATIENCE_MS = 60_000
/** How often what waits is looked at, in rows. */
const SWEEP_ROWS = 5000
const KEPT_LATE = 1000
/** A read's record waits for its answer, ten milliseconds or as long as the gateway is busy: others' may be made meanwhile. */
const READ_WAITS_MS = 100
const AFTER_EVIDENCE = 'a session that began when evidence may have ended'
/** Evidence names a decision that ended so. */
const ENDED: Readonly<Record<string, Intent['status']>> = {
  'outcome.ok': 'ok',
  'outcome.failed': 'failed',
  'outcome.unknown': 'unknown',
}

/** A session of the gateway's and how its two accounts compare. */
interface Judged {
  readonly owner: GatewaySession
  readonly match: SessionMatch
  around: number
  unlogged: number
  /** When the newest of its recorded statements was decided. What it sent behind that, and has no record of, is newer. */
  decided: number
  /** What `told` of its statements, where the log has any. */
  told: LoggedStatement['told'] | null
  /** Rows of this session are missing from the log. */
  gap: boolean
}

/** Whose a session of the server's is. */
interface Owner {
  /** null: not an agent's over the gateway. */
  readonly judged: Judged | null
  /** null: not the gateway's own. */
  readonly own: GatewaySession | null
  /** What it is nearly. */
  readonly note: string | null
}

/** A session of the server's, as long as the log goes on. */
interface Seen {
  /** null until the log says which role it has: before, nothing can be done in it. */
  owner: Owner | null
  who: ServerSession
  /** Number of its last row. */
  row: number
  statements: number
  /** Time of its first statement that is nobody's. */
  begun: number | null
  signedIn: { readonly at: string; readonly time: number } | null
  last: { readonly statement: LoggedStatement; readonly repeats: number } | null
}

/** One run over both. Evidence is read as far as the log has come, and the other way round. */
export class Reconciler {
  readonly #outline: EvidenceOutline
  readonly #span: Span
  readonly #options: ReconcileOptions
  readonly #texts: StatementTexts
  readonly #findings = new Findings()
  readonly #judged = new Map<string, Judged>()
  readonly #seen = new Map<string, Seen>()
  readonly #late: { readonly finding: Around; readonly begun: number }[] = []
  /** How far each writer's records have been read. */
  readonly #read = new Map<string, number>()
  #evidenceTime = -Infinity
  #logTime = -Infinity
  #logFrom: number | null = null
  #rows = 0
  #statements = 0
  #outside = 0
  #repeated = 0
  #own = { connections: 0, statements: 0 }
  #clocks: { least: number; most: number } | null = null

  constructor(outline: EvidenceOutline, span: Span, options: ReconcileOptions, parser: SqlParser) {
    this.#outline = outline
    this.#span = span
    this.#options = options
    this.#texts = new StatementTexts(parser)
    for (const owner of outline.sessions)
      if (owner.session !== null) this.#judged.set(owner.session, this.#judge(owner))
  }

  async run(files: readonly LogFile[], records: ReadRecords): Promise<Reconciliation> {
    const evidence = records()[Symbol.asyncIterator]()
    let more = true
    for await (const stretch of readServerLog(files)) {
      for (const line of stretch.lines) {
        while (more && this.#evidenceTime < line.time) more = await this.#readEvidence(evidence)
        await this.#line(line, stretch.file)
      }
      this.#damage(stretch, files)
    }
    while (more) more = await this.#readEvidence(evidence)
    for (const judged of this.#judged.values()) judged.match.end()
    this.#judgeLate()
    this.#silent()
    this.#coverage()
    return this.#result(files)
  }

  // Evidence

  async #readEvidence(evidence: AsyncIterator<Parameters<typeof readRecord>[0]>): Promise<boolean> {
    const next = await evidence.next()
    if (next.done === true) return false
    const record = readRecord(next.value)
    this.#evidenceTime = Math.max(this.#evidenceTime, record.time)
    this.#read.set(record.writer, record.time)
    const judged = record.session === null ? undefined : this.#judged.get(record.session)
    if (judged !== undefined) this.#record(record, judged)
    return true
  }

  #record(record: ReadRecord, judged: Judged): void {
    const { match } = judged
    const { event, decision, id, time, block, fields } = record
    if (decision === null) return
    const status = ENDED[event]
    if (status !== undefined) match.outcome(decision, status, time)
    if (event !== 'decision.forward' && event !== 'decision.mask') return
    if (textOf(objectOf(fields['action'])['name']) === 'postgres.parse') return // parsed, never run
    const text = block === null ? null : (textOf(block['statement']) ?? '')
    const settled = ENDED[`outcome.${textOf(objectOf(fields['outcome'])['status'])}`]
    const begun = time - lateMs(fields)
    judged.decided = Math.max(judged.decided, begun)
    match.intent({ decision, record: id, time: begun, text, status: 'open', ended: null, logged: null })
    if (settled !== undefined) match.outcome(decision, settled, time)
  }

  #judge(owner: GatewaySession): Judged {
    const match = new SessionMatch({
      extra: (unit) => this.#extra(judged, unit),
      unlogged: (intent) => this.#unlogged(judged, intent),
      timed: (logged, begun, ended) => this.#bound(logged - ended, logged - begun),
    })
    const judged: Judged = { owner, match, around: 0, unlogged: 0, decided: -Infinity, told: null, gap: false }
    return judged
  }

  // The log

  async #line(line: LogLine, file: LogFile): Promise<void> {
    this.#rows += 1
    this.#logFrom ??= line.time
    this.#logTime = Math.max(this.#logTime, line.time)
    const setting = changedSetting(line)
    const at = `${file.path}:${line.line}`
    if (setting !== undefined) this.#unsure(line.time, `${setting} was changed while the server ran`, at)
    const seen = this.#seen.get(line.session) ?? this.#first(line)
    if (line.number <= seen.row) {
      this.#repeated += 1
      return
    }
    if (seen.owner === null && line.user !== '') {
      seen.owner = this.#ownerOf(line)
      seen.who = whoIs(line)
    }
    if (line.number > seen.row + 1) this.#gap(seen, line, at)
    seen.row = line.number
    if (signsIn(line)) seen.signedIn = { at, time: line.time }
    const statement = statementOf(line)
    if (statement !== undefined) await this.#statement(seen, statement, line, at)
    if (this.#rows % SWEEP_ROWS === 0) await this.#sweep()
  }

  #first(line: LogLine): Seen {
    const seen: Seen = { owner: null, who: whoIs(line), row: 0, statements: 0, begun: null, signedIn: null, last: null }
    this.#seen.set(line.session, seen)
    return seen
  }

  #ownerOf(line: LogLine): Owner {
    const claim = this.#outline.sessions.claim(line, this.#options)
    if (claim.kind === 'elsewhere') return { judged: null, own: null, note: claim.near }
    const { owner } = claim
    // Told to the second, cut off.
    this.#bound(line.started - owner.place.opened, line.started + 999 - owner.place.opening)
    if (owner.session !== null) return { judged: this.#judged.get(owner.session) ?? null, own: null, note: null }
    this.#own.connections += 1
    return { judged: null, own: owner, note: null }
  }

  /** One look at both clocks. They drift: what contradicts the looks before widens what they bound. */
  #bound(least: number, most: number): void {
    const known = this.#clocks ?? { least, most }
    const narrow = { least: Math.max(known.least, least), most: Math.min(known.most, most) }
    const wide = { least: Math.min(known.least, least), most: Math.max(known.most, most) }
    this.#clocks = narrow.least <= narrow.most ? narrow : wide
  }

  /** The server's clock minus ours, milliseconds: within these, by what the log has shown so far. */
  #ahead(): { readonly least: number; readonly most: number } {
    const { skewMs } = this.#options
    return this.#clocks ?? { least: -skewMs, most: skewMs }
  }

  #gap(seen: Seen, line: LogLine, at: string): void {
    const judged = seen.owner?.judged ?? null
    if (judged !== null) judged.gap = true
    if (seen.row === 0 && line.started < this.#span.from) return // its beginning is before the period
    this.#unsure(
      line.time,
      'rows of a session are missing from the log',
      `${line.session} before row ${line.number} (${at})`,
    )
  }

  async #statement(seen: Seen, statement: LoggedStatement, line: LogLine, at: string): Promise<void> {
    if (!inside(line.time, this.#span)) this.#outside += 1
    else this.#statements += 1
    seen.statements += 1
    const { judged = null, own = null, note: near = null } = seen.owner ?? {}
    if (judged !== null) return this.#inSession(seen, judged, statement, line, at)
    if (own !== null && own.place.texts?.has(digestOf(statement.text)) === true) {
      this.#own.statements += 1
      return
    }
    if (own?.place.plans === true && (await this.#texts.isPlan(statement.text))) {
      this.#own.statements += 1
      return
    }
    if (toldAlready(seen, statement)) return
    seen.last = { statement, repeats: 0 }
    if (!inside(line.time, this.#span)) return
    seen.begun ??= line.time
    const note = own === null ? near : "in the gateway's own session, and nothing that it sends there"
    const named = await this.#name(statement)
    const text = named === null ? null : named.statements.join('; ')
    this.#around({ ...seen.who, application: line.application, time: iso(line.time), text, at, note }, seen.begun)
  }

  /** A session that began about when evidence ends may be one of which that copy has no record: the clocks tell, later. */
  #around(finding: Around, begun: number): void {
    if (begun + this.#options.skewMs <= this.#span.evidence.to) this.#findings.addAround(finding)
    else if (this.#late.length < KEPT_LATE) this.#late.push({ finding, begun })
    else this.#findings.addUnjudged(AFTER_EVIDENCE, finding.at)
  }

  #judgeLate(): void {
    const { least } = this.#ahead()
    for (const { finding, begun } of this.#late) {
      if (begun - least <= this.#span.evidence.to) this.#findings.addAround(finding)
      else this.#findings.addUnjudged(AFTER_EVIDENCE, finding.at)
    }
  }

  /** A session's statements are those that one kind of line tells of; the others repeat them. */
  async #inSession(seen: Seen, judged: Judged, statement: LoggedStatement, line: LogLine, at: string): Promise<void> {
    judged.told ??= statement.told
    if (statement.told !== judged.told || statement.nested) return
    const named = await this.#name(statement)
    const all = named === null ? [null] : named.statements
    const texts = statement.statementId === null ? all : this.#audited(seen, statement, all)
    const reads = named?.reads ?? false
    for (const text of texts) judged.match.unit({ time: line.time, text, reads, at })
  }

  /** pgAudit tells a statement more than once where it has several tables, and a text of several statements with each. */
  #audited(seen: Seen, statement: LoggedStatement, all: readonly (string | null)[]): readonly (string | null)[] {
    const { last } = seen
    if (last?.statement.statementId === statement.statementId) return []
    const repeats = last?.statement.text === statement.text ? last.repeats + 1 : 0
    seen.last = { statement, repeats }
    return all.length === 0 ? [] : [all[repeats % all.length] ?? null]
  }

  async #name({ text, otherText }: LoggedStatement): ReturnType<StatementTexts['name']> {
    const named = await this.#texts.name(text)
    return named === null && otherText !== null ? this.#texts.name(otherText) : named
  }

  #damage({ file, damaged, torn }: LogStretch, files: readonly LogFile[]): void {
    for (const line of damaged) this.#findings.addUnjudged('a piece of the log is damaged', `${file.path}:${line}`)
    // The server may be writing the newest one just now.
    if (torn && file !== files.at(-1)) this.#findings.addUnjudged('a log ends in the middle of a row', file.path)
  }

  /** What has waited long enough on either side is judged, so that nothing gathers. */
  async #sweep(): Promise<void> {
    const before = this.#logTime - this.#options.skewMs - PATIENCE_MS
    for (const { owner, match } of this.#judged.values()) {
      const read = this.#read.get(owner.writer) ?? -Infinity
      match.expire(read - this.#options.skewMs - PATIENCE_MS, before)
    }
    await setImmediate()
  }

  // What doesn't fit

  #extra(judged: Judged, unit: Unit): void {
    if (!inside(unit.time, this.#span)) return
    const { owner } = judged
    const crash = this.#outline.crashes.get(owner.writer)
    const { least, most } = this.#ahead()
    const unrecorded = crash === undefined ? Infinity : Math.max(crash.time - READ_WAITS_MS, judged.decided)
    if (unit.reads && unit.time - least >= unrecorded) {
      this.#findings.addUnjudged('a read that was on its way when the gateway died; its answer reached nobody', unit.at)
      return
    }
    const { evidence } = this.#span
    if (unit.time - least > evidence.to || unit.time - most < evidence.from) {
      const reason = 'evidence begins or ends about then'
      this.#findings.addUnjudged(reason, unit.at)
      return
    }
    judged.around += 1
    const seen = owner.claimed === null ? undefined : this.#seen.get(owner.claimed)
    if (seen === undefined) return
    const note = `within the gateway's session ${owner.session ?? ''}, which has no record of it`
    this.#findings.addAround({ ...seen.who, time: iso(unit.time), text: unit.text, at: unit.at, note })
  }

  #unlogged(judged: Judged, intent: Intent): void {
    if (!inside(intent.time, this.#span)) return
    const reason = this.#excuse(judged, intent)
    if (reason !== null) {
      this.#findings.addUnjudged(reason, intent.record)
      return
    }
    judged.unlogged += 1
    const { session, principal } = judged.owner
    const { decision, record, time, text } = intent
    this.#findings.addUnlogged({ decision, record, session: session ?? '', principal, time: iso(time), text })
  }

  /** Why a statement may not be in the log although it ran. */
  #excuse({ told, gap }: Judged, { time }: Intent): string | null {
    const { least, most } = this.#ahead()
    if (this.#logFrom === null || time + least < this.#logFrom) return 'recorded before the log begins'
    if (time + most > this.#logTime) return 'recorded after the log ends'
    if (gap) return 'recorded in a session of which the log has not every row'
    if (told === 'duration') return 'the log tells of statements by how long they took: quick ones may be left out'
    if (told === 'pgaudit') return 'the log tells of statements by pgAudit alone: classes may be left out'
    return null
  }

  /** Who signed in past the gateway, and of whom no statement was logged: log_statement can be off for a role. */
  #silent(): void {
    for (const { owner, signedIn, statements, who } of this.#seen.values()) {
      if (signedIn === null || statements > 0 || owner === null) continue
      if (owner.judged !== null || owner.own !== null) continue
      const example = `${who.user} from ${who.from}, session ${who.session} (${signedIn.at})`
      this.#unsure(signedIn.time, 'a session from elsewhere of which the log has no statement', example)
    }
  }

  #unsure(time: number, reason: string, example: string): void {
    if (inside(time, this.#span)) this.#findings.addUnjudged(reason, example)
  }

  /** Whether both were there for the whole period. */
  #coverage(): void {
    const { from, to, evidence } = this.#span
    const { skewMs } = this.#options
    const short = (what: string, example: string): void => this.#findings.addUnjudged(what, example)
    if (this.#logFrom !== null && this.#logFrom > from + PATIENCE_MS + skewMs)
      short('the log begins after the period does', iso(this.#logFrom))
    if (this.#logTime < to - PATIENCE_MS - skewMs) short('the log ends before the period does', iso(this.#logTime))
    if (evidence.from > from + PATIENCE_MS + skewMs) short('evidence begins after the period does', iso(evidence.from))
    if (evidence.to < to - PATIENCE_MS - skewMs) short('evidence ends before the period does', iso(evidence.to))
    if (this.#statements + this.#outside === 0)
      short('the log tells of no statement at all: is log_statement = all?', iso(this.#logTime))
  }

  #result(files: readonly LogFile[]): Reconciliation {
    const { from, to, evidence } = this.#span
    const findings = this.#findings
    const sessions = [...this.#judged.values()].map((judged) => countOf(judged))
    const total = (of: 'matched' | 'untold' | 'notRun'): number => sessions.reduce((sum, each) => sum + each[of], 0)
    return {
      status: findings.status,
      period: { from: iso(from), to: iso(to) },
      evidence: { records: this.#outline.records, from: iso(evidence.from), to: iso(evidence.to) },
      log: {
        files: files.map(({ path }) => path),
        lines: this.#rows,
        statements: this.#statements,
        from: this.#logFrom === null ? null : iso(this.#logFrom),
        to: this.#logFrom === null ? null : iso(this.#logTime),
        outside: this.#outside,
        repeated: this.#repeated,
      },
      matched: total('matched'),
      untold: total('untold'),
      notRun: total('notRun'),
      own: this.#own,
      clocks: this.#clocks === null ? null : { least: this.#clocks.least / 1000, most: this.#clocks.most / 1000 },
      sessions,
      around: findings.around,
      aroundCount: findings.aroundCount,
      unlogged: findings.unlogged,
      unloggedCount: findings.unloggedCount,
      unjudged: findings.unjudged,
    }
  }
}

function countOf({ owner, match, around, unlogged }: Judged): Reconciliation['sessions'][number] {
  const { session, principal, claimed } = owner
  return { session: session ?? '', principal, server: claimed, ...match.counts, around, unlogged }
}

function whoIs({ session, pid, user, database, client, application }: LogLine): ServerSession {
  const from = client === null ? 'local' : `${client.address}:${client.port}`
  return { session, pid, user, database, from, application }
}

/** pgAudit, or the duration behind it, tells again of what log_statement has told of. */
function toldAlready({ last }: Seen, { told, text }: LoggedStatement): boolean {
  return last !== null && last.statement.told !== told && last.statement.text === text
}

function inside(time: number, { from, to }: Span): boolean {
  return time >= from && time <= to
}

function iso(time: number): string {
  return new Date(time).toISOString()
}

/** From a decision to its record, which waits for its outcome where it can. */
function lateMs(fields: JsonObject): number {
  const { took_us: took, waited_us: waited } = objectOf(fields['detail'])
  const us = took ?? waited
  return typeof us === 'number' ? us / 1000 : 0
}

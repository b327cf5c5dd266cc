import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { JsonObject } from '../access-request.ts'
import { EVENT_NAMES, type FrameStretch, type PlacedLine } from '../evidence/index.ts'
import { countAt, fieldsOf, objectsAt, textAt, textsAt } from './entry.ts'
import { familyOf } from './family.ts'
import type { Meter } from './meter.ts'
import { Numbered } from './names.ts'
import { approvalTopic, sessionTopic, topicsOf } from './topics.ts'
import { statementsOn, type Statements } from './statements.ts'

const EVENTS: ReadonlyMap<string, number> = new Map(EVENT_NAMES.map((name, at) => [name, at]))
/** Resources that a row names; their number is told beside them. */
const NAMED_RESOURCES = 3
/** Intents whose outcome is awaited, for how long they take. */
const MAX_OPEN = 50_000
const NO_RULES = '[]'

interface Writer {
  readonly n: number
  readonly id: string
}

/** Folds records into the tables, one after the other. Whoever calls it has a transaction open. */
export class Ingest {
  readonly #do: Statements
  readonly #names: Numbered
  readonly #rulings: Numbered
  readonly #citations: Numbered
  readonly #sessions: StatementSync
  readonly #meter: Meter
  /** Decision → the monotonic clock at its intent. */
  readonly #open = new Map<string, bigint>()

  constructor(database: DatabaseSync, meter: Meter) {
    this.#do = statementsOn(database)
    this.#meter = meter
    this.#names = new Numbered(database, 'names', 'name')
    this.#rulings = new Numbered(database, 'rulings', 'rules', (text, n) => this.#addRuling(text, n))
    this.#citations = new Numbered(database, 'citations', 'controls', (text, n) => this.#addCitation(text, n))
    this.#sessions = database.prepare('SELECT n, plane FROM sessions WHERE id = ?')
  }

  /** A line that is no record is passed over: a verifier says what is wrong with it. */
  take(writer: Writer, { line, before }: PlacedLine): void {
    const fields = fieldsOf(line)
    const event = fields === null ? null : textAt(fields, 'event')
    const code = EVENTS.get(event ?? '')
    if (fields === null || event === null || code === undefined) return
    const ts = Date.parse(textAt(fields, 'ts') ?? '')
    if (Number.isNaN(ts)) return
    const ruling = this.#ruling(fields)
    const decision = this.#follow(event, fields, { ts, ruling, writer })
    const controls = textsAt(fields, 'controls')
    const citation = controls.length === 0 ? null : this.#citations.number(JSON.stringify(controls))
    const { lastInsertRowid: n } = this.#do.addRecord.run(
      ts,
      code,
      writer.n,
      before.seq + 1,
      before.at,
      decision,
      citation,
    )
    const family = familyOf(event)
    if (family !== null) this.#do.addTold.run(n, family)
    this.#addTopics(Number(n), event, fields)
    this.#do.addDay.run(new Date(ts).toISOString().slice(0, 10), code, ruling)
  }

  #addTopics(n: number, event: string, fields: JsonObject): void {
    for (const topic of topicsOf(event, fields)) this.#do.addTopic.run(this.#names.number(topic), n)
    const session = textAt(fields, 'session')
    const approval = textAt(fields, 'approval', 'id')
    if (session === null || approval === null) return
    const [one, other] = [sessionTopic(session), approvalTopic(approval)].map((topic) => this.#names.number(topic))
    this.#do.addSessionApproval.run(one ?? null, other ?? null)
  }

  /** Frames of these sessions follow each other there. */
  recorded(writer: Writer, { before, after, sessions }: FrameStretch): void {
    for (const session of sessions) {
      const named = this.#names.number(sessionTopic(session))
      this.#do.addStretch.run(named, writer.n, before.seq, before.at, after.seq)
    }
  }

  /** A transaction was taken back. */
  forget(): void {
    for (const each of [this.#names, this.#rulings, this.#citations]) each.forget()
  }

  /** Answers the number of the decision that the record belongs to. */
  #follow(event: string, fields: JsonObject, about: About): number | null {
    if (event === 'session.opened') this.#opened(fields, about)
    if (event === 'session.closed') {
      this.#do.closeSession.run(about.ts, textAt(fields, 'detail', 'reason'), textAt(fields, 'session'))
    }
    const id = textAt(fields, 'decision')
    if (id === null) return null
    if (event.startsWith('decision.')) {
      const decided = this.#decided(id, event.slice('decision.'.length), fields, about)
      const status = textAt(fields, 'outcome', 'status')
      if (status !== null) this.#settled(id, status, fields, about) // answered at once
      return decided
    }
    if (event.startsWith('outcome.')) this.#settled(id, event.slice('outcome.'.length), fields, about)
    const state = approvalState(event)
    if (state !== undefined) this.#do.approve.run(textAt(fields, 'approval', 'id'), state, id)
    const known = this.#do.findDecision.get(id)
    return known === undefined ? null : Number(known['n'])
  }

  #opened(fields: JsonObject, { ts, writer }: About): void {
    const agent = this.#agent(fields, ts)
    const plane = this.#names.number(textAt(fields, 'detail', 'plane') ?? '')
    const kind = textAt(fields, 'principal', 'kind') ?? ''
    const source = textAt(fields, 'detail', 'source')
    const id = textAt(fields, 'session')
    if (id !== null) this.#do.openSession.run(id, agent, this.#owner(fields), kind, plane, source, ts, writer.n)
  }

  #decided(id: string, verdict: string, fields: JsonObject, about: About): number {
    const { ts, ruling, writer } = about
    const decidedUs = countAt(fields, 'detail', 'decided_us')
    const opened = this.#sessions.get(textAt(fields, 'session') ?? '')
    const action = textAt(fields, 'action', 'name') ?? ''
    const plane = opened === undefined ? this.#names.number(action.split('.')[0] ?? '') : Number(opened['plane'])
    this.#await(id, verdict, fields)
    const rules = objectsAt(fields, 'reasons').map((reason) => textAt(reason, 'rule') ?? '')
    this.#meter.decided(writer.id, { plane: () => this.#name(plane), verdict, rules, decidedUs })
    const known = this.#do.findDecision.get(id)
    if (known !== undefined) {
      // Held before; decided again now that people have answered.
      this.#do.answer.run(verdict, ruling, id)
      return Number(known['n'])
    }
    const agent = this.#agent(fields, ts)
    const { lastInsertRowid } = this.#do.addDecision.run(
      id,
      ts,
      opened === undefined ? null : Number(opened['n']),
      agent,
      plane,
      this.#names.number(action),
      this.#names.number(resourcesOf(fields)),
      verdict,
      verdict === 'hold' ? null : verdict,
      ruling,
      this.#names.number(textAt(fields, 'policy', 'revision') ?? ''),
      textAt(fields, 'approval', 'id'),
      decidedUs,
    )
    const counted = VERDICT_COUNTS.get(verdict)
    if (counted !== undefined) {
      this.#do.countVerdict[counted].run(agent)
      if (opened !== undefined) this.#do.countInSession[counted].run(Number(opened['n']))
    }
    return Number(lastInsertRowid)
  }

  /** From its intent to its outcome, by one process's own clock. */
  #await(id: string, verdict: string, fields: JsonObject): void {
    if (verdict !== 'forward' && verdict !== 'mask') return
    if (this.#open.size >= MAX_OPEN) this.#open.clear()
    this.#open.set(id, monotonic(fields) - 1000n * BigInt(countAt(fields, 'detail', 'waited_us') ?? 0))
  }

  #settled(id: string, status: string, fields: JsonObject, { writer }: About): void {
    const began = this.#open.get(id)
    this.#open.delete(id)
    const apart = began === undefined ? null : Number((monotonic(fields) - began) / 1000n)
    const tookUs = countAt(fields, 'detail', 'took_us') ?? apart
    this.#do.settle.run(status, countAt(fields, 'outcome', 'rows'), textAt(fields, 'outcome', 'error'), tookUs, id)
    const bytes = countAt(fields, 'outcome', 'bytes')
    this.#meter.settled(writer.id, { status, bytes, tookUs })
  }

  #agent(fields: JsonObject, ts: number): number {
    const agent = this.#names.number(textAt(fields, 'principal', 'id') ?? '')
    this.#do.seeAgent.run(agent, textAt(fields, 'principal', 'kind') ?? '', this.#owner(fields), ts, ts)
    return agent
  }

  #owner(fields: JsonObject): number | null {
    const owner = textAt(fields, 'principal', 'owner')
    return owner === null ? null : this.#names.number(owner)
  }

  #name(n: number): string {
    return String(this.#do.nameOf.get(n)?.['name'] ?? '')
  }

  /** Rules and the controls they name, without their words, which may differ each time. */
  #ruling(fields: JsonObject): number {
    const reasons = objectsAt(fields, 'reasons')
    if (reasons.length === 0) return this.#rulings.number(NO_RULES)
    const rules = reasons.map((reason) => [textAt(reason, 'rule') ?? '', ...textsAt(reason, 'controls')])
    return this.#rulings.number(JSON.stringify(rules))
  }

  #addRuling(text: string, n: number): void {
    const rules: readonly (readonly string[])[] = JSON.parse(text)
    for (const [rule, ...controls] of rules) {
      if (rule !== undefined) this.#do.addRulingRule.run(rule, n)
      for (const control of controls) this.#do.addRulingControl.run(control, n)
    }
  }

  #addCitation(text: string, n: number): void {
    const controls: readonly string[] = JSON.parse(text)
    for (const control of controls) this.#do.addCitationControl.run(control, n)
  }
}

interface About {
  readonly ts: number
  readonly ruling: number
  readonly writer: Writer
}

const VERDICT_COUNTS: ReadonlyMap<string, 'forward' | 'mask' | 'hold' | 'reject'> = new Map([
  ['forward', 'forward'],
  ['mask', 'mask'],
  ['hold', 'hold'],
  ['reject', 'reject'],
])

/** What an event says of an approval; null: that somebody answered, and more must; undefined: it tells of none. */
function approvalState(event: string): string | null | undefined {
  const [family, what = ''] = event.split('.')
  if (family === 'approval') return what === 'answered' ? null : what
  return family === 'access' || family === 'breakglass' ? what : undefined
}

function monotonic(fields: JsonObject): bigint {
  const text = textAt(fields, 'mono_ns') ?? ''
  return /^\d{1,20}$/.test(text) ? BigInt(text) : 0n
}

function resourcesOf(fields: JsonObject): string {
  const names = objectsAt(fields, 'resources').map((resource) => textAt(resource, 'name') ?? '')
  return JSON.stringify({ named: names.slice(0, NAMED_RESOURCES), more: Math.max(0, names.length - NAMED_RESOURCES) })
}

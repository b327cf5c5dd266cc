import type {
  AccessRequest,
  DecideOptions,
  Decision,
  Labels,
  ObligationError,
  Outcome,
  PlaneHost,
  RecordedAnswer,
  RecordingFrame,
  Refusal,
  Session,
  Verdict,
} from '../../engine/index.ts'
import { EvidenceError } from '../../engine/index.ts'
import { AGENT } from './rooms.ts'
import { DENIED } from './scripted-statements.ts'

/** One decision as the log of a scripted engine has it. */
export interface LoggedDecision {
  readonly id: string
  readonly sql: string
  readonly prepareOnly: boolean
  readonly verdict: Verdict['kind']
  readonly parameters: readonly unknown[]
  durable: boolean
  readonly outcomes: Outcome[]
}

export const LABELS: Labels = { revision: 'r1', resources: { 'public.customers': { ssn: ['pii'] } } }

/**
 * An engine that decides by the words of a statement, takes as long as `pause` says over every record, and remembers
 * what it was asked. Its records become durable in the order they were made, as a log's do.
 */
export class ScriptedEngine implements Session {
  readonly over: AbortSignal = new AbortController().signal
  readonly id = 'session-1'
  readonly decisions: LoggedDecision[] = []
  readonly frames: RecordingFrame[] = []
  readonly #intents = new Map<LoggedDecision, Promise<void>>()
  /** What came with outcomes. */
  readonly answers: RecordedAnswer[] = []
  /** Why answers were withheld. */
  readonly withheld: string[] = []
  refusals = 0
  closed = 0
  /** Decisions and outcomes that came after the session's end: an auditor would find them behind its last record. */
  readonly afterClose: string[] = []
  readonly #pause: () => Promise<void>
  #written: Promise<void> = Promise.resolve()
  #failing = false

  constructor(pause: () => Promise<void>) {
    this.#pause = pause
  }

  /** From here on the disk says no. */
  breakDisk(): void {
    this.#failing = true
  }

  host(): PlaneHost {
    return {
      identify: () => Promise.resolve(AGENT),
      refused: () => Promise.resolve(),
      openSession: () => Promise.resolve(this),
      maskingKey: null,
      labels: () => LABELS,
      connected: () => Promise.resolve(),
      alert: () => Promise.resolve(),
      log: () => undefined,
    }
  }

  connected(): Promise<void> {
    return this.#append()
  }

  async decide(request: AccessRequest, { effectFree }: DecideOptions): Promise<Decision> {
    const id = `decision-${this.decisions.length + 1}`
    this.#witness(id)
    const verdict = verdictOf(request)
    const logged: LoggedDecision = {
      id,
      sql: statementOf(request),
      prepareOnly: request.block['kind'] === 'prepare',
      verdict: verdict.kind,
      parameters: Object(request.block['parameters']),
      durable: false,
      outcomes: [],
    }
    this.decisions.push(logged)
    if (effectFree !== true || verdict.kind === 'reject') await this.#intent(logged)
    else await this.#pause()
    const reasons = [{ rule: 'scripted', message: 'as scripted', controls: [] }]
    const recorded = (): Promise<void> => this.#intent(logged)
    return { id, verdict, reasons, controls: [], policy: { revision: 'r1', digest: '' }, approval: null, recorded }
  }

  allows(request: AccessRequest): boolean {
    return verdictOf(request).kind === 'forward'
  }

  async refuse(refusal: Refusal): Promise<Decision> {
    this.refusals += 1
    this.#witness(refusal.action)
    await this.#append()
    const policy = { revision: 'r1', digest: '' }
    const reject = { kind: 'reject' } as const
    return { id: 'refused', verdict: reject, reasons: [], controls: [], policy, approval: null, recorded: atOnce }
  }

  record(frame: RecordingFrame): Promise<void> {
    this.frames.push(frame)
    return this.#append()
  }

  settle(decision: Decision, outcome: Outcome, answer?: RecordedAnswer): Promise<void> {
    if (answer !== undefined) this.answers.push(answer)
    this.#witness(`outcome of ${decision.id}`)
    const logged = this.decisions.find(({ id }) => id === decision.id)
    logged?.outcomes.push(outcome)
    return logged === undefined
      ? this.#append()
      : Promise.all([this.#intent(logged), this.#append()]).then(() => undefined)
  }

  /** On disk at most once, by itself or with its outcome. */
  #intent(logged: LoggedDecision): Promise<void> {
    const known = this.#intents.get(logged)
    if (known !== undefined) return known
    const durable = this.#append(() => {
      logged.durable = true
    })
    durable.catch(() => undefined)
    this.#intents.set(logged, durable)
    return durable
  }

  failedClosed({ message }: ObligationError): Promise<void> {
    this.#witness('an answer withheld')
    this.withheld.push(message)
    return this.#append()
  }

  close(): Promise<void> {
    this.closed += 1
    return this.#append()
  }

  #witness(what: string): void {
    if (this.closed > 0) this.afterClose.push(what)
  }

  #append(done?: () => void): Promise<void> {
    const before = this.#written
    this.#written = this.#write(before, done)
    return this.#written
  }

  async #write(before: Promise<void>, done?: () => void): Promise<void> {
    await before
    await this.#pause()
    if (this.#failing) throw diskFull()
    done?.()
  }
}

function statementOf({ block }: Pick<AccessRequest, 'block'>): string {
  const text = block['statement']
  return typeof text === 'string' ? text : ''
}

function verdictOf({ block, resources }: AccessRequest): Verdict {
  if (statementOf({ block }).includes(DENIED)) return { kind: 'reject' }
  const fields = resources.flatMap(({ name, parts }) =>
    parts
      .filter(({ labels, uses }) => labels.length > 0 && uses.includes('output'))
      .map((part) => ({ field: `${name}.${part.name}`, method: 'redact' as const })),
  )
  return fields.length === 0 || block['kind'] === 'prepare' ? { kind: 'forward' } : { kind: 'mask', fields }
}

function diskFull(): EvidenceError {
  return new EvidenceError('ERR_EVIDENCE_WRITE', 'the disk says no')
}

const atOnce = (): Promise<void> => Promise.resolve()

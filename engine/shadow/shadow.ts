import type { JsonObject, Principal, SealedRequest } from '../access-request.ts'
import { CountersignError } from '../errors.ts'
import { Rounds, Turns, type LifecycleStore, type PolicyLife } from '../lifecycle/index.ts'
import type { BundleTrust, SelfTestLimits } from '../policy/index.ts'
import type { Evaluation } from '../verdict.ts'
import { CandidateThread } from './candidate-thread.ts'
import { isCounts, Tally, together, type Counts } from './tally.ts'

/** One request that the live policy has answered. */
export interface Observation {
  readonly decision: string
  readonly plane: string
  readonly action: string
  /** As policy saw it; its text is asked for only where a candidate runs. */
  readonly sealed: Pick<SealedRequest, 'json'>
  readonly nowMs: number
  readonly live: Evaluation
}

/** What a session tells of each answer of the live policy. Never throws, never waits. */
export interface Observer {
  offer(seen: Observation): void
}

export interface ShadowStatus {
  /** The candidate's digest; null: none runs. */
  readonly candidate: string | null
  /** Of all gateways on this state. */
  readonly counts: Counts
}

export interface ShadowOptions {
  readonly store: LifecycleStore
  readonly life: PolicyLife
  readonly instance: string
  readonly trust: BundleTrust
  readonly limits: SelfTestLimits
  log(event: string, fields: JsonObject): void
}

const NONE: Counts = new Tally().counts
/** How often counts are kept, and how soon a gateway does as another was told. */
const LOOK_MS = 1_000

interface Running {
  readonly digest: string
  readonly thread: CandidateThread
  readonly tally: Tally
  changed: boolean
}

/**
 * A proposed policy beside the live one, on live traffic: it is asked the same, in a thread of its own, and nothing comes of
 * its answers but counts. What can't be asked in time is dropped. Which candidate runs is in the state database, so that all
 * gateways run it and a restart goes on.
 */
export class Shadow implements Observer {
  readonly #options: ShadowOptions
  readonly #rounds: Rounds = new Rounds()
  readonly #turns: Turns = new Turns()
  #running: Running | null = null

  constructor(options: ShadowOptions) {
    this.#options = options
  }

  start(): void {
    this.#rounds.start(LOOK_MS, () => this.#follow(), 0)
  }

  offer({ decision, plane, action, sealed, nowMs, live }: Observation): void {
    const running = this.#running
    if (running === null) return
    running.changed = true
    const { tally } = running
    const asked = running.thread.ask({ plane, json: sealed.json, nowMs }, (answer) => {
      running.changed = true
      if (answer === undefined) tally.drop(1)
      else if (answer === null) tally.fail()
      else tally.add(decision, action, live, answer)
    })
    if (!asked) tally.drop(1)
  }

  /** Runs a proposed bundle beside the live policy from here on, in the place of any other. */
  async run(by: Principal, digest: string): Promise<ShadowStatus> {
    this.#options.life.checkOperator(by)
    await this.#options.life.archive(digest)
    await this.#options.store.setCandidate(digest)
    await this.#turns.take(() => this.#look())
    return this.#status()
  }

  /** Ends it; what was found goes into evidence as a test of the candidate's. */
  async end(by: Principal): Promise<ShadowStatus> {
    const { life, store } = this.#options
    life.checkOperator(by)
    const { candidate } = await this.#status()
    await store.setCandidate(null)
    await this.#turns.take(() => this.#look())
    if (candidate === null) return { candidate: null, counts: NONE }
    const counts = await this.#counts(candidate)
    const { compared, same, dropped, failed } = counts
    const about = `beside the live policy, on live traffic: ${compared} requests compared, ${same} answered the same, ${failed} without a verdict, ${dropped} dropped`
    await life.candidateTested(
      by,
      candidate,
      compared > 0 && same === compared && failed === 0 ? 'PASSED' : 'WARNED',
      about,
    )
    return { candidate: null, counts }
  }

  async status(by: Principal): Promise<ShadowStatus> {
    await this.#options.life.status(by) // whoever may see how policies stand
    await this.#turns.take(() => this.#keep(this.#running))
    return this.#status()
  }

  async close(): Promise<void> {
    await this.#rounds.end()
    await this.#turns.take(() => this.#stop()).catch(() => undefined)
  }

  async #status(): Promise<ShadowStatus> {
    const candidate = await this.#options.store.candidate()
    return { candidate, counts: candidate === null ? NONE : await this.#counts(candidate) }
  }

  async #counts(digest: string): Promise<Counts> {
    const rows = await this.#options.store.counts(digest)
    return together(rows.map(({ document }): unknown => JSON.parse(document)).filter(isCounts))
  }

  async #follow(): Promise<void> {
    try {
      await this.#turns.take(() => this.#look())
      await this.#turns.take(() => this.#keep(this.#running))
    } catch (error) {
      this.#options.log('policy.shadow_failed', { code: error instanceof CountersignError ? error.code : 'unknown' })
    }
  }

  async #look(): Promise<void> {
    const digest = await this.#options.store.candidate()
    if (digest === (this.#running?.digest ?? null)) return
    await this.#stop()
    if (digest === null) return
    const { store, life, instance, trust, limits } = this.#options
    const before = (await store.counts(digest)).find((row) => row.instance === instance)
    const known: unknown = before === undefined ? null : JSON.parse(before.document)
    const thread = new CandidateThread({ archive: await life.archive(digest), trust, limits })
    this.#running = { digest, thread, tally: new Tally(isCounts(known) ? known : null), changed: true }
  }

  async #keep(running: Running | null): Promise<void> {
    if (running === null || !running.changed) return
    running.changed = false
    await this.#options.store.keepCounts(this.#options.instance, running.digest, JSON.stringify(running.tally.counts))
  }

  async #stop(): Promise<void> {
    const running = this.#running
    this.#running = null
    if (running === null) return
    await running.thread.close()
    running.changed = true
    await this.#keep(running)
  }
}

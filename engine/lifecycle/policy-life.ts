import { createHash } from 'node:crypto'
import type { JsonObject, Principal } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import type { RecordDraft } from '../evidence/index.ts'
import type { ActivePolicy, PolicyStore } from '../policy/index.ts'
import { Following } from './following.ts'
import { InForce } from './in-force.ts'
import { KeptBundles } from './kept-bundles.ts'
import { PolicyLedger, type Journal } from './ledger.ts'
import { proposalOf, type Lifecycle, type Proposal, type Review, type TestResult } from './lifecycle.ts'
import {
  actorOf,
  checkActivation,
  checkOperator,
  checkReader,
  checkReason,
  checkReviewer,
  powersOf,
  type LifecycleRules,
  type Powers,
} from './rules.ts'
import { metadataOf, stepRecord, testNames } from './step-record.ts'
import type { LifecycleStore } from './store.ts'
import { readTestResult, testResult } from './test-result.ts'
import { Turns } from './turns.ts'

/** A bundle's file, and what was opened of it. */
export interface OpenedBundle {
  readonly archive: Uint8Array
  readonly policy: ActivePolicy
}

export interface PolicyLifeOptions {
  readonly store: LifecycleStore
  readonly rules: LifecycleRules
  /** This gateway's name, and the evidence writer that it writes as. */
  readonly instance: string
  readonly writer: string
  /** Where decisions find the policy in force here. */
  readonly policy: PolicyStore
  /** Milliseconds since 1970. */
  now(): number
  /** Opens a bundle as this gateway's configuration wants one: signed, tested, of this gateway's planes and controls. */
  admit(archive: Uint8Array): Promise<ActivePolicy>
  /** Durable in evidence when it resolves. */
  record(draft: RecordDraft): Promise<void>
  /** Where other gateways change policies too: milliseconds from one look at what they did to the next. */
  readonly followMs?: number
  log(event: string, fields: JsonObject): void
}

/** Which policy is in force, and how it came to be, as people are told. */
export interface PolicyStatus extends Lifecycle {
  readonly review: LifecycleRules['review']
  /** What decides at the gateway that was asked; its `digest` differs from the active one's while it follows. */
  readonly here: { readonly revision: string; readonly digest: string; readonly suspended: boolean }
}

/** Names of tests in a record; a longer list is left out, and the bundle has it. */
const MAX_TEST_NAMES = 200

/**
 * The policies of one gateway: what is proposed, tested, reviewed, activated and rolled back, here or at another gateway on
 * the same state. One thing at a time. In evidence first, then in the store, then in force here: no decision uses a policy
 * whose activation this gateway's own records don't have.
 */
export class PolicyLife {
  readonly #options: PolicyLifeOptions
  readonly #ledger: PolicyLedger
  readonly #bundles: KeptBundles
  readonly #inForce: InForce
  readonly #turns: Turns = new Turns()
  readonly #following: Following

  constructor(options: PolicyLifeOptions) {
    this.#options = options
    this.#ledger = new PolicyLedger(options.store, options)
    this.#bundles = new KeptBundles(options)
    this.#inForce = new InForce({
      bundles: this.#bundles,
      policy: options.policy,
      record: (draft) => options.record(draft),
      log: (event, fields) => options.log(event, fields),
    })
    this.#following = new Following({
      store: options.store,
      ledger: this.#ledger,
      inForce: this.#inForce,
      turns: this.#turns,
      log: (event, fields) => options.log(event, fields),
    })
  }

  /**
   * Puts in force what is active, or the configured bundle where that is news: the first there is, or another file than
   * when this gateway last looked, if the rules let a file do so. Throws where neither can be.
   */
  async start(file: OpenedBundle): Promise<void> {
    await this.#turns.take(async () => {
      const { store, instance } = this.#options
      const { digest } = file.policy.reference
      const [life, seen] = [await this.#ledger.life(), await store.lastFile(instance)]
      await (this.#isNews(life, digest, seen) ? this.#activateFile(file, seen) : this.#continue(life, file))
      await store.sawFile(instance, digest)
    })
    const { followMs } = this.#options
    if (followMs !== undefined) this.#following.start(followMs)
  }

  /** The configured bundle as it now is (SIGHUP): it comes into force as if the gateway had started with it changed. */
  async fileChanged(file: OpenedBundle): Promise<void> {
    await this.#turns.take(async () => {
      const { store, instance, rules } = this.#options
      const { reference } = file.policy
      const life = await this.#ledger.life()
      if (life.active?.policy.digest !== reference.digest) {
        if (rules.review === 'required') checkActivation(rules, life, reference.digest)
        await this.#activateFile(file, undefined)
      }
      await store.sawFile(instance, reference.digest)
    })
  }

  /** Again, for a bundle that is proposed already, changes nothing but the file that is kept of it. */
  propose(by: Principal, archive: Uint8Array): Promise<Proposal> {
    return this.#turns.take(async () => {
      checkOperator(this.#options.rules, by)
      const policy = await this.#bundles.admit(archive)
      const { reference } = policy
      const sum = createHash('sha256').update(archive).digest('hex')
      const journal = this.#journal(by, {}, async () => this.#bundles.keepArchive(reference.digest, archive))
      const known = (life: Lifecycle): Proposal | undefined =>
        life.proposals.find((each) => each.policy.digest === reference.digest)
      const actor = actorOf(by)
      await this.#ledger.change((life) => {
        if (known(life) !== undefined) return null
        return { kind: 'proposed', policy: { ...reference }, archive: sum, by: actor }
      }, journal)
      const passed = testNames(policy)
      const statement = testResult({ policy: reference, archive: sum }, 'PASSED', {
        by: "the gateway's own load: the bundle's self-test vectors and the slowest decision",
        ...(passed.length > MAX_TEST_NAMES ? {} : { passed }),
      })
      const life = await this.#ledger.change(
        (state) => {
          if (known(state)?.tested !== null) return null
          return { kind: 'tested', policy: { ...reference }, result: 'PASSED', by: actor }
        },
        this.#journal(by, { statement }),
      )
      // Behind the changes: a bundle that nothing names is not kept.
      await this.#bundles.keepArchive(reference.digest, archive)
      this.#bundles.keepOpen(policy)
      return proposalOf(life, reference.digest)
    })
  }

  /** Takes somebody else's in-toto test result over a proposed bundle; a failed one keeps it out of force. */
  reportTest(by: Principal, digest: string, statement: unknown): Promise<Proposal> {
    return this.#turns.take(async () => {
      checkOperator(this.#options.rules, by)
      const told = readTestResult(statement, proposalOf(await this.#ledger.life(), digest))
      return this.#recordTest(by, digest, told)
    })
  }

  /** What this gateway itself found out about a candidate on live traffic. */
  candidateTested(by: Principal, digest: string, result: TestResult, about: string): Promise<Proposal> {
    return this.#turns.take(async () => {
      const proposal = proposalOf(await this.#ledger.life(), digest)
      return this.#recordTest(by, digest, { result, statement: testResult(proposal, result, { by: about }) })
    })
  }

  review(by: Principal, digest: string, answer: Review['answer'], reason: string | null): Promise<Proposal> {
    return this.#turns.take(async () => {
      const said = checkReason(reason)
      const life = await this.#ledger.change(
        (state) => {
          const proposal = proposalOf(state, digest)
          checkReviewer(this.#options.rules, proposal, by)
          if (proposal.review !== null) throw reviewed(proposal, proposal.review)
          return { kind: 'reviewed', policy: proposal.policy, by: actorOf(by), answer, reason: said }
        },
        this.#journal(by, {}),
      )
      return proposalOf(life, digest)
    })
  }

  /** Durable in evidence, and in force here, when it resolves; in force at the other gateways within a second. */
  activate(by: Principal, digest: string): Promise<PolicyStatus> {
    return this.#turns.take(async () => {
      const { rules } = this.#options
      checkOperator(rules, by)
      checkActivation(rules, await this.#ledger.life(), digest)
      const policy = await this.#bundles.policy(digest)
      await this.#enforce(policy, by, (life) => {
        const proposal = checkActivation(rules, life, digest)
        if (life.active?.policy.digest === digest) return null
        return { kind: 'activated', policy: proposal.policy, by: actorOf(by) }
      })
      return this.#status()
    })
  }

  /** Back to the policy before; a second rollback undoes the first. */
  rollback(by: Principal): Promise<PolicyStatus> {
    return this.#turns.take(async () => {
      checkOperator(this.#options.rules, by)
      const goal = earlier(await this.#ledger.life())
      const policy = await this.#bundles.policy(goal.digest)
      await this.#enforce(policy, by, (life) => {
        if (earlier(life).digest !== goal.digest) {
          throw new PolicyError('ERR_POLICY_STEP', 'another policy has come into force meanwhile: look, and ask again')
        }
        return { kind: 'rolled_back', policy: goal, by: actorOf(by) }
      })
      return this.#status()
    })
  }

  /** A bundle that is in force, was, or is proposed, opened. */
  opened(digest: string): Promise<ActivePolicy> {
    return this.#turns.take(() => this.#bundles.policy(digest))
  }

  /** For whoever the caller lets see it. */
  look(): Promise<PolicyStatus> {
    return this.#status()
  }

  /** Whether somebody may operate policies, and review them. */
  powersOf(by: Principal): Powers {
    return powersOf(this.#options.rules, by)
  }

  /** For operators and reviewers. */
  async status(by: Principal): Promise<PolicyStatus> {
    checkReader(this.#options.rules, by)
    return this.#status()
  }

  /** Throws PolicyError ERR_POLICY_PERSON. */
  checkOperator(by: Principal): void {
    checkOperator(this.#options.rules, by)
  }

  /** Throws PolicyError ERR_POLICY_SUSPENDED while nothing is decided here. */
  checkReady(): void {
    this.#inForce.checkReady()
  }

  /** The file of a proposed bundle, as it is kept. */
  archive(digest: string): Promise<Uint8Array> {
    return this.#bundles.archive(digest)
  }

  async close(): Promise<void> {
    await this.#following.end()
    await this.#turns.idle()
  }

  async #status(): Promise<PolicyStatus> {
    const life = await this.#ledger.life()
    const { revision, digest } = this.#inForce.reference
    const here = { revision, digest, suspended: this.#inForce.isSuspended }
    return { ...life, review: this.#options.rules.review, here }
  }

  /** Whether the configured file is to come into force at a start. */
  #isNews({ active, proposals }: Lifecycle, digest: string, seen: string | null): boolean {
    if (active === null) return true
    if (active.policy.digest === digest || seen === null || seen === digest) return false
    if (this.#options.rules.review === 'none') return true
    const reviewed = proposals.find(({ policy }) => policy.digest === digest)?.review?.answer === 'approve'
    if (!reviewed) this.#options.log('policy.file_unreviewed', { digest, active: active.policy.digest })
    return reviewed
  }

  async #activateFile({ archive, policy }: OpenedBundle, seen: string | null | undefined): Promise<void> {
    const { digest } = policy.reference
    this.#bundles.keepOpen(policy)
    await this.#enforce(
      policy,
      null,
      (life) => {
        if (life.active?.policy.digest === digest) return null
        if (seen !== undefined && !this.#isNews(life, digest, seen)) return null // another gateway was first
        return { kind: 'activated', policy: { ...policy.reference }, by: null }
      },
      archive,
    )
  }

  /** A restart, or a gateway that joins others: what is active goes on. */
  async #continue(life: Lifecycle, file: OpenedBundle): Promise<void> {
    const active = life.active?.policy.digest
    if (active === file.policy.reference.digest) {
      this.#bundles.keepOpen(file.policy)
      await this.#bundles.keepArchive(active, file.archive)
    } else if (active !== undefined && !(await this.#bundles.hasArchive(active))) {
      // Lost with the state: evidence tells which it was, and doesn't have it.
      if (this.#options.rules.review === 'none') return this.#activateFile(file, undefined)
      throw new PolicyError(
        'ERR_POLICY_NONE',
        `the policy in force, ${active}, is lost with the state: name its bundle as policy.bundle`,
      )
    }
    await this.#adopt(life, null)
  }

  async #recordTest(
    by: Principal,
    digest: string,
    { result, statement }: { readonly result: TestResult; readonly statement: JsonObject },
  ): Promise<Proposal> {
    const life = await this.#ledger.change(
      (state) => {
        const { policy } = proposalOf(state, digest)
        return { kind: 'tested', policy, result, by: actorOf(by) }
      },
      this.#journal(by, { statement }),
    )
    return proposalOf(life, digest)
  }

  async #enforce(
    policy: ActivePolicy,
    by: Principal | null,
    choose: Parameters<PolicyLedger['change']>[0],
    archive?: Uint8Array,
  ): Promise<void> {
    let recorded: string | null = null
    try {
      const life = await this.#ledger.change(choose, async (change) => {
        // Before it is true: the other gateways look for it then.
        if (archive !== undefined) await this.#bundles.keepArchive(policy.reference.digest, archive)
        await this.#journal(by, { ...metadataOf(policy) })(change)
        recorded = policy.reference.digest
      })
      await this.#adopt(life, recorded)
    } catch (error) {
      if (this.#ledger.outOfStep) this.#inForce.suspend('a change of policies was lost between evidence and state')
      throw error
    }
  }

  async #adopt(life: Lifecycle, recorded: string | null): Promise<void> {
    await this.#inForce.adopt(life, recorded, !this.#ledger.outOfStep)
  }

  #journal(by: Principal | null, detail: JsonObject, first: () => Promise<unknown> = async () => undefined): Journal {
    return async (change) => {
      await first()
      await this.#options.record(stepRecord(change, by, detail))
    }
  }
}

function earlier({ previous }: Lifecycle): Proposal['policy'] {
  if (previous !== null) return previous.policy
  throw new PolicyError('ERR_POLICY_STEP', 'there is no earlier policy to go back to')
}

function reviewed({ policy }: Proposal, { by, answer }: Review): PolicyError {
  return new PolicyError('ERR_POLICY_STEP', `${policy.revision} was reviewed already: ${by.id} said ${answer}`)
}

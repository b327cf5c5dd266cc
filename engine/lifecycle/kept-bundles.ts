import { PolicyError } from '../errors.ts'
import type { ActivePolicy } from '../policy/index.ts'
import type { LifecycleStore } from './store.ts'

/** Opened bundles that are kept: a rollback must not wait for a compiler. */
const KEPT_OPEN = 4

export interface KeptBundlesOptions {
  readonly store: Pick<LifecycleStore, 'bundle' | 'keepBundle'>
  /** Opens a bundle as this gateway's configuration wants one. */
  admit(archive: Uint8Array): Promise<ActivePolicy>
}

/** Bundles by their digest: the files in the state, and the last few of them opened. */
export class KeptBundles {
  readonly #options: KeptBundlesOptions
  readonly #opened = new Map<string, ActivePolicy>()

  constructor(options: KeptBundlesOptions) {
    this.#options = options
  }

  /** Opened as this gateway wants one. Throws PolicyError. */
  admit(archive: Uint8Array): Promise<ActivePolicy> {
    return this.#options.admit(archive)
  }

  /** Throws PolicyError where there is no such file, it doesn't open, or it is another one than its digest says. */
  async policy(digest: string): Promise<ActivePolicy> {
    const known = this.#opened.get(digest)
    if (known !== undefined) return known
    const policy = await this.#options.admit(await this.archive(digest))
    if (policy.reference.digest !== digest) {
      throw new PolicyError('ERR_POLICY_BUNDLE', `the state database has another bundle in the place of ${digest}`)
    }
    this.keepOpen(policy)
    return policy
  }

  keepOpen(policy: ActivePolicy): void {
    this.#opened.delete(policy.reference.digest)
    this.#opened.set(policy.reference.digest, policy)
    const [oldest] = this.#opened.keys()
    if (this.#opened.size > KEPT_OPEN && oldest !== undefined) this.#opened.delete(oldest)
  }

  async keepArchive(digest: string, archive: Uint8Array): Promise<void> {
    await this.#options.store.keepBundle(digest, archive)
  }

  async hasArchive(digest: string): Promise<boolean> {
    return (await this.#options.store.bundle(digest)) !== null
  }

  /** The file of a proposed bundle, as it is kept. */
  async archive(digest: string): Promise<Uint8Array> {
    const archive = await this.#options.store.bundle(digest)
    if (archive !== null) return archive
    throw new PolicyError('ERR_POLICY_UNKNOWN', `the bundle of digest ${digest} is not here: propose it again`)
  }
}

import { readFile } from 'node:fs/promises'
import { isPolicyView, isProposalView, isShadowView } from '../console/policy-view.ts'
import type { PolicyView, ProposalView } from '../console/policy-view.ts'
import type { ShadowStatus } from '../engine/shadow/index.ts'
import type { ApiClient, Body } from './api-client.ts'
import { UsageError } from './exit.ts'

/** The policy API of one gateway. Every failure is an ApiError. */
export class PolicyClient {
  readonly #api: ApiClient

  constructor(api: ApiClient) {
    this.#api = api
  }

  status(): Promise<PolicyView> {
    return this.#ask('GET', '', isPolicyView)
  }

  propose(bundle: Uint8Array<ArrayBuffer>): Promise<ProposalView> {
    return this.#ask('POST', '/proposals', isProposalView, { kind: 'bytes', type: 'application/gzip', bytes: bundle })
  }

  reportTest(digest: string, statement: unknown): Promise<ProposalView> {
    return this.#ask('POST', `/proposals/${digest}/tests`, isProposalView, { kind: 'json', value: statement })
  }

  review(digest: string, answer: 'approve' | 'reject', reason: string | null): Promise<ProposalView> {
    return this.#ask('POST', `/proposals/${digest}/review`, isProposalView, json({ answer, reason }))
  }

  activate(digest: string): Promise<PolicyView> {
    return this.#ask('POST', '/activate', isPolicyView, json({ digest }))
  }

  rollback(): Promise<PolicyView> {
    return this.#ask('POST', '/rollback', isPolicyView, json({}))
  }

  shadowStatus(): Promise<ShadowStatus> {
    return this.#ask('GET', '/shadow', isShadowView)
  }

  shadow(digest: string): Promise<ShadowStatus> {
    return this.#ask('POST', '/shadow', isShadowView, json({ digest }))
  }

  endShadow(): Promise<ShadowStatus> {
    return this.#ask('DELETE', '/shadow', isShadowView, json({}))
  }

  /** A bundle's file is proposed, which changes nothing where it is already; a digest may be cut short. */
  async named(bundle: string): Promise<ProposalView> {
    if (!/^[0-9a-f]{8,64}$/.test(bundle)) return this.propose(await bundleFile(bundle))
    const { proposals } = await this.status()
    const meant = proposals.filter(({ policy }) => policy.digest.startsWith(bundle))
    if (meant.length === 1 && meant[0] !== undefined) return meant[0]
    throw new UsageError(
      `${meant.length === 0 ? 'no proposal has' : 'several proposals have'} a digest that begins with ${bundle}`,
    )
  }

  async #ask<T>(method: string, path: string, is: (value: unknown) => value is T, body?: Body): Promise<T> {
    const answer = await this.#api.ask(method, `v1/policy${path}`, body)
    if (is(answer)) return answer
    throw this.#api.strange()
  }
}

function json(value: object): Body {
  return { kind: 'json', value }
}

export async function bundleFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'it failed'
    throw new UsageError(`${path} can't be read (${reason}), and is no digest`)
  }
}

import { isApprovalView, type ApprovalView } from '../console/approval-view.ts'
import type { GrantAsk } from '../engine/index.ts'
import type { ApiClient } from './api-client.ts'

/** The grants API of one gateway. Every failure is an ApiError. */
export class GrantsClient {
  readonly #api: ApiClient

  constructor(api: ApiClient) {
    this.#api = api
  }

  async list(state: string | null): Promise<readonly ApprovalView[]> {
    const query = state === null ? '' : `?state=${encodeURIComponent(state)}`
    const answer = await this.#api.ask('GET', `v1/grants${query}`)
    const grants: unknown = 'grants' in answer ? answer.grants : null
    if (Array.isArray(grants) && grants.every(isApprovalView)) return grants
    throw this.#api.strange()
  }

  get(id: string): Promise<ApprovalView> {
    return this.#one('GET', `/${encodeURIComponent(id)}`)
  }

  ask(asked: GrantAsk): Promise<ApprovalView> {
    return this.#one('POST', '', asked)
  }

  revoke(id: string, reason: string | null): Promise<ApprovalView> {
    return this.#one('POST', `/${encodeURIComponent(id)}/revoke`, { reason })
  }

  review(id: string, finding: 'justified' | 'unjustified', reason: string): Promise<ApprovalView> {
    return this.#one('POST', `/${encodeURIComponent(id)}/review`, { finding, reason })
  }

  async #one(method: string, path: string, value?: object): Promise<ApprovalView> {
    const body = value === undefined ? undefined : ({ kind: 'json', value } as const)
    const answer = await this.#api.ask(method, `v1/grants${path}`, body)
    if (isApprovalView(answer)) return answer
    throw this.#api.strange()
  }
}

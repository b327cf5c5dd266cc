import { isApprovalView, type ApprovalView } from '../console/approval-view.ts'
import type { ApiClient } from './api-client.ts'

/** The approvals API of one gateway. Every failure is an ApiError. */
export class ApprovalsClient {
  readonly #api: ApiClient

  constructor(api: ApiClient) {
    this.#api = api
  }

  async list(state: string | null): Promise<readonly ApprovalView[]> {
    const query = state === null ? '' : `?state=${encodeURIComponent(state)}`
    const answer = await this.#api.ask('GET', `v1/approvals${query}`)
    const approvals: unknown = 'approvals' in answer ? answer.approvals : null
    if (Array.isArray(approvals) && approvals.every(isApprovalView)) return approvals
    throw this.#api.strange()
  }

  get(id: string): Promise<ApprovalView> {
    return this.#one('GET', encodeURIComponent(id))
  }

  answer(id: string, answer: 'approve' | 'deny', reason: string | null): Promise<ApprovalView> {
    return this.#one('POST', `${encodeURIComponent(id)}/${answer}`, { reason })
  }

  async #one(method: string, path: string, value?: object): Promise<ApprovalView> {
    const body = value === undefined ? undefined : ({ kind: 'json', value } as const)
    const answer = await this.#api.ask(method, `v1/approvals/${path}`, body)
    if (isApprovalView(answer)) return answer
    throw this.#api.strange()
  }
}

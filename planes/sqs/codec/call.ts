import type { JsonObject } from '../../../engine/index.ts'
import type { ActionName } from './operations.ts'

/** Which of the two the caller speaks, and is answered in. */
export type Protocol = 'json' | 'query'

/** One operation as it was asked for, whichever way it was written: members by their JSON names, each of its kind. */
export interface Call {
  readonly protocol: Protocol
  readonly action: ActionName
  readonly input: JsonObject
}

/** An answer's bytes and what stands before them. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** An error as SQS writes them; `query` is its other name in the Query protocol and in `x-amzn-query-error`. */
export interface Fault {
  readonly status: number
  /** `QueueDoesNotExist`. */
  readonly code: string
  /** `AWS.SimpleQueueService.NonExistentQueue`. */
  readonly query: string
  readonly sender: boolean
  readonly message: string
  /** Headers of its own, such as `x-approval-id`. */
  readonly headers?: Readonly<Record<string, string>>
}

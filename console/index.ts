/** The gateway's HTTP API for people. */
export type { ApprovalView } from './approval-view.ts'
export type { Auditors } from './approval-routes.ts'
export { openApi, type ApiOptions, type RunningApi } from './server.ts'

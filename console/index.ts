/** The gateway's HTTP API for people. */
export { openApi, type ApiOptions, type RunningApi } from './server.ts'
export { replayPage } from './replay-page.ts'

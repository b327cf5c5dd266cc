import { BACKEND, FRONTEND } from './message-types.ts'

/** The largest length field that each type byte may carry; 0 where the type is not one this side may send. */
export type FrameLimits = Int32Array

const EMPTY_BODY = 4
const READY_FOR_QUERY = 5
/** Process id and a key of up to 256 bytes (protocol 3.2). */
const BACKEND_KEY = 4 + 4 + 256
/** Names, tags and authentication steps. Tokens that are handed over as a password exceed 1 KB, never this. */
const SHORT_BODY = 64 * 1024

/** What a client may send. `maxFrameBytes` bounds Query, Parse, Bind, CopyData and FunctionCall. */
export function frontendLimits(maxFrameBytes: number): FrameLimits {
  return limits(maxFrameBytes, Object.values(FRONTEND), [
    [EMPTY_BODY, [FRONTEND.sync, FRONTEND.flush, FRONTEND.terminate, FRONTEND.copyDone]],
    [SHORT_BODY, [FRONTEND.describe, FRONTEND.execute, FRONTEND.close, FRONTEND.password, FRONTEND.copyFail]],
  ])
}

/** What a server may send. `maxFrameBytes` bounds rows, their descriptions, copied data and texts. */
export function backendLimits(maxFrameBytes: number): FrameLimits {
  return limits(maxFrameBytes, Object.values(BACKEND), [
    [
      EMPTY_BODY,
      [
        BACKEND.parseComplete,
        BACKEND.bindComplete,
        BACKEND.closeComplete,
        BACKEND.noData,
        BACKEND.portalSuspended,
        BACKEND.emptyQueryResponse,
        BACKEND.copyDone,
      ],
    ],
    [READY_FOR_QUERY, [BACKEND.readyForQuery]],
    [BACKEND_KEY, [BACKEND.backendKeyData]],
    [SHORT_BODY, [BACKEND.authentication, BACKEND.commandComplete, BACKEND.negotiateProtocolVersion]],
  ])
}

function limits(
  maxFrameBytes: number,
  types: readonly number[],
  tighter: readonly (readonly [cap: number, types: readonly number[]])[],
): FrameLimits {
  const table = new Int32Array(256)
  for (const type of types) table[type] = maxFrameBytes
  for (const [cap, capped] of tighter) {
    for (const type of capped) table[type] = Math.min(cap, maxFrameBytes)
  }
  return table
}

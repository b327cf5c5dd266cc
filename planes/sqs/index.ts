import { MASK_METHODS, type Plane } from '../../engine/index.ts'
import { configure, type SqsConfig } from './config.ts'
import { openListener } from './listener.ts'

/** Amazon SQS in both of its protocols: each message decided by itself, masked on its way, handles bound to who received it. */
export const sqs: Plane<SqsConfig> = {
  id: 'sqs',
  configure,
  enforces: () => ({ maskMethods: MASK_METHODS, hold: true, limits: false }),
  open: openListener,
}
export { reachUpstream } from './probe.ts'
export { type Finding, waysAround } from './ways-around.ts'

import { StateError } from '../errors.ts'

/** How long a change waits for another gateway's of the same hold; that takes milliseconds, unless that gateway died. */
const CONTENDED_MS = 5_000
const CONTENDED_POLL_MS = 25

/** Another gateway is changing this hold, or has since it was read: not for callers, who get ERR_STATE_BUSY when it lasts. */
export class Contended extends Error {}

/** Does the work again, from what the store then has, while another gateway is changing the same. */
export async function uncontended<Result>(
  work: () => Promise<Result>,
  pause: (ms: number) => Promise<unknown>,
): Promise<Result> {
  for (let waited = 0; ; waited += CONTENDED_POLL_MS) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Contended)) throw error
      if (waited >= CONTENDED_MS) throw busy()
    }
    await pause(CONTENDED_POLL_MS)
  }
}

function busy(): StateError {
  const message = 'another gateway has been changing this hold for seconds: ask again; if that gateway died, start it'
  return new StateError('ERR_STATE_BUSY', message, { retryable: true })
}

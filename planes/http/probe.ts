import { UpstreamError } from '../../engine/index.ts'
import type { HttpConfig } from './config.ts'
import { Upstreams } from './embedded/upstream.ts'
import { NO_BYTES } from './message.ts'

const PATIENCE_MS = 10_000

/** Asks each API for its root as the gateway would, credentials and all; resolves with what to tell about them. Throws UpstreamError. */
export async function reachUpstream({ apis, limits }: HttpConfig): Promise<string> {
  const upstreams = new Upstreams(limits.answerMs)
  try {
    const told: string[] = []
    for (const api of apis) {
      const head = {
        version: '1.1',
        method: 'GET',
        scheme: 'http',
        authority: api.origin.host,
        target: '/',
        headers: [],
      } as const
      const headers = await api.credentials.headers({ head, body: NO_BYTES })
      const { head: answer, body } = await upstreams.send(
        api,
        { ...head, headers },
        null,
        null,
        AbortSignal.timeout(PATIENCE_MS),
      )
      body.destroy()
      body.on('error', () => undefined)
      if (answer.status === 401)
        throw new UpstreamError(
          'ERR_UPSTREAM_AUTH',
          `${api.name} at ${api.origin.origin} refuses the gateway's credentials: 401`,
        )
      told.push(`${api.name} at ${api.origin.origin} answers`)
    }
    return told.join('; ')
  } finally {
    await upstreams.close()
  }
}

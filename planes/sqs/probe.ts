import { UpstreamError } from '../../engine/index.ts'
import type { SqsConfig } from './config.ts'
import { SqsUpstream } from './upstream.ts'
import { credentialSource } from './upstream-credentials.ts'

/** Asks the service for one queue's name as the gateway would; resolves with what to tell about it. Throws UpstreamError. */
export async function reachUpstream({ upstream, place }: SqsConfig): Promise<string> {
  const service = new SqsUpstream(upstream, place.region, await credentialSource(upstream, place.region))
  try {
    const answer = await service.call('ListQueues', { MaxResults: 1 }, null, AbortSignal.timeout(10_000))
    if (answer.kind === 'ok') return `${upstream.endpoint} answers in ${place.region}, account ${place.account}`
    const { status, code } = answer.fault
    throw new UpstreamError('ERR_UPSTREAM_QUERY', `${upstream.endpoint} refuses ListQueues: ${status} ${code}`)
  } finally {
    await service.close()
  }
}

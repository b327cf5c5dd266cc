import { addAbortListener } from 'node:events'
import { UpstreamError } from '../../engine/index.ts'

export interface RdsIam {
  readonly region: string
  /** As the token names the server: RDS checks it. A tunnel's own address is not it. */
  readonly hostname: string
  readonly port: number
  readonly username: string
}

/**
 * Makes a password for one connection to an RDS server with IAM authentication: a request that AWS has signed, good for 15
 * minutes. Credentials come as the AWS SDK finds them: environment, shared files, container, instance. A failure of theirs
 * ends the connection; its text stays out of the error, it may name secrets.
 */
export function rdsTokens({ region, hostname, port, username }: RdsIam): (signal: AbortSignal) => Promise<string> {
  return async (signal) => {
    const { Signer } = await import('@aws-sdk/rds-signer')
    try {
      return await before(signal, new Signer({ region, hostname, port, username }).getAuthToken())
    } catch (cause) {
      const name = cause instanceof Error ? cause.name : 'unknown'
      const message = `no RDS token could be made (${name}): are there AWS credentials for this process?`
      throw new UpstreamError('ERR_UPSTREAM_AUTH', message, { cause, retryable: true })
    }
  }
}

/** The SDK takes no signal: what it finds out too late is let go. */
async function before(signal: AbortSignal, token: Promise<string>): Promise<string> {
  signal.throwIfAborted()
  const ended = Promise.withResolvers<never>()
  using _ = addAbortListener(signal, () => ended.reject(signal.reason))
  return Promise.race([token, ended.promise])
}

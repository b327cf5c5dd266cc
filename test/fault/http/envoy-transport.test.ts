import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Client, credentials } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { countersign } from '../../support/command.ts'
import { findEnvoy } from '../../support/envoy.ts'
import { startHttpStack } from '../../support/http-stack.ts'

const hasEnvoy = findEnvoy() !== null

async function masked({ line }: Awaited<ReturnType<typeof startHttpStack>>): Promise<string> {
  const headers = { authorization: `Bearer ${line.principals.agent.token}` }
  return (await fetch(`${line.gateway.url}/customers/1`, { headers })).text()
}

test.skipIf(!hasEnvoy)('over a Unix socket that nobody else may open', async () => {
  const stack = await startHttpStack({ maskFields: ['ssn'], envoy: { over: 'socket' } })
  try {
    expect(await masked(stack)).toContain('[redacted]')
    expect((await stat(join(stack.line.config, '..', 'envoy.sock'))).mode & 0o007).toBe(0)
    await stack.gateway.kill9() // the socket's file stays behind, and is no hindrance
    await stack.gateway.restart()
    await expect.poll(() => masked(stack)).toContain('[redacted]')
  } finally {
    await stack.stop()
  }
})

test.skipIf(!hasEnvoy)('over TLS, where both ends prove themselves and nobody else is answered', async () => {
  const stack = await startHttpStack({ maskFields: ['ssn'], envoy: { over: 'tls' } })
  try {
    expect(await masked(stack)).toContain('[redacted]')
    const { host, port } = stack.line.envoy?.processor ?? { host: '', port: 0 }
    const ca = readFileSync(join(stack.line.config, '..', 'envoy-ca.pem'))
    const stranger = new Client(`localhost:${port}`, credentials.createSsl(ca))
    const asked = new Promise((resolve, reject) => {
      stranger.waitForReady(Date.now() + 2000, (error) => (error === undefined ? resolve(host) : reject(error)))
    })
    await expect(asked).rejects.toThrow('Failed to connect')
    stranger.close()
    const { code, err } = await countersign('envoy', 'bootstrap', '--config', stack.line.config)
    expect(code).not.toBe(0) // for an Envoy that couldn't prove itself
    expect(err).toContain('envoy.control.tls: expected --cert, --key and --ca')
  } finally {
    await stack.stop()
  }
})

import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { findEnvoy } from '../../support/envoy.ts'
import { freePort } from '../../support/free-port.ts'
import { GrpcMiddleman } from '../../support/grpc-middleman.ts'
import { startHttpStack } from '../../support/http-stack.ts'

const hasEnvoy = findEnvoy() !== null

test.skipIf(!hasEnvoy)('one of two processors dies: Envoy leaves it out, and takes it back', async () => {
  const other = new GrpcMiddleman(await freePort())
  await other.listen()
  const own = await freePort()
  const stack = await startHttpStack({
    maskFields: ['ssn'],
    envoy: {
      control: own,
      dial: [`127.0.0.1:${own}`, `127.0.0.1:${other.port}`],
      onGateway: (processor) => (other.target = processor),
    },
  })
  try {
    const headers = { authorization: `Bearer ${stack.line.principals.agent.token}` }
    const ask = async (): Promise<boolean> => {
      const answer = await fetch(`${stack.line.gateway.url}/customers/1`, { headers })
      const text = await answer.text()
      expect(text).not.toContain('900-11-1111')
      return answer.status === 200 && text.includes('[redacted]')
    }
    const allGood = async (): Promise<boolean> => {
      for (let each = 0; each < 20; each += 1) if (!(await ask())) return false
      return true
    }
    const healthy = async (): Promise<number | undefined> =>
      (await stack.envoy?.stats('countersign_processor.membership_healthy'))?.[
        'cluster.countersign_processor.membership_healthy'
      ]
    await expect.poll(healthy).toBe(2)
    expect(await allGood()).toBe(true)
    await other.down()
    await expect.poll(healthy).toBe(1)
    expect(await allGood()).toBe(true)
    await other.listen()
    await expect.poll(healthy).toBe(2)
    expect(await allGood()).toBe(true)
  } finally {
    await stack.stop()
    await other.close()
  }
})

test.skipIf(!hasEnvoy)('a gateway that is told to stop finishes what runs', async () => {
  const asked = Promise.withResolvers<void>()
  const answers = Promise.withResolvers<void>()
  const api = createServer((_request, response) => {
    asked.resolve()
    void answers.promise.then(() => response.setHeader('content-type', 'application/json').end('{"ssn":"900-11-1111"}'))
  })
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
  const address = api.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const stack = await startHttpStack({ upstream: `http://127.0.0.1:${port}`, envoy: {}, maskFields: ['ssn'] })
  try {
    const headers = { authorization: `Bearer ${stack.line.principals.agent.token}` }
    const running = fetch(`${stack.line.gateway.url}/`, { headers })
    await asked.promise
    const stopped = stack.gateway.stop()
    await expect.poll(() => stack.gateway.log).toContain('gateway.draining')
    answers.resolve()
    const answer = await running
    expect([answer.status, await answer.text()]).toEqual([200, '{"ssn":"[redacted]"}'])
    expect(await stopped).toBe(0)
  } finally {
    await stack.stop()
    api.close().closeAllConnections()
  }
})

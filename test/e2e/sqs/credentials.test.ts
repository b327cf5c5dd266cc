import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ListQueuesCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { answerHold } from '../../support/sqs-approvals.ts'
import { assumeRole, type RawAnswer, sendRaw, signedJson } from '../../support/sqs-client.ts'
import { type SqsStack, startSqsStack } from '../../support/sqs-stack.ts'

let stack: SqsStack

beforeAll(async () => {
  stack = await startSqsStack()
})
afterAll(() => stack.stop())

async function listedWith(env: Readonly<Record<string, string>>): Promise<number> {
  const { AWS_REGION = '', AWS_ENDPOINT_URL_SQS = '' } = stack.line.env
  const script =
    "import('@aws-sdk/client-sqs').then(async ({ SQSClient, ListQueuesCommand }) => console.log((await new SQSClient().send(new ListQueuesCommand({}))).QueueUrls.length))"
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], {
    env: { PATH: process.env['PATH'], HOME: stack.line.dataDir, AWS_REGION, AWS_ENDPOINT_URL_SQS, ...env },
  })
  return Number(stdout)
}

test('an SDK gets its credentials as a container does', async () => {
  const found = await listedWith({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${stack.line.gateway.url}/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: stack.line.principals.agent.token,
  })
  expect(found).toBe(6)
})

test('an SDK gets its credentials from countersign aws-credentials', async () => {
  const main = join(import.meta.dirname, '../../../cli/main.ts')
  const { url } = stack.line.gateway
  const file = stack.line.env['AWS_WEB_IDENTITY_TOKEN_FILE'] ?? ''
  const config = join(stack.line.dataDir, 'aws-config')
  const command = `${process.execPath} ${main} aws-credentials --gateway ${url} --token-file ${file}`
  await writeFile(config, `[default]\ncredential_process = ${command}\n`)
  expect(await listedWith({ AWS_CONFIG_FILE: config })).toBe(6)
})

test('a forged token gets none, and that is recorded by its code', async () => {
  const forged = `${stack.line.principals.agent.token.slice(0, -4)}AAAA`
  await expect(assumeRole(stack.line.gateway.url, forged)).rejects.toThrow('InvalidIdentityToken')
  const { stdout } = await promisify(execFile)('grep', [
    '-rhc',
    'ERR_IDENTITY_SIGNATURE',
    join(stack.evidence, 'records'),
  ])
  expect(Number(stdout)).toBeGreaterThan(0)
})

test('a poll ends at the service when its client goes, and what it might have received is in doubt', async () => {
  const { url } = stack.line.gateway
  for (const [name, value] of Object.entries(stack.line.env)) vi.stubEnv(name, value)
  onTestFinished(() => void vi.unstubAllEnvs())
  const client = new SQSClient()
  const aborting = new AbortController()
  const QueueUrl = `${url}/000000000000/tasks`
  const polling = client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }), {
    abortSignal: aborting.signal,
  })
  await expect.poll(() => recorded('decision.forward', 'ReceiveMessage tasks'), { timeout: 10_000 }).toBe(true)
  aborting.abort()
  await expect(polling).rejects.toThrow('abort')
  await expect.poll(() => recorded('outcome.unknown', 'ERR_UPSTREAM_CLOSED'), { timeout: 10_000 }).toBe(true)
  expect((await client.send(new ListQueuesCommand({}))).QueueUrls).toHaveLength(6)
})

test('a service that is gone is told as such, and nothing is made up', async () => {
  const keys = await assumeRole(stack.line.gateway.url, stack.line.principals.agent.token)
  const { url } = stack.line.gateway
  const send = (QueueUrl: string): Promise<RawAnswer> =>
    sendRaw(url, signedJson(keys, url, 'SendMessage', { QueueUrl, MessageBody: 'x' }))
  const [, approval = ''] = /approval (\S+),/.exec((await send('corrections')).body) ?? []
  expect(await answerHold(stack.line, 'approver', approval, 'approve')).toBe(200)
  await stack.service.stop()
  // What was approved is tried for as long as its client waits; then its approval is spent, and not answered with for ever.
  const approved = await send('corrections')
  expect([approved.status, approved.body]).toEqual([503, expect.stringContaining('the approval is spent')])
  const [, again = ''] = /approval (\S+),/.exec((await send('corrections')).body) ?? []
  expect([again === '', again === approval]).toEqual([false, false])
  const answer = await send('tasks')
  expect(answer.status).toBe(503)
  expect(answer.headers.get('x-amzn-query-error')).toBe('ServiceUnavailable;Receiver')
})

async function recorded(event: string, word: string): Promise<boolean> {
  const lines = await promisify(execFile)('grep', ['-rh', event, join(stack.evidence, 'records')]).catch(() => null)
  return lines?.stdout.includes(word) ?? false
}

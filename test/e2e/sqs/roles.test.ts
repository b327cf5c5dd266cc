import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs'
import { AssumeRoleWithSAMLCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startQueueService } from '../../support/queue-service.ts'
import { samlIdentityProvider } from '../../support/saml-provider.ts'
import { assumeRole, sendRaw, signedJson } from '../../support/sqs-client.ts'
import { type SqsStack, startSqsStack } from '../../support/sqs-stack.ts'

const ROLE = 'arn:aws:iam::000000000000:role/countersign-sqs'
const saml = samlIdentityProvider()
const opened = new AsyncDisposableStack()
const asked: URLSearchParams[] = []
const sent: { readonly target: string; readonly akid: string; readonly token: string }[] = []
let stack: SqsStack

/** STS and SQS in one: hands out a session for each AssumeRole, and remembers which one each call to SQS came with. */
beforeAll(async () => {
  const fauxqs = await startQueueService('fauxqs', () => undefined)
  opened.defer(() => fauxqs.stop())
  const server = createServer((request, response) => void answer(request, response, fauxqs.url))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.defer(() => void server.close())
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`
  const tags = { agent: 'id', owner: 'owner', groups: 'groups' }
  const credentials = { access_key_id: 'UPSTREAM', secret_access_key: { file: './upstream.secret' } }
  stack = await startSqsStack({
    upstream: url,
    saml: saml.provider,
    plane: { upstream: { endpoint: url, credentials, assume_role: { arn: ROLE, endpoint: url, tags } } },
  })
  opened.defer(() => stack.stop())
})
afterAll(() => opened.disposeAsync())

async function answer(request: IncomingMessage, response: ServerResponse, service: string): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString('utf8')
  const { 'content-type': type = '', 'x-amz-target': target, authorization = '' } = request.headers
  if (target === undefined) {
    asked.push(new URLSearchParams(body))
    response.end(session(asked.length))
    return
  }
  const [, akid = ''] = /Credential=([^/]+)/.exec(authorization) ?? []
  sent.push({ target: String(target), akid, token: String(request.headers['x-amz-security-token'] ?? '') })
  const headers = { 'content-type': type, 'x-amz-target': String(target), authorization }
  const forwarded = await fetch(service, { method: 'POST', headers, body })
  response.writeHead(forwarded.status, { 'content-type': 'application/x-amz-json-1.0' })
  response.end(await forwarded.text())
}

function session(number: number): string {
  const until = new Date(Date.now() + 3600_000).toISOString()
  return `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIASESSION${number}</AccessKeyId><SecretAccessKey>s${number}</SecretAccessKey><SessionToken>token-${number}</SessionToken><Expiration>${until}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
}

const agent = { nameId: 'reconciler', attributes: { kind: ['agent'], groups: ['agents'], owner: ['olivia'] } }

function assertion(SAMLAssertion: string): AssumeRoleWithSAMLCommand {
  const PrincipalArn = 'arn:aws:iam::000000000000:saml-provider/bank'
  return new AssumeRoleWithSAMLCommand({ RoleArn: ROLE, PrincipalArn, SAMLAssertion })
}

test('an agent is tagged at the service with who it is, in one session for all its calls', async () => {
  const { url } = stack.line.gateway
  const keys = await assumeRole(url, stack.line.principals.agent.token)
  const before = asked.length
  await Promise.all([1, 2, 3].map(() => sendRaw(url, signedJson(keys, url, 'ListQueues', {}))))
  await sendRaw(url, signedJson(keys, url, 'SendMessage', { QueueUrl: 'tasks', MessageBody: 'x' }))
  expect(asked).toHaveLength(before + 1)
  const form = Object.fromEntries(asked.at(-1) ?? [])
  expect(form).toMatchObject({ Action: 'AssumeRole', RoleArn: ROLE, RoleSessionName: 'reconciler' })
  const tags = [1, 2, 3].map((n) => [form[`Tags.member.${n}.Key`], form[`Tags.member.${n}.Value`]])
  expect(Object.fromEntries(tags)).toEqual({ agent: 'reconciler', owner: 'olivia', groups: 'agents' })
  expect(sent.at(-1)).toEqual({
    target: 'AmazonSQS.SendMessage',
    akid: `ASIASESSION${asked.length}`,
    token: `token-${asked.length}`,
  })
})

test('another agent has a session of its own', async () => {
  const { url } = stack.line.gateway
  const subject = { subject: 'other-agent', claims: { kind: 'agent', groups: ['agents'], owner: 'olivia' } }
  const other = await assumeRole(url, await stack.identity.tokenWith(subject))
  const before = asked.length
  const answered = await sendRaw(url, signedJson(other, url, 'ListQueues', {}))
  expect(answered.status).toBe(403) // not registered: refused before there is a session for it
  expect(asked).toHaveLength(before)
})

test('an SDK gets credentials for a SAML assertion, once', async () => {
  const endpoint = stack.line.gateway.url
  const sts = new STSClient({ region: 'us-east-1', endpoint, credentials: { accessKeyId: 'x', secretAccessKey: 'x' } })
  opened.defer(() => sts.destroy())
  const response = await saml.respond(agent)
  const { Credentials, AssumedRoleUser, Subject, Issuer } = await sts.send(assertion(response))
  expect(Subject).toBe('reconciler')
  expect(Issuer).toBe(saml.provider.issuer)
  expect(AssumedRoleUser?.Arn).toBe('arn:aws:sts::000000000000:assumed-role/countersign-sqs/reconciler')
  const credentials = {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
  const sqs = new SQSClient({ region: 'us-east-1', endpoint, credentials })
  opened.defer(() => sqs.destroy())
  expect((await sqs.send(new ListQueuesCommand({}))).QueueUrls).toHaveLength(6)
  const who = new STSClient({ region: 'us-east-1', endpoint, credentials })
  opened.defer(() => who.destroy())
  expect((await who.send(new GetCallerIdentityCommand({}))).Arn).toBe(AssumedRoleUser?.Arn)
  await expect(sts.send(assertion(response))).rejects.toMatchObject({ name: 'InvalidIdentityTokenException' })
})

test.each<[string, () => Promise<string>]>([
  ['meant for another', () => saml.respond({ ...agent, audience: 'https://elsewhere' })],
  ['that is over', () => saml.respond({ ...agent, notOnOrAfter: new Date(Date.now() - 600_000) })],
  ['that nobody signed', () => Promise.resolve(Buffer.from(saml.assertion(agent)).toString('base64'))],
  ['of another provider', () => samlIdentityProvider().respond(agent)],
])('an assertion %s is refused', async (_what, make) => {
  const endpoint = stack.line.gateway.url
  const sts = new STSClient({ region: 'us-east-1', endpoint, credentials: { accessKeyId: 'x', secretAccessKey: 'x' } })
  opened.defer(() => sts.destroy())
  await expect(sts.send(assertion(await make()))).rejects.toMatchObject({
    name: expect.stringMatching(/^(?:InvalidIdentityToken|ExpiredToken)Exception$/),
  })
})

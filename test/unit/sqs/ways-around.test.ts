import { expect, test } from 'vitest'
import { type AgentSurroundings, waysAround } from '../../../planes/sqs/ways-around.ts'

const GATEWAY = 'https://queues.bank.example:8443'
const GOOD = {
  AWS_REGION: 'eu-central-1',
  AWS_ROLE_ARN: 'arn:aws:iam::000000000000:role/agent',
  AWS_WEB_IDENTITY_TOKEN_FILE: '/run/token',
  AWS_ENDPOINT_URL_STS: GATEWAY,
  AWS_ENDPOINT_URL_SQS: `${GATEWAY}/`,
  AWS_EC2_METADATA_DISABLED: 'true',
}

function openFor(more: Partial<AgentSurroundings>): readonly string[] {
  const findings = waysAround({ gateway: GATEWAY, env: GOOD, profiles: {}, files: {}, ...more })
  expect(findings.every(({ kind, remedy }) => (kind === 'open') === (remedy !== ''))).toBe(true)
  return findings.filter(({ kind }) => kind === 'open').map(({ what, remedy }) => `${what} → ${remedy}`)
}

test('an agent that is set as docs/sqs.md says has no way around', () => {
  expect(openFor({})).toEqual([])
  const { AWS_ROLE_ARN: _role, AWS_WEB_IDENTITY_TOKEN_FILE: _file, ...rest } = GOOD
  expect(openFor({ env: { ...rest, AWS_CONTAINER_CREDENTIALS_FULL_URI: `${GATEWAY}/credentials` } })).toEqual([])
  const profile = { credential_process: `countersign aws-credentials --gateway ${GATEWAY}`, services: 'bank' }
  const services = { 'sqs.endpoint_url': GATEWAY, 'sts.endpoint_url': GATEWAY }
  expect(
    openFor({
      env: { AWS_PROFILE: 'agent', AWS_EC2_METADATA_DISABLED: 'true' },
      profiles: { agent: profile, 'services.bank': services },
    }),
  ).toEqual([])
})

test.each<[string, Partial<AgentSurroundings>, RegExp]>([
  ['no endpoint', { env: { ...GOOD, AWS_ENDPOINT_URL_SQS: '' } }, /no endpoint is set for SQS.*AWS_ENDPOINT_URL_SQS=/],
  ['a token for AWS’s STS', { env: { ...GOOD, AWS_ENDPOINT_URL_STS: undefined } }, /no endpoint is set for STS/],
  [
    'another endpoint',
    { env: { ...GOOD, AWS_ENDPOINT_URL_SQS: 'https://sqs.eu-central-1.amazonaws.com' } },
    /to https:\/\/sqs/,
  ],
  ['an endpoint that is ignored', { env: { ...GOOD, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' } }, /IGNORE/],
  [
    'one that the profile ignores',
    { profiles: { default: { ignore_configured_endpoint_urls: 'True' } } },
    /ignore_configured_endpoint_urls of the profile/,
  ],
  ['AWS’s own keys', { env: { ...GOOD, AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE' } }, /AWS_ACCESS_KEY_ID is set/],
  [
    'keys in a profile',
    { profiles: { default: { aws_access_key_id: 'AKIAEXAMPLE' } } },
    /profile has aws_access_key_id/,
  ],
  ['the instance’s role', { env: { ...GOOD, AWS_EC2_METADATA_DISABLED: undefined } }, /AWS_EC2_METADATA_DISABLED=true/],
  ['a proxy', { env: { ...GOOD, https_proxy: 'http://proxy:3128', NO_PROXY: 'ank.example' } }, /NO_PROXY=queues\.bank/],
  ['a queue URL of AWS', { env: { ...GOOD, JOBS: 'https://sqs.eu-central-1.amazonaws.com/1/jobs' } }, /JOBS holds/],
  ['one of the old form', { env: { ...GOOD, JOBS: 'x https://eu-west-1.queue.amazonaws.com/1/jobs' } }, /JOBS holds/],
  [
    'one in the program',
    { files: { 'src/jobs.py': "send(QueueUrl='https://sqs.us-east-1.amazonaws.com/123456789012/jobs')" } },
    /src\/jobs\.py holds https:\/\/sqs\.us-east-1\.amazonaws\.com\/123456789012\/jobs:.*useQueueUrlAsEndpoint/,
  ],
  ['JavaScript 2', { files: { 'package.json': '{"dependencies":{"aws-sdk":"2.1491.0"}}' } }, /JavaScript 2 knows no/],
  ['Go 1', { files: { 'go.mod': 'require github.com/aws/aws-sdk-go v1.55.0\n' } }, /Go 1 knows no/],
  [
    'Java 1',
    { files: { 'pom.xml': '<groupId>com.amazonaws</groupId><artifactId>aws-java-sdk-sqs</artifactId>' } },
    /Java 1/,
  ],
  ['old boto3', { files: { 'requirements.txt': 'boto3==1.26.5\n' } }, /boto3 before 1\.28/],
])('%s is a way around', (_what, more, told) => {
  const found = openFor(more)
  expect(found).toHaveLength(1)
  expect(found[0]).toMatch(told)
})

test('what knows how to go is left alone', () => {
  const files = {
    'package.json': '{"dependencies":{"@aws-sdk/client-sqs":"3.1175.0"}}',
    'go.mod': 'require github.com/aws/aws-sdk-go-v2 v1.40.0\n',
    'pom.xml': '<groupId>software.amazon.awssdk</groupId>',
    'requirements.txt': 'boto3==1.43.9\n',
    'main.py': `send(QueueUrl='${GATEWAY}/123456789012/jobs')`,
  }
  const env = { ...GOOD, https_proxy: 'http://proxy:3128', no_proxy: 'localhost, .bank.example' }
  expect(openFor({ files, env })).toEqual([])
})

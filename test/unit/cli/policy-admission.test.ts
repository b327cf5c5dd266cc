import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, type TestContext } from 'vitest'
import { configuredBundle, policyAdmission } from '../../../cli/policy-admission.ts'
import { loadConfig } from '../../../engine/config/index.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { toyRevision } from '../policy/bundles.ts'

const CONFIG = `instance: gw-1
evidence: { directory: ./evidence }
state: { file: ./state.db }
policy: { bundle: ./bundle.tar.gz, verify: none, slowest_decision: 5s }
identity: { issuers: [{ issuer: 'http://127.0.0.1:1', audience: countersign, algorithms: [RS256] }] }
planes:
  postgres:
    listen: { host: 127.0.0.1, port: 0 }
    plaintext: loopback
    upstream: { host: 127.0.0.1, port: 1, user: gateway, tls: off }
    databases: [bank]
`

/** A configuration with a bundle, as a gateway that starts finds it. */
async function configured(context: TestContext, bundle: Uint8Array) {
  const temporary = temporaryDirectory()
  context.onTestFinished(() => temporary[Symbol.dispose]())
  await mkdir(join(temporary.path, 'evidence'))
  await writeFile(join(temporary.path, 'bundle.tar.gz'), bundle)
  await writeFile(join(temporary.path, 'gateway.yaml'), CONFIG)
  return loadConfig(join(temporary.path, 'gateway.yaml'))
}

const NO_ENTRYPOINT = {
  code: 'ERR_POLICY_ENTRYPOINT',
  message: 'the policy has no entrypoint countersign/postgres/verdict for a configured plane; build the bundle with it',
}

test('a policy without an entrypoint for a configured plane is refused at the start, and when it is proposed later', async (context) => {
  const toy = await toyRevision('toy')
  const loaded = await configured(context, toy)
  const admit = policyAdmission(loaded, [{ id: 'postgres' }])
  await expect(configuredBundle(loaded, admit)).rejects.toMatchObject(NO_ENTRYPOINT)
  await expect(admit(toy)).rejects.toMatchObject(NO_ENTRYPOINT)
})

test('one that has an entrypoint for every configured plane, and perhaps for others, is admitted', async (context) => {
  const loaded = await configured(context, await readFile('policies/dist/allow-all.tar.gz'))
  const admit = policyAdmission(loaded, [{ id: 'postgres' }])
  const { policy } = await configuredBundle(loaded, admit)
  expect(policy.entrypoints).toEqual(expect.arrayContaining(['countersign/http/verdict', 'countersign/sqs/verdict']))
  await expect(
    policyAdmission(loaded, [{ id: 'kafka' }])(await readFile('policies/dist/allow-all.tar.gz')),
  ).rejects.toThrow('countersign/kafka/verdict')
})

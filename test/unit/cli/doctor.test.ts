import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { main } from '../../../cli/main.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const GATEWAY = 'https://queues.bank.example'

async function doctor(env: Readonly<Record<string, string>>, ...argv: string[]): Promise<readonly [number, string]> {
  let said = ''
  const stdout = { write: (text: string) => (said += text) }
  const code = await main(['doctor', ...argv], { stdout, stderr: stdout, env })
  return [code, said]
}

test('an agent’s profile and its program are read as its SDK would', async () => {
  using directory = temporaryDirectory()
  const [config, keys, source] = ['config', 'credentials', 'agent'].map((name) => join(directory.path, name))
  await mkdir(join(source ?? '', 'node_modules', 'aws-sdk'), { recursive: true })
  await writeFile(
    config ?? '',
    `[profile agent]\nservices = bank\ncredential_process = countersign aws-credentials --gateway ${GATEWAY}\n[services bank]\nsqs =\n  endpoint_url = ${GATEWAY}\nsts =\n  endpoint_url = ${GATEWAY}\n`,
  )
  await writeFile(join(source ?? '', 'agent.py'), 'QUEUE = "jobs"\n')
  await writeFile(join(source ?? '', 'node_modules', 'aws-sdk', 'package.json'), '{"aws-sdk":1}')
  const env = {
    AWS_PROFILE: 'agent',
    AWS_CONFIG_FILE: config ?? '',
    AWS_SHARED_CREDENTIALS_FILE: keys ?? '',
    AWS_EC2_METADATA_DISABLED: 'true',
  }
  const [code, said] = await doctor(env, '--gateway', GATEWAY, '--source', source ?? '')
  expect(said).not.toMatch(/OPEN|\?/)
  expect(code).toBe(0)
  await writeFile(keys ?? '', '[agent]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = x\n')
  await writeFile(join(source ?? '', 'agent.py'), 'QUEUE = "https://sqs.eu-central-1.amazonaws.com/1/jobs"\n')
  const [worse, told] = await doctor(env, '--gateway', GATEWAY, '--source', source ?? '')
  expect(worse).toBe(1)
  expect(told.match(/^OPEN .*$/gm)).toEqual([
    'OPEN  the profile has aws_access_key_id: it may lead to credentials that are good at AWS',
    'OPEN  agent.py holds https://sqs.eu-central-1.amazonaws.com/1/jobs: some SDKs send to that host',
  ])
})

test('a program that can’t be looked at is told, and wrong usage too', async () => {
  const [, said] = await doctor({}, '--gateway', GATEWAY, '--source', '/nowhere/at/all')
  expect(said).toMatch(/\? {5}.*nowhere/)
  for (const argv of [
    [],
    ['--gateway', 'bank'],
    ['--gateway', GATEWAY, '--config', 'x'],
    ['--upstream', 'h', '--source', '.'],
  ])
    expect((await doctor({}, ...argv))[0]).toBe(64)
})

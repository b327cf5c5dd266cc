/**
 * SQS's clients, each with the environment alone where it can: `npm run drivers:sqs [-- NAME…]`. What is not installed is
 * fetched into .cache by the language's own package tool. Prints a table and exits 1 when a step comes out otherwise.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual, promisify } from 'node:util'
import { findPython } from '../support/python.ts'
import { type SqsStack, startSqsStack } from '../support/sqs-stack.ts'

const run = promisify(execFile)
const HERE = fileURLToPath(new URL('sqs-programs/', import.meta.url))
const BOTO3_SESSION = fileURLToPath(new URL('../e2e/sqs/boto3-session.py', import.meta.url))
const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))

type Environment = Readonly<Record<string, string | undefined>>

/** A client: runs one session against the gateway and prints a JSON line a step. `nonce` makes its messages its own. */
type Client = (env: Environment, nonce: string) => Promise<string>

const CLIENTS: Readonly<Record<string, Client>> = {
  'boto3 1.28.81': (env, nonce) => python(['boto3==1.28.81'], [BOTO3_SESSION, nonce], env),
  'boto3 1.43.9': (env, nonce) => python(['boto3==1.43.9'], [BOTO3_SESSION, nonce], env),
  'aws-sdk 2.1400.0': (env, nonce) => javascript2('2.1400.0', env, nonce), // the Query protocol
  'aws-sdk 2.1491.0': (env, nonce) => javascript2('2.1491.0', env, nonce), // JSON, content-type unsigned
  'Go v2': async (env, nonce) => {
    const binary = join(CACHE, 'sqs-session-go')
    await run('go', ['build', '-o', binary, '.'], { cwd: join(HERE, 'go') })
    return output(binary, [nonce], env)
  },
  'Java v2': async (env, nonce) => {
    const target = join(CACHE, 'sqs-session-java')
    const maven = ['-q', '-B', '-f', join(HERE, 'java', 'pom.xml'), `-DbuildDirectory=${target}`]
    await run('mvn', [...maven, 'compile', 'dependency:build-classpath', `-Dmdep.outputFile=${target}.classpath`])
    const { stdout: classpath } = await run('cat', [`${target}.classpath`])
    return output('java', ['-cp', `${target}/classes:${classpath.trim()}`, 'Session', nonce], env)
  },
  'Celery 5.5.3': (env) => python(['celery[sqs]==5.5.3'], [join(HERE, 'celery-worker.py')], env),
}

const MASKED = { customer: { ssn: '*******6789', email: 'a***@***' }, account_number: '******3210' }
const WANTED: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  received: { body: '<a> & "b"\r\n€', blob: [0, 255] },
  filtered: { attributes: ['blob'] },
  masked: { body: MASKED, attributes: ['account', 'topic'] },
  batch: { successful: ['a', 'b'] },
  pending: {
    failed: [
      ['c', 'ApprovalPending'],
      ['d', 'AccessDenied'],
    ],
  },
  fifo: { body: 'in order', deleted: 'done' },
  unlisted: { code: 'AccessDenied' },
  purge: { code: 'AccessDenied' },
}
const CELERY = { celery: { seen: [1, 2] } }

async function main(names: readonly string[]): Promise<number> {
  const clients = Object.entries(CLIENTS).filter(
    ([name]) => names.length === 0 || names.some((each) => name.startsWith(each)),
  )
  let surprises = 0
  for (const [name, client] of clients) {
    const stack = await startSqsStack()
    try {
      await putPayment(stack)
      const env = { ...process.env, ...stack.line.env }
      const told = stepsOf(await client(env, `{"by":"${name}"}`.replaceAll(/[^\w{}":]/g, '')))
      for (const [step, wanted] of Object.entries(name.startsWith('Celery') ? CELERY : WANTED)) {
        const found = told.get(step)
        const same = Object.entries(wanted).every(([member, value]) => isDeepStrictEqual(found?.[member], value))
        if (!same) surprises += 1
        process.stdout.write(
          `${name.padEnd(18)} ${step.padEnd(10)} ${same ? 'ok' : `DIFFERS: ${JSON.stringify(found)}`}\n`,
        )
      }
    } catch (error) {
      surprises += 1
      process.stdout.write(
        `${name.padEnd(18)} FAILED: ${error instanceof Error ? error.message.slice(0, 2000) : String(error)}\n`,
      )
    } finally {
      await stack.stop()
    }
  }
  return surprises === 0 && clients.length > 0 ? 0 : 1
}

function text(StringValue: string): object {
  return { DataType: 'String', StringValue }
}

async function putPayment({ service }: SqsStack): Promise<void> {
  const MessageBody = JSON.stringify({
    customer: { ssn: '123-45-6789', email: 'alice@bank.example' },
    account_number: '9876543210',
  })
  const MessageAttributes = {
    account: text('9876543210'),
    topic: text('created'),
    scan: { DataType: 'Binary', BinaryValue: 'AAEC' },
  }
  await service.call('SendMessage', {
    QueueUrl: `${service.url}/000000000000/payments`,
    MessageBody,
    MessageAttributes,
  })
}

function stepsOf(printed: string): ReadonlyMap<string, Readonly<Record<string, unknown>>> {
  const lines = printed.split('\n').filter((line) => line.startsWith('{'))
  return new Map(
    lines.map((line) => {
      const told: Readonly<Record<string, unknown>> = Object(JSON.parse(line))
      return [String(told['step']), told]
    }),
  )
}

async function javascript2(version: string, env: Environment, nonce: string): Promise<string> {
  const home = join(CACHE, `aws-sdk-${version}`)
  if (!existsSync(join(home, 'node_modules', 'aws-sdk'))) {
    mkdirSync(home, { recursive: true })
    await run('npm', ['install', '--prefix', home, '--no-save', '--silent', `aws-sdk@${version}`])
  }
  const more = { NODE_PATH: join(home, 'node_modules'), AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE: '1' }
  return output(process.execPath, [join(HERE, 'sdk-v2.cjs'), nonce], { ...env, ...more })
}

async function python(packages: readonly string[], args: readonly string[], env: Environment): Promise<string> {
  const found = findPython({ whole: packages })
  if (found === null) throw new Error('python3 with venv is not here')
  return output(found, args, env)
}

async function output(command: string, args: readonly string[], env: Environment): Promise<string> {
  const { stdout } = await run(command, [...args], { env: { ...env }, timeout: 120_000 })
  return stdout
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)))

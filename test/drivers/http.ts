/**
 * HTTP clients, each with its own ways, directly at an API and through the gateway: `npm run drivers:http [-- NAME…]`. What
 * is not installed is fetched into .cache by the language's own package tool. Prints a table; exits 1 when an answer through
 * the gateway differs from the direct one in more than masks.
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findEnvoy } from '../support/envoy.ts'
import { goProgram } from '../support/go-program.ts'
import { type HttpStack, type HttpStackOptions, startHttpStack } from '../support/http-stack.ts'
import { findPython } from '../support/python.ts'
import { tallyGenerated } from './http-generated.ts'
import { compareAnswers, type Difference, STEP_LINES, toldLines } from './http-steps.ts'

const run = promisify(execFile)
const HERE = fileURLToPath(new URL('http-programs/', import.meta.url))
const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))
const AXIOS = '1.21.1'

type Environment = Readonly<Record<string, string | undefined>>
type Client = (env: Environment) => Promise<string>

const node =
  (...args: readonly string[]): Client =>
  (env) =>
    output(process.execPath, [join(HERE, args[0] ?? ''), ...args.slice(1)], env)

const CLIENTS: Readonly<Record<string, Client>> = {
  'curl 1.1': node('curl.ts', '1.1'),
  'curl 2': node('curl.ts', '2'),
  fetch: node('fetch.ts'),
  axios: async (env) => {
    const home = join(CACHE, `axios-${AXIOS}`)
    if (!existsSync(join(home, 'node_modules', 'axios'))) {
      mkdirSync(home, { recursive: true })
      await run('npm', ['install', '--prefix', home, '--no-save', '--silent', `axios@${AXIOS}`])
    }
    return node('axios.ts')({ ...env, AXIOS_HOME: home })
  },
  httpx: (env) => {
    const python = findPython({ whole: ['httpx[http2]==0.28.1'] })
    if (python === null) throw new Error('python3 with venv is not here')
    return output(python, [join(HERE, 'httpx_steps.py')], env)
  },
  'Java HttpClient': (env) => output('java', [join(HERE, 'Steps.java')], env),
  'Go net/http': async (env) => output(await goProgram(join(HERE, 'go'), 'drivers-http'), [], env),
}

const MASKED = { mask: { 'body/**/ssn': 'last4', 'body/**/email': 'email' }, denyPaths: ['/denied'] } as const
const FORMS: Readonly<Record<string, HttpStackOptions>> = {
  embedded: MASKED,
  'embedded, TLS': { ...MASKED, tls: true },
  envoy: { ...MASKED, envoy: {} },
}

/** Requests an operation and a mode. */
const GENERATED = '60'
const SCHEMATHESIS: Client = (env) => {
  const python = findPython({ whole: ['schemathesis==4.32.5'] })
  if (python === null) throw new Error('python3 with venv is not here')
  return output(python, [join(HERE, 'schemathesis_cases.py'), join(HERE, 'bank-openapi.json'), GENERATED], env)
}

async function main(names: readonly string[]): Promise<number> {
  const clients = Object.entries(CLIENTS).filter(
    ([name]) => names.length === 0 || names.some((each) => name.startsWith(each)),
  )
  const directory = await mkdtemp(join(tmpdir(), 'countersign-drivers-'))
  const steps = join(directory, 'steps.tsv')
  await writeFile(steps, STEP_LINES)
  let surprises = 0
  try {
    for (const [form, options] of Object.entries(FORMS)) {
      if (options.envoy !== undefined && findEnvoy() === null) continue
      const stack = await startHttpStack(options)
      try {
        for (const [name, client] of clients)
          surprises += await tried(form, name, client, { ...process.env, STEPS: steps }, stack)
        if (names.length === 0 || names.includes('schemathesis')) surprises += await generated(form, process.env, stack)
      } finally {
        await stack.stop()
      }
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  return surprises === 0 && clients.length + names.length > 0 ? 0 : 1
}

/** How many steps came out otherwise; all of them where the client couldn't run. */
async function tried(
  form: string,
  name: string,
  client: Client,
  env: Environment,
  { line }: HttpStack,
): Promise<number> {
  const label = `${form.padEnd(14)} ${name.padEnd(16)}`
  try {
    const direct = toldLines(await client({ ...env, API_URL: line.upstream.url, API_TOKEN: 'none' }))
    const through = toldLines(await client({ ...env, ...line.env, KNOWS_HTTP2: 'yes' }))
    const differences: readonly Difference[] = compareAnswers(direct, through)
    const versions = [...new Set(through.map(({ version }) => version).filter((each) => each !== ''))].join(', ')
    const equal = `${through.length - differences.length} of ${direct.length} steps as they should be`
    process.stdout.write(`${label} ${equal}${versions === '' ? '' : `  (${versions})`}\n`)
    for (const { step, found } of differences) process.stdout.write(`${' '.repeat(16)}${step}: ${found}\n`)
    return differences.length
  } catch (error) {
    process.stdout.write(`${label} FAILED: ${error instanceof Error ? error.message.slice(0, 1500) : String(error)}\n`)
    return 1
  }
}

/** How many requests that schemathesis makes are answered otherwise than directly, and not refused as ambiguous. */
async function generated(form: string, env: Environment, { line }: HttpStack): Promise<number> {
  const label = `${form.padEnd(14)} ${'schemathesis'.padEnd(16)}`
  const trusted = line.ca === undefined ? {} : { REQUESTS_CA_BUNDLE: line.ca }
  try {
    const { sent, equal, refused, unsent, differences } = tallyGenerated(
      await SCHEMATHESIS({ ...env, ...line.env, ...trusted, DIRECT_URL: line.upstream.url }),
      line.envoy !== undefined,
    )
    const why = [...refused].map(([code, count]) => `${count} ${code}`).join(', ')
    const parts = [
      `${equal} of ${sent} requests answered alike`,
      why,
      unsent === 0 ? '' : `${unsent} that it can't send itself`,
    ]
    process.stdout.write(`${label} ${parts.filter((part) => part !== '').join('; ')}\n`)
    for (const each of differences.slice(0, 20)) process.stdout.write(`${' '.repeat(16)}${each}\n`)
    return differences.length
  } catch (error) {
    process.stdout.write(`${label} FAILED: ${error instanceof Error ? error.message.slice(0, 1500) : String(error)}\n`)
    return 1
  }
}

async function output(command: string, args: readonly string[], env: Environment): Promise<string> {
  const { stdout } = await run(command, [...args], { env: { ...env }, timeout: 180_000, maxBuffer: 2 ** 28 })
  return stdout
}

if (import.meta.main) {
  if (spawnSync('curl', ['--version']).status !== 0) throw new Error('curl is not here')
  process.exit(await main(process.argv.slice(2)))
}

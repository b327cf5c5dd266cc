import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { promisify } from 'node:util'
import { Client } from 'undici'
import { freePort } from '../../support/free-port.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const CACHE = join(ROOT, '.cache', 'opa')

/** OPA's own program with its library in it, of the version that compiles our bundles; built once (Go, some minutes). */
export async function opaBinary(): Promise<string> {
  const hash = createHash('sha256')
  for (const name of ['go.mod', 'go.sum', 'main.go']) hash.update(await readFile(join(import.meta.dirname, name)))
  const binary = join(CACHE, hash.digest('hex').slice(0, 16))
  if (existsSync(binary)) return binary
  await mkdir(CACHE, { recursive: true })
  const aside = `${binary}.${process.pid}`
  const env = { ...process.env, CGO_ENABLED: '0' }
  await promisify(execFile)('go', ['build', '-trimpath', '-o', aside, '.'], { cwd: import.meta.dirname, env })
  await rename(aside, binary)
  return binary
}

const wanted = (path: string): boolean => !path.endsWith('_test.rego') && !/\.(?:ya?ml|json)$/.test(path)

/** The pack's rules without its tests, and its data, as OPA loads them from a directory. */
export async function writeForOpa(directory: string, sources: readonly string[], data: unknown): Promise<void> {
  for (const source of sources) {
    await cp(join(ROOT, 'policies', source), join(directory, source), { recursive: true, filter: wanted })
  }
  await writeFile(join(directory, 'data.json'), JSON.stringify(data))
}

/** What was decided, and how long each time took. */
export interface Timed {
  readonly nanoseconds: readonly number[]
  readonly result: unknown
}

/** OPA's Go library in a process of its own, which times itself. */
export class OpaLibrary {
  readonly #child: ChildProcess
  readonly #lines: Interface

  constructor(binary: string, directory: string) {
    const child = spawn(binary, ['library', directory], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child = child
    this.#lines = createInterface({ input: child.stdout })
  }

  async decide(query: string, input: string, runs: number): Promise<Timed> {
    const answer = once(this.#lines, 'line')
    this.#child.stdin?.write(`{"query":${JSON.stringify(query)},"input":${input},"runs":${runs}}\n`)
    const [line]: unknown[] = await answer
    return JSON.parse(String(line))
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await ended
  }
}

/** OPA's server on loopback, asked over one connection that stays open. */
export class OpaServer {
  readonly #child: ChildProcess
  readonly #client: Client

  private constructor(child: ChildProcess, client: Client) {
    this.#child = child
    this.#client = client
  }

  static async start(binary: string, directory: string): Promise<OpaServer> {
    const port = await freePort()
    const address = `127.0.0.1:${port}`
    const args = ['run', '--server', '--addr', address, '--log-level', 'error', '--skip-version-check', directory]
    const child = spawn(binary, args, { stdio: ['ignore', 'inherit', 'inherit'] })
    const server = new OpaServer(child, new Client(`http://${address}`))
    for (let attempt = 0; attempt < 300; attempt += 1) {
      if (child.exitCode !== null) break
      if (await server.#isHealthy()) return server
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    child.kill()
    throw new Error("OPA's server did not start")
  }

  async #isHealthy(): Promise<boolean> {
    try {
      const { statusCode, body } = await this.#client.request({ method: 'GET', path: '/health' })
      await body.dump()
      return statusCode === 200
    } catch {
      return false
    }
  }

  async decide(path: string, input: string, runs: number): Promise<Timed> {
    const nanoseconds: number[] = []
    const sent = `{"input":${input}}`
    const headers = { 'content-type': 'application/json' }
    let result: unknown
    for (let at = 0; at < runs; at += 1) {
      const start = process.hrtime.bigint()
      const { body } = await this.#client.request({ method: 'POST', path: `/v1/data/${path}`, headers, body: sent })
      const answer: unknown = await body.json()
      nanoseconds.push(Number(process.hrtime.bigint() - start))
      result = Object(answer).result
    }
    return { nanoseconds, result }
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill()
    await this.#client.close()
    await ended
  }
}

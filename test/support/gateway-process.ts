import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** Where the gateway says that it listens. */
export interface Listening {
  readonly planes: Readonly<Record<string, { readonly host: string; readonly port: number }>>
  readonly api: string
}

export interface GatewayOptions {
  readonly config: string
  /** Options for node itself, such as `--cpu-prof`. */
  readonly nodeOptions?: readonly string[]
  /** Each line of the gateway's log as it comes. */
  readonly onLog?: (line: string) => void
  readonly onSpawn?: (pid: number) => void
}

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
/** As cli/countersign starts it. */
const FLAGS: readonly string[] = ['--max-semi-space-size=64']
const START_MS = 120_000
const STOP_MS = 10_000
const KEPT_LINES = 2000

/** The gateway as its users run it: a process of its own, `countersign serve`, that can be killed and started again. */
export class GatewayProcess {
  readonly #options: GatewayOptions
  readonly #log: string[] = []
  #child: ChildProcess
  #exited: Promise<number | string>
  #listening: Listening

  /** Resolves when it listens; throws what it said when it doesn't. */
  static async start(options: GatewayOptions): Promise<GatewayProcess> {
    const log: string[] = []
    const launched = await launch(options, log)
    return new GatewayProcess(options, log, launched)
  }

  private constructor(options: GatewayOptions, log: string[], launched: Launched) {
    this.#options = options
    this.#log = log
    this.#child = launched.child
    this.#exited = launched.exited
    this.#listening = launched.listening
  }

  get pid(): number {
    return pidOf(this.#child)
  }

  get listening(): Listening {
    return this.#listening
  }

  /** The exit code, or the signal that ended it. */
  get exited(): Promise<number | string> {
    return this.#exited
  }

  /** Its log so far, across restarts: the newest 2,000 lines. */
  get log(): string {
    return this.#log.join('\n')
  }

  /** SIGTERM; resolves with the exit code. Ends it by force when that takes over 10 s, and says so. */
  async stop(): Promise<number | string> {
    this.#child.kill('SIGTERM')
    const ended = await Promise.race([this.#exited, sleep(STOP_MS, null, { ref: false })])
    if (ended !== null) return ended
    await this.kill9()
    throw new Error(`the gateway did not stop within ${STOP_MS} ms of SIGTERM; its log:\n${this.log}`)
  }

  /** As the kernel's out-of-memory killer would. */
  async kill9(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Starts it again with the same configuration, after `stop` or `kill9`. */
  async restart(): Promise<void> {
    const launched = await launch(this.#options, this.#log)
    this.#child = launched.child
    this.#exited = launched.exited
    this.#listening = launched.listening
  }
}

interface Launched {
  readonly child: ChildProcess
  readonly exited: Promise<number | string>
  readonly listening: Listening
}

async function launch(options: GatewayOptions, log: string[]): Promise<Launched> {
  const args = [...FLAGS, ...(options.nodeOptions ?? []), MAIN, 'serve', '--config', options.config, '--drain', '500ms']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = exitOf(child)
  const closed = once(child, 'close') // after exit, once its last line was read
  options.onSpawn?.(pidOf(child))
  createInterface({ input: child.stderr }).on('line', (line) => {
    log.push(line)
    if (log.length > KEPT_LINES) log.shift()
    options.onLog?.(line)
  })
  const heard = listeningOf(child.stdout)
  const listening = await Promise.race([heard, exited, sleep(START_MS, null, { ref: false })])
  if (typeof listening === 'object' && listening !== null) return { child, exited, listening }
  child.kill('SIGKILL')
  await closed
  throw new Error(`the gateway did not start (${listening ?? `not within ${START_MS} ms`}):\n${log.join('\n')}`)
}

/** Reads what `serve` announces: a line for each plane, the API's last. Never settles when it announces nothing. */
function listeningOf(stdout: Readable): Promise<Listening> {
  return new Promise((resolve) => {
    const planes: Record<string, { readonly host: string; readonly port: number }> = {}
    createInterface({ input: stdout }).on('line', (line) => {
      const [, name = '', place = ''] = /^ {2}(\S+) {2}(\S+)$/.exec(line) ?? []
      const [, host, port] = /^(\S+):(\d+)$/.exec(place) ?? []
      if (name === 'api') resolve({ planes, api: place })
      else if (host !== undefined) planes[name] = { host, port: Number(port) }
    })
  })
}

async function exitOf(child: ChildProcess): Promise<number | string> {
  const [code, signal]: unknown[] = await once(child, 'exit')
  return typeof code === 'number' ? code : String(signal)
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error(`${process.execPath} can't be started`)
  return pid
}

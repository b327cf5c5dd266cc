import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Its whole standard input; none by default. */
  readonly input?: string
  /** Killed after this; default 30 s. */
  readonly timeoutMs?: number
}

export interface ChildResult {
  /** The exit code, or the signal that ended it. */
  readonly status: number | string
  readonly stdout: string
  readonly stderr: string
}

/** A program that runs; `result` resolves when it has ended and said all. */
export interface RunningChild {
  readonly process: ChildProcess
  readonly result: Promise<ChildResult>
  /** Resolves when its standard error has said this; throws when it ends without. */
  said(text: string): Promise<void>
}

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))

/** Starts a program with our environment and what is added to it. */
export function startChild(command: string, args: readonly string[], options: ChildOptions = {}): RunningChild {
  const { env = {}, input = '', timeoutMs = 30_000 } = options
  const child = spawn(command, [...args], {
    env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1', ...env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const heard = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (heard.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (heard.stderr += text))
  child.stdin.on('error', () => undefined) // it may end without reading
  child.stdin.end(input)
  let ended = false
  const result = once(child, 'close').then(([code, signal]: unknown[]): ChildResult => {
    ended = true
    return { status: typeof code === 'number' ? code : String(signal), ...heard }
  })
  const said = async (text: string): Promise<void> => {
    while (!heard.stderr.includes(text)) {
      if (ended) throw new Error(`${command} ended without saying ${text}; it said: ${heard.stderr}`)
      await Promise.race([once(child.stderr, 'data'), result])
    }
  }
  return { process: child, result, said }
}

export function runChild(command: string, args: readonly string[], options?: ChildOptions): Promise<ChildResult> {
  return startChild(command, args, options).result
}

/** The program itself, as a person runs it: `countersign <args>`. */
export function countersign(args: readonly string[], options?: ChildOptions): Promise<ChildResult> {
  return runChild(process.execPath, [MAIN, ...args], options)
}

import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { goProgram } from './go-program.ts'

const SOURCES = fileURLToPath(new URL('../fixtures/peer/', import.meta.url))

/**
 * Other people's logs and witnesses (test/fixtures/peer), built once through the Go proxy into .cache; null, with a word
 * of why, where there is no Go. With CI=true that is a failure.
 */
export async function findPeer(): Promise<string | null> {
  if (spawnSync('go', ['version']).status === 0) return goProgram(SOURCES, 'peer')
  if (process.env['CI'] === 'true') throw new Error('CI needs go on the PATH: https://go.dev/dl, 1.26 or newer')
  process.stderr.write('go is not on the PATH, so the tests against other people’s logs and witnesses are skipped\n')
  return null
}

/** One question: exit code, and what it printed. */
export function askPeer(binary: string, args: readonly string[], input = ''): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(binary, args, { encoding: 'utf8', input, maxBuffer: 64 * 1024 * 1024 })
  return { code: status, output: `${stdout}${stderr}` }
}

export interface RunningPeer {
  readonly url: string
  close(): Promise<void>
}

/** transparency-dev's witness for one log. */
export async function openPeerWitness(binary: string, logKey: string, ownKey: string): Promise<RunningPeer> {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(binary, ['witness', logKey, ownKey], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const [url] = await once(createInterface({ input: child.stdout }), 'line')
  const close = async (): Promise<void> => {
    child.stdin.end()
    await exited
  }
  return { url: String(url), close }
}

import { execFile, spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const SOURCES = fileURLToPath(new URL('../fixtures/peer/', import.meta.url))
const CACHE = fileURLToPath(new URL('../../.cache/peer/', import.meta.url))

/**
 * Other people's logs and witnesses (test/fixtures/peer), built once through the Go proxy into .cache; null, with a word
 * of why, where there is no Go. With CI=true that is a failure.
 */
export async function findPeer(): Promise<string | null> {
  if (spawnSync('go', ['version']).status === 0) return built()
  if (process.env['CI'] === 'true') throw new Error('CI needs go on the PATH: https://go.dev/dl, 1.26 or newer')
  process.stderr.write('go is not on the PATH, so the tests against other people’s logs and witnesses are skipped\n')
  return null
}

/** Built beside its place and moved there when whole: several test workers may get here at once. */
async function built(): Promise<string> {
  const hash = createHash('sha256')
  for (const name of ['go.mod', 'go.sum', 'main.go']) hash.update(readFileSync(join(SOURCES, name)))
  const binary = join(CACHE, hash.digest('hex').slice(0, 16))
  if (existsSync(binary)) return binary
  mkdirSync(CACHE, { recursive: true })
  const unfinished = `${binary}.${process.pid}`
  const args = ['build', '-trimpath', '-buildvcs=false', '-o', unfinished, '.']
  await promisify(execFile)('go', args, { cwd: SOURCES, env: { ...process.env, CGO_ENABLED: '0' } })
  renameSync(unfinished, binary)
  return binary
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

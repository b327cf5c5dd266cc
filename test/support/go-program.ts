import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))

/**
 * The binary of a directory of Go, built once through the Go proxy into .cache, beside its place and moved there when whole:
 * several may get here at once. Throws where there is no Go.
 */
export async function goProgram(directory: string, name: string): Promise<string> {
  const hash = createHash('sha256')
  for (const file of readdirSync(directory).toSorted()) hash.update(readFileSync(join(directory, file)))
  const binary = join(CACHE, name, hash.digest('hex').slice(0, 16))
  if (existsSync(binary)) return binary
  mkdirSync(join(CACHE, name), { recursive: true })
  const unfinished = `${binary}.${process.pid}`
  const args = ['build', '-trimpath', '-buildvcs=false', '-o', unfinished, '.']
  await promisify(execFile)('go', args, { cwd: directory, env: { ...process.env, CGO_ENABLED: '0' } })
  renameSync(unfinished, binary)
  return binary
}

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Other people's programs that tests ask, at the versions that were tried. `alone`: without what they depend on. */
export interface Packages {
  readonly whole: readonly string[]
  readonly alone?: readonly string[]
}

const PSYCOPG: Packages = { whole: ['psycopg[binary]==3.3.9', 'pypdf==7.1.1'] }
const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))

/**
 * A Python with these packages in it (psycopg by default), installed once from PyPI into .cache and found there again; null,
 * with a word of why, where there is no Python. With CI=true that is a failure: the image needs python3 and its venv module.
 */
export function findPython(packages: Packages = PSYCOPG): string | null {
  const version = spawnSync('python3', ['-c', 'import sys, venv; print(sys.version)'], { encoding: 'utf8' })
  if (version.status === 0) return installed(version.stdout, packages)
  if (process.env['CI'] === 'true') throw new Error('CI needs python3 with venv: apt-get install python3-venv')
  process.stderr.write(`python3 with venv is not here, so the tests of ${packages.whole.join(', ')} are skipped\n`)
  return null
}

/** Made beside its place and moved there when whole, so that one that was interrupted is never used. */
function installed(version: string, packages: Packages): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([version, packages]))
    .digest('hex')
    .slice(0, 16)
  const directory = join(CACHE, `python-${hash}`)
  const python = join(directory, 'bin', 'python')
  if (existsSync(python)) return python
  mkdirSync(CACHE, { recursive: true })
  const unfinished = `${directory}.${process.pid}`
  run('python3', ['-m', 'venv', unfinished])
  const install = [join(unfinished, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
  run('env', [...install, ...packages.whole])
  if (packages.alone !== undefined) run('env', [...install, '--no-deps', ...packages.alone])
  rmSync(directory, { recursive: true, force: true })
  renameSync(unfinished, directory) // bin/python is a link to the system's own: it doesn't mind being moved
  return python
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, [...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}`)
}

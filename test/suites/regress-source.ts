import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url))
/** Debian's server, whose source and psql are to be had in the same version. */
export const RELEASE = '/usr/lib/postgresql/15'

/** PostgreSQL's own regress scripts, as Debian has them in source. */
export interface RegressSource {
  readonly version: string
  /** `src/test/regress`: sql, expected, data. */
  readonly directory: string
  /** Where `regress.so` and the two modules of contrib are that its scripts load. */
  readonly libraries: string
}

/** Fetched and built once into .cache; throws what a package client said where that can't be. */
export function regressSource(): RegressSource {
  if (!existsSync(join(RELEASE, 'bin/postgres'))) apt('install', '-y', '-q', 'postgresql-15')
  const version = /\(Debian (\S+)\)/.exec(said(join(RELEASE, 'bin/postgres'), ['--version']))?.[1]
  if (version === undefined) throw new Error(`${RELEASE} is not Debian's: no source package says what it is made of`)
  const place = join(CACHE, `regress-${version}`)
  if (!existsSync(place)) fetch(version, place)
  const directory = join(place, 'source/src/test/regress')
  return { version, directory, libraries: join(place, 'libraries') }
}

/** Made beside its place and moved there when whole. */
function fetch(version: string, place: string): void {
  const unfinished = `${place}.${process.pid}`
  mkdirSync(join(unfinished, 'apt/lists/partial'), { recursive: true })
  mkdirSync(join(unfinished, 'apt/cache/archives/partial'), { recursive: true })
  const options = aptPlace(join(unfinished, 'apt'))
  apt(...options, 'update', '-q')
  said('apt-get', [...options, 'source', '--download-only', '-q', `postgresql-15=${version}`], unfinished)
  said('apt-get', ['download', '-q', `postgresql-server-dev-15=${version}`], unfinished)
  const named = (end: RegExp): string => readdirSync(unfinished).find((name) => end.test(name)) ?? fail(end.source)
  mkdirSync(join(unfinished, 'source'))
  said('tar', ['xf', named(/\.orig\.tar\.bz2$/), '--strip-components=1', '-C', 'source'], unfinished)
  said('dpkg-deb', ['-x', named(/^postgresql-server-dev.*\.deb$/), 'headers'], unfinished)
  build(unfinished)
  chmodSync(unfinished, 0o755) // the server, which is not us, reads data and libraries from here
  rmSync(place, { recursive: true, force: true })
  renameSync(unfinished, place)
}

function build(directory: string): void {
  const libraries = join(directory, 'libraries')
  mkdirSync(libraries)
  const headers = ['15/server', 'internal'].map(
    (name) => `-I${join(directory, 'headers/usr/include/postgresql', name)}`,
  )
  const source = join(directory, 'source/src/test/regress/regress.c')
  said('cc', ['-O1', '-fPIC', '-shared', ...headers, '-o', join(libraries, 'regress.so'), source])
  for (const name of ['autoinc.so', 'refint.so']) symlinkSync(join(RELEASE, 'lib', name), join(libraries, name))
}

/** Lists of sources only, kept apart from the machine's own. */
function aptPlace(directory: string): string[] {
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? fail('a codename')
  const suites = [`debian ${codename}`, `debian ${codename}-updates`, `debian-security ${codename}-security`]
  const signed = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
  const list = suites.map((suite) => `deb-src ${signed} http://deb.debian.org/${suite} main\n`).join('')
  writeFileSync(join(directory, 'sources.list'), list)
  return [
    `Dir::Etc::sourcelist=${directory}/sources.list`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::lists=${directory}/lists`,
    `Dir::Cache=${directory}/cache`,
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option])
}

function apt(...args: readonly string[]): void {
  said('apt-get', args)
}

function said(command: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr } = spawnSync(command, [...args], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    ...(cwd === undefined ? {} : { cwd }),
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}`)
  return stdout
}

function fail(what: string): never {
  throw new Error(`${what} was looked for and not found`)
}

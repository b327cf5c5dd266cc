/**
 * The gateway's configuration: one YAML file, checked whole before anything is opened. A plane's section stays `unknown`
 * here, its secrets resolved; the plane checks it (Plane.configure), and `locate` finds the line of what it complains of.
 */
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseConfigDocument } from './document.ts'
import type { ConfigDocument, ConfigPath } from './document.ts'
import { formatPath, parsePath } from './complaint.ts'
import { validateConfig } from './validation.ts'
import type { IssuerText, OutsideText } from './validation.ts'
import { ConfigError } from '../errors.ts'
import { parseSigner, type NoteSigner } from '../evidence/index.ts'
import type { IssuerConfig } from '../identity/index.ts'
import type { BundleTrust, SelfTestLimits } from '../policy/index.ts'
import { Secret } from '../secret.ts'
import { parseDuration } from '../units.ts'

/** Paths are absolute, durations in the unit that their name says, secrets read. */
export interface GatewayConfig {
  readonly instance: string
  readonly evidence: {
    readonly directory: string
    /** What signs the log's checkpoints; null: there are none. */
    readonly signer: NoteSigner | null
  }
  readonly state: { readonly file: string }
  readonly policy: {
    readonly bundle: string
    readonly trust: BundleTrust
    /** A bundle that can be made slower than this, by the largest request there is, isn't taken. */
    readonly limits: SelfTestLimits
  }
  readonly identity: { readonly issuers: readonly IssuerConfig[] }
  readonly api: {
    readonly host: string
    readonly port: number
    /** PEM; null: plain HTTP, which is for loopback only. */
    readonly tls: { readonly cert: string; readonly key: string } | null
    /** Who may see every approval. */
    readonly auditors: { readonly groups: readonly string[]; readonly roles: readonly string[] }
  }
  /** Plane id → its section, in which every `{ file }` and `{ env }` has become a Secret. */
  readonly planes: Readonly<Record<string, unknown>>
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' }
}

export interface LoadedConfig {
  readonly config: GatewayConfig
  /** Absolute path of the file. */
  readonly file: string
  /** SHA-256 of the file's text, hex. */
  readonly digest: string
  /** `planes.postgres.listen.port` → `gateway.yaml:31:13`; the nearest thing around it where it isn't there. */
  locate(path: string): string
}

/** What a configuration may reach beyond its own text. */
export interface ConfigSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Throws as node:fs does. */
  readText(path: string): string
}

const PROCESS: ConfigSurroundings = { env: process.env, readText: (path) => readFileSync(path, 'utf8') }

/** Reads and checks a file. Throws ConfigError; its message has one line for each thing that is wrong. */
export function loadConfig(path: string, surroundings: ConfigSurroundings = PROCESS): LoadedConfig {
  const file = resolve(path)
  let text: string
  try {
    text = surroundings.readText(file)
  } catch (cause) {
    throw new ConfigError('ERR_CONFIG_FILE', `${file}: expected a readable YAML file; found ${reason(cause)}`, {
      cause,
    })
  }
  return readConfig(text, file, surroundings)
}

/** As `loadConfig`, for text already at hand; `file` names it in errors and is what relative paths start from. */
export function readConfig(text: string, file: string, surroundings: ConfigSurroundings = PROCESS): LoadedConfig {
  const document = parseConfigDocument(text, file)
  const { instance, evidence, state, policy, identity, api, planes, log } = validateConfig(document)
  const from = dirname(file)
  const outside = new OutsideTexts(document, from, surroundings)
  const config: GatewayConfig = {
    instance,
    evidence: {
      directory: resolve(from, evidence.directory),
      signer: evidence.log === undefined ? null : logSigner(evidence.log.key, outside, document),
    },
    state: { file: resolve(from, state.file) },
    policy: {
      bundle: resolve(from, policy.bundle),
      trust: policy.verify === 'none' ? { kind: 'unsigned' } : trusted(policy.verify, outside),
      limits: { slowestMs: parseDuration(policy.slowest_decision) ?? 0 },
    },
    identity: { issuers: identity.issuers.map((issuer, index) => configuredIssuer(issuer, index, document)) },
    api: { ...api, tls: api.tls === undefined ? null : apiTls(api.tls, outside) },
    planes: outside.within(planes, ['planes']),
    log,
  }
  checkApi(config, document)
  return { config, file, digest: hash('sha256', text, 'hex'), locate: (path) => document.locate(parsePath(path)) }
}

/** Puts its place in the file before each line of what a plane or another room found wrong in its section. */
export function atLine(error: ConfigError, loaded: LoadedConfig, section: string): ConfigError {
  const lines = error.message.split('\n').map((line) => {
    const named = /^([\w-]+(?:\.[\w-]+|\[\d+\])*): /.exec(line)?.[1]
    const path = named === undefined || named.startsWith(section) ? (named ?? section) : `${section}.${named}`
    const text = named === undefined ? line : line.slice(named.length + 2)
    return `${loaded.locate(path)}: ${path}: ${text}`
  })
  return new ConfigError(error.code, lines.join('\n'), { cause: error.cause })
}

function trusted(verify: { key: OutsideText; algorithm: string; key_id: string }, outside: OutsideTexts): BundleTrust {
  const key = outside.read(verify.key, ['policy', 'verify', 'key']).reveal()
  return { kind: 'signed', key, keyId: verify.key_id, algorithm: verify.algorithm }
}

// What was found is a key, or nearly one: it is not repeated.
function logSigner(key: OutsideText, outside: OutsideTexts, document: ConfigDocument): NoteSigner {
  const path = ['evidence', 'log', 'key']
  const signer = parseSigner(outside.read(key, path).reveal())
  if (signer !== undefined) return signer
  throw shapeAt(document, path, 'a private key as `countersign evidence key` makes it', 'other text')
}

function apiTls(tls: Record<'cert' | 'key', OutsideText>, outside: OutsideTexts): { cert: string; key: string } {
  const read = (name: 'cert' | 'key'): string => outside.read(tls[name], ['api', 'tls', name]).reveal()
  return { cert: read('cert'), key: read('key') }
}

/** Approvers' tokens go over it: in the clear only where the line never leaves this host. */
function checkApi({ api: { host, tls } }: GatewayConfig, document: ConfigDocument): void {
  if (tls !== null || host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)) return
  throw shapeAt(document, ['api', 'host'], 'an address of loopback, or api.tls with it', `${host} without TLS`)
}

function configuredIssuer(text: IssuerText, index: number, document: ConfigDocument): IssuerConfig {
  const seconds = (key: 'max_lifetime' | 'keys_max_age'): number => {
    const ms = parseDuration(text[key])
    if (ms !== undefined && ms >= 1000) return Math.floor(ms / 1000)
    throw shapeAt(document, ['identity', 'issuers', index, key], 'a duration of at least 1s', text[key])
  }
  const { issuer, audience, algorithms, claims } = text
  const times = { maxLifetimeSeconds: seconds('max_lifetime'), keysMaxAgeSeconds: seconds('keys_max_age') }
  return { issuer, audience, algorithms, claims, ...times }
}

function shapeAt(document: ConfigDocument, path: ConfigPath, expected: string, found: string): ConfigError {
  const text = `${document.locate(path)}: ${formatPath(path)}: expected ${expected}; found ${found}`
  return new ConfigError('ERR_CONFIG_SHAPE', text)
}

/** Texts that the file only points to: in the environment, or in files beside it. */
class OutsideTexts {
  readonly #document: ConfigDocument
  readonly #from: string
  readonly #surroundings: ConfigSurroundings

  constructor(document: ConfigDocument, from: string, surroundings: ConfigSurroundings) {
    this.#document = document
    this.#from = from
    this.#surroundings = surroundings
  }

  /** Everything beneath a value, each `{ file: PATH }` and `{ env: NAME }` replaced. */
  within(value: object, path: ConfigPath): Readonly<Record<string, unknown>> {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, this.#replaced(inner, [...path, key])]))
  }

  read(pointer: OutsideText, path: ConfigPath): Secret {
    const [text, source] =
      'env' in pointer ? this.#fromEnvironment(pointer.env, path) : this.#fromFile(pointer.file, path)
    if (text.trim() === '') throw this.#unreadable(path, `text in the ${source}`, 'it empty')
    return new Secret(text.replace(/\r?\n$/, ''), source)
  }

  #replaced(value: unknown, path: ConfigPath): unknown {
    if (Array.isArray(value)) return value.map((inner, index) => this.#replaced(inner, [...path, index]))
    if (typeof value !== 'object' || value === null) return value
    return isPointer(value) ? this.read(value, path) : this.within(value, path)
  }

  #fromEnvironment(name: string, path: ConfigPath): readonly [string, string] {
    const text = this.#surroundings.env[name]
    if (text === undefined) throw this.#unreadable(path, `the environment variable ${name} to be set`, 'it unset')
    return [text, `environment variable ${name}`]
  }

  #fromFile(name: string, path: ConfigPath): readonly [string, string] {
    const file = resolve(this.#from, name)
    try {
      return [this.#surroundings.readText(file), `file ${file}`]
    } catch (cause) {
      throw this.#unreadable(path, `a readable file ${file}`, reason(cause))
    }
  }

  #unreadable(path: ConfigPath, expected: string, found: string): ConfigError {
    const text = `${this.#document.locate(path)}: ${formatPath(path)}: expected ${expected}; found ${found}`
    return new ConfigError('ERR_CONFIG_SECRET', text)
  }
}

function isPointer(value: object): value is OutsideText {
  const entries = Object.entries(value)
  return (
    entries.length === 1 && entries.every(([key, text]) => ['file', 'env'].includes(key) && typeof text === 'string')
  )
}

/** A system error's own short words, never the text of what was read. */
function reason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  switch (code) {
    case 'ENOENT':
      return 'no such file'
    case 'EACCES':
      return 'a file that this user may not read'
    case 'EISDIR':
      return 'a directory'
    default:
      return typeof code === 'string' ? `a failure to read it (${code})` : 'a failure to read it'
  }
}

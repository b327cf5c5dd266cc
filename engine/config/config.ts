/**
 * The gateway's configuration: one YAML file, checked whole before anything is opened. A plane's section stays `unknown`
 * here, its secrets resolved; the plane checks it (Plane.configure), and `locate` finds the line of what it complains of.
 */
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseConfigDocument } from './document.ts'
import type { ConfigDocument } from './document.ts'
import { identityConfig, type IdentityConfig } from './identity.ts'
import { keeping, type Keeping } from './keeping.ts'
import { OutsideTexts, reason, shapeAt, type ConfigSurroundings } from './outside-texts.ts'
import { stores, type EvidencePlace, type StatePlace } from './stores.ts'
import { parsePath } from './complaint.ts'
import { maskingKey } from './masking.ts'
import { signIn, type SignIn } from './sign-in.ts'
import { webhooks, type Webhook } from './webhooks.ts'
import { validateConfig } from './validation.ts'
import type { ConfigText, OutsideText } from './validation.ts'
import { ConfigError } from '../errors.ts'
import type { LifecycleRules, Members } from '../lifecycle/index.ts'
import type { MaskingKey } from '../masking/masking-key.ts'
import type { BundleTrust, SelfTestLimits } from '../policy/index.ts'
import type { Secret } from '../secret.ts'
import { parseSigner } from '../evidence/index.ts'
import { parseDuration } from '../units.ts'

/** Paths are absolute, durations in the unit that their name says, secrets read. */
export interface GatewayConfig {
  readonly instance: string
  readonly evidence: EvidencePlace
  readonly keeping: Keeping
  readonly state: StatePlace
  readonly policy: {
    readonly bundle: string
    readonly trust: BundleTrust
    /** A bundle that can be made slower than this, by the largest request there is, isn't taken. */
    readonly limits: SelfTestLimits
    /** What comes before a policy comes into force, and who may do it. */
    readonly rules: LifecycleRules
  }
  readonly controls: {
    /** Where the control pack lies; null: the one that comes with the gateway. */
    readonly directory: string | null
  }
  readonly identity: IdentityConfig
  readonly api: {
    readonly host: string
    readonly port: number
    /** PEM; null: plain HTTP, which is for loopback only. */
    readonly tls: { readonly cert: string; readonly key: string; readonly clientCertificates: boolean } | null
    /** Who may see every approval, replay sessions and export evidence. */
    readonly auditors: Members
    /** Who may see decisions and sessions, without what was sent. */
    readonly viewers: Members
    readonly operators: Members
    /** Who may ask for /metrics: this host, whoever reaches the API, or nobody. */
    readonly metrics: 'loopback' | 'open' | 'off'
    /** Signs exports made on a page, as text; null: they are unsigned. */
    readonly exportKey: Secret | null
    /** How people sign in to the console; null: they don't. */
    readonly signIn: SignIn | null
  }
  /** Of the mask methods that need one; null: these are refused. */
  readonly maskingKey: MaskingKey | null
  /** Who is told of approvals. */
  readonly webhooks: readonly Webhook[]
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
  const { instance, evidence, state, policy, controls, identity, api, planes, log, ...more } = validateConfig(document)
  const from = dirname(file)
  const outside = new OutsideTexts(document, from, surroundings)
  const believed = identityConfig(identity, { document, outside })
  const config: GatewayConfig = {
    instance,
    ...stores(evidence, state, { document, from, outside }),
    keeping: keeping(evidence, document),
    policy: {
      bundle: resolve(from, policy.bundle),
      trust: policy.verify === 'none' ? { kind: 'unsigned' } : trusted(policy.verify, outside),
      limits: { slowestMs: parseDuration(policy.slowest_decision) ?? 0 },
      rules: lifecycleRules(policy, document),
    },
    controls: { directory: controls === undefined ? null : resolve(from, controls.directory) },
    identity: believed,
    api: {
      host: api.host,
      port: api.port,
      tls: api.tls === undefined ? null : apiTls(api.tls, outside),
      auditors: api.auditors,
      viewers: api.viewers,
      operators: api.operators,
      metrics: api.metrics,
      exportKey: exportKey(api.export_key, outside, document),
      signIn: signIn(api.sign_in, { document, outside, issuers: believed.issuers, saml: believed.saml }),
    },
    maskingKey: maskingKey(more.masking, { document, outside }),
    webhooks: webhooks(more.webhooks, { document, outside }),
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

/** A review that nobody could give, or of what nobody could propose, is a mistake rather than a wish. */
function lifecycleRules(policy: ConfigText['policy'], document: ConfigDocument): LifecycleRules {
  const { review, operators, reviewers } = policy
  for (const [name, { groups, roles }] of Object.entries({ operators, reviewers })) {
    if (review === 'none' || groups.length + roles.length > 0) continue
    throw shapeAt(document, ['policy', name], 'a group or a role, since policy.review is required', 'none')
  }
  return { review, operators, reviewers }
}

function trusted(verify: { key: OutsideText; algorithm: string; key_id: string }, outside: OutsideTexts): BundleTrust {
  const key = outside.read(verify.key, ['policy', 'verify', 'key']).reveal()
  return { kind: 'signed', key, keyId: verify.key_id, algorithm: verify.algorithm }
}

// What was found is a key, or nearly one: it is not repeated.
function exportKey(key: OutsideText | undefined, outside: OutsideTexts, document: ConfigDocument): Secret | null {
  if (key === undefined) return null
  const path = ['api', 'export_key']
  const text = outside.read(key, path)
  if (parseSigner(text.reveal()) !== undefined) return text
  throw shapeAt(document, path, 'a private key as `countersign evidence key` makes it', 'other text')
}

function apiTls(
  tls: NonNullable<ConfigText['api']['tls']>,
  outside: OutsideTexts,
): NonNullable<GatewayConfig['api']['tls']> {
  const read = (name: 'cert' | 'key'): string => outside.read(tls[name], ['api', 'tls', name]).reveal()
  return { cert: read('cert'), key: read('key'), clientCertificates: tls.client_certificates === 'ask' }
}

/** Approvers' tokens go over it: in the clear only where the line never leaves this host. */
function checkApi({ api: { host, tls, signIn: console } }: GatewayConfig, document: ConfigDocument): void {
  const isLocal = host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
  if (isLocal) return
  if (tls === null) {
    throw shapeAt(document, ['api', 'host'], 'an address of loopback, or api.tls with it', `${host} without TLS`)
  }
  if (console?.publicUrl === null) {
    throw shapeAt(document, ['api', 'sign_in', 'public_url'], 'what browsers call the gateway', 'nothing')
  }
}

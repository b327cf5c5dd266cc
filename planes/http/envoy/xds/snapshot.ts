import { createHash } from 'node:crypto'
import { ConfigError, type JsonObject, type JsonValue } from '../../../../engine/index.ts'
import { encode } from '../protos.ts'

/** Kinds of resources in the order in which they are brought; they are taken away in the reverse one. */
export const KINDS = ['cluster', 'endpoints', 'secret', 'listener', 'routes'] as const
export type Kind = (typeof KINDS)[number]

/**
 * A kind is brought when the client has taken those before it. A client may take a cluster only once it has its endpoints
 * and secrets, and a listener its secrets and routes: these are brought while that is under way.
 */
export const WAITS_FOR: Readonly<Record<Kind, readonly Kind[]>> = {
  cluster: [],
  endpoints: [],
  secret: [],
  listener: ['cluster', 'endpoints'],
  routes: ['cluster', 'endpoints'],
}

const MESSAGES: Readonly<Record<Kind, string>> = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  listener: 'envoy.config.listener.v3.Listener',
  routes: 'envoy.config.route.v3.RouteConfiguration',
}

const URL_PREFIX = 'type.googleapis.com/'

export function typeUrl(kind: Kind): string {
  return URL_PREFIX + MESSAGES[kind]
}

export function kindOf(url: string): Kind | null {
  return KINDS.find((kind) => typeUrl(kind) === url) ?? null
}

/** One resource as it is written: `message` in Envoy's own words. */
export interface Written {
  readonly kind: Kind
  readonly name: string
  readonly message: JsonObject
}

export interface Resource {
  readonly name: string
  /** Of the bytes: the same configuration has the same version at any gateway, after any restart. */
  readonly version: string
  readonly bytes: Buffer
}

/** A whole configuration that holds together. Frozen once it is made. */
export interface Snapshot {
  readonly version: string
  readonly resources: Readonly<Record<Kind, ReadonlyMap<string, Resource>>>
}

/**
 * Encodes and checks: what a resource names must be there, and nothing may stand there that none names (Envoy would wait
 * for the one, and never ask for the other). Throws ConfigError.
 */
export function snapshotOf(written: readonly Written[]): Snapshot {
  const resources: Record<Kind, Map<string, Resource>> = {
    cluster: new Map(),
    endpoints: new Map(),
    secret: new Map(),
    listener: new Map(),
    routes: new Map(),
  }
  for (const { kind, name, message } of written) {
    if (resources[kind].has(name)) throw inconsistent(`${kind} ${name}`, 'once', 'twice')
    const bytes = encode(MESSAGES[kind], message)
    resources[kind].set(name, { name, bytes, version: digest([bytes]) })
  }
  checkReferences(written, resources)
  const all = KINDS.flatMap((kind) => [...resources[kind].values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)))
  return { version: digest(all.map(({ bytes }) => bytes)), resources }
}

function digest(parts: readonly Buffer[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length}:`).update(part)
  return hash.digest('hex').slice(0, 32)
}

/** Where one resource names another: the field, and the kind that it names. */
const REFERENCES: Readonly<Record<string, Kind>> = {
  cluster: 'cluster',
  cluster_name: 'cluster',
  route_config_name: 'routes',
}

function checkReferences(written: readonly Written[], resources: Readonly<Record<Kind, Map<string, Resource>>>): void {
  const named: Record<Kind, Set<string>> = {
    cluster: new Set(),
    endpoints: new Set(),
    secret: new Set(),
    listener: new Set(),
    routes: new Set(),
  }
  for (const { kind, name, message } of written) {
    if (kind === 'cluster' && message['type'] === 'EDS') named.endpoints.add(name)
    if (kind !== 'endpoints') collect(message, named)
  }
  for (const kind of KINDS) {
    const missing = [...named[kind]].find((name) => !resources[kind].has(name))
    if (missing !== undefined) throw inconsistent(`${kind} ${missing}`, 'to be there, since it is named', 'none')
    if (kind !== 'endpoints' && kind !== 'secret' && kind !== 'routes') continue
    const idle = [...resources[kind].keys()].find((name) => !named[kind].has(name))
    if (idle !== undefined) throw inconsistent(`${kind} ${idle}`, 'to be named by something', 'that nothing does')
  }
}

function collect(value: JsonValue, named: Readonly<Record<Kind, Set<string>>>): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const each of value) collect(each, named)
    return
  }
  for (const [field, inner] of Object.entries(value)) {
    const kind = REFERENCES[field]
    if (typeof inner === 'string' && kind !== undefined) named[kind].add(inner)
    if (field.includes('sds_secret_config')) for (const name of secretNames(inner)) named.secret.add(name)
    collect(inner, named)
  }
}

function secretNames(value: JsonValue): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(secretNames)
  if (typeof value !== 'object' || value === null) return []
  const name: unknown = Object(value)['name']
  return typeof name === 'string' ? [name] : []
}

function inconsistent(what: string, expected: string, found: string): ConfigError {
  return new ConfigError('ERR_CONFIG_SHAPE', `Envoy's configuration: ${what}: expected ${expected}, found ${found}`)
}

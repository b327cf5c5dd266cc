import { hash } from 'node:crypto'
import type { JsonObject, UpstreamInfo } from '../../../engine/index.ts'
import { CATALOG_TEXTS } from '../normalizer/index.ts'
import type { BackendPlace, UpstreamConfig } from '../upstream.ts'
import { numberOf, objectOf, textOf, textsOf, timeOf } from './json-fields.ts'

/** A session of the gateway's at the server, as `upstream.connected` records it and reconciliation reads it back. */
export interface RecordedPlace extends BackendPlace {
  /** `host:port` of the server, as configured. */
  readonly server: string
  readonly database: string
  readonly user: string
  /** SHA-256 of each text that may be sent over it, where it is the gateway's own; null: a client's session. */
  readonly texts: ReadonlySet<string> | null
  /** Plans may be asked for over it, of any statement. */
  readonly plans: boolean
}

type Server = Pick<UpstreamConfig, 'host' | 'port' | 'database' | 'user'>

/** A client's session at the server. */
export function sessionUpstream(config: Server, place: BackendPlace): UpstreamInfo {
  return { ...written(config, place), purpose: 'session' }
}

/** The gateway's own, for looks at the catalogue: with the digests of all that it will ever send. */
export function catalogueUpstream(config: Server, place: BackendPlace): UpstreamInfo {
  return { ...written(config, place), purpose: 'catalogue', statements: CATALOG_DIGESTS }
}

/** The gateway's own, for plans: EXPLAIN, which runs nothing. */
export function estimatesUpstream(config: Server, place: BackendPlace): UpstreamInfo {
  return { ...written(config, place), purpose: 'estimates' }
}

/** SHA-256 of a statement's text as it is sent, hex. */
export function digestOf(text: string): string {
  return hash('sha256', text, 'hex')
}

const CATALOG_DIGESTS: readonly string[] = CATALOG_TEXTS.map(digestOf)

function written({ host, port, database, user }: Server, { pid, client, opening, opened }: BackendPlace): JsonObject {
  return {
    plane: 'postgres',
    server: { host, port, database: database ?? '', user },
    backend: {
      pid,
      client: client === null ? null : { ...client },
      opening: new Date(opening).toISOString(),
      opened: new Date(opened).toISOString(),
    },
  }
}

/** Reads the detail of an `upstream.connected`; undefined for another plane's, or one that isn't of this shape. */
export function readPlace(detail: JsonObject): RecordedPlace | undefined {
  const server = objectOf(detail['server'])
  const backend = objectOf(detail['backend'])
  if (detail['plane'] !== 'postgres') return undefined
  const host = textOf(server['host'])
  const port = numberOf(server['port'])
  const database = textOf(server['database'])
  const user = textOf(server['user'])
  const pid = numberOf(backend['pid'])
  const opening = timeOf(backend['opening'])
  const opened = timeOf(backend['opened'])
  if (host === null || port === null || database === null || user === null) return undefined
  if (pid === null || opening === null || opened === null) return undefined
  const plans = detail['purpose'] === 'estimates'
  const texts = detail['purpose'] === 'catalogue' ? new Set(textsOf(detail['statements'])) : null
  const client = readClient(objectOf(backend['client']))
  return { server: `${host}:${port}`, database, user, pid, client, opening, opened, texts, plans }
}

function readClient(client: JsonObject): BackendPlace['client'] {
  const address = textOf(client['address'])
  const port = numberOf(client['port'])
  return address === null || port === null ? null : { address, port }
}

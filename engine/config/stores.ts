import { resolve } from 'node:path'
import type { GatewayConfig } from './config.ts'
import type { ConfigDocument } from './document.ts'
import { shapeAt, type OutsideTexts } from './outside-texts.ts'
import type { ConfigText, OutsideText, PostgresText } from './validation.ts'
import { ConfigError } from '../errors.ts'
import { parseSigner, type NoteSigner, type PostgresAddress } from '../evidence/index.ts'

interface Reading {
  readonly document: ConfigDocument
  /** What relative paths start from. */
  readonly from: string
  readonly outside: OutsideTexts
}

/**
 * Evidence and state are both this gateway's own, or both shared: a hold that two gateways see must be rebuilt from the
 * records of both, and one that only this gateway sees from its own alone.
 */
export function stores(
  evidence: ConfigText['evidence'],
  state: ConfigText['state'],
  reading: Reading,
): Pick<GatewayConfig, 'evidence' | 'state'> {
  const { document, from, outside } = reading
  exactlyOne(document, 'evidence', 'directory', evidence)
  exactlyOne(document, 'state', 'file', state)
  const signer = evidence.log === undefined ? null : logSigner(evidence.log.key, outside, document)
  const shared = evidence.postgres !== undefined
  if (shared !== (state.postgres !== undefined)) {
    const expected = shared ? 'postgres, since evidence is in a database' : 'file, since evidence is in a directory'
    throw shapeAt(document, ['state'], expected, shared ? 'file' : 'postgres')
  }
  if (evidence.postgres !== undefined && state.postgres !== undefined) {
    const postgres = postgresAddress(evidence.postgres, 'evidence', outside)
    return {
      evidence: inDatabase(postgres, signer),
      state: { postgres: postgresAddress(state.postgres, 'state', outside) },
    }
  }
  return {
    evidence: { directory: resolve(from, evidence.directory ?? ''), postgres: null, signer },
    state: { file: resolve(from, state.file ?? '') },
  }
}

function exactlyOne(document: ConfigDocument, section: string, local: string, found: object): void {
  const names = [local, 'postgres'].filter((name) => Object.hasOwn(found, name))
  if (names.length === 1) return
  throw shapeAt(document, [section], `one of ${local} and postgres`, names.length === 0 ? 'neither' : 'both')
}

function inDatabase(postgres: PostgresAddress, signer: NoteSigner | null): GatewayConfig['evidence'] {
  return {
    get directory(): string {
      const message =
        'evidence.directory: expected a directory to read; found evidence in a database: bring it over with "countersign evidence pull" and give that directory'
      throw new ConfigError('ERR_CONFIG_SHAPE', message)
    },
    postgres,
    signer,
  }
}

function postgresAddress(text: PostgresText, section: string, outside: OutsideTexts): PostgresAddress {
  const { host, port, database, user, password, tls, ca, server_name: serverName = null } = text
  const read = (pointer: OutsideText, name: string): string =>
    outside.read(pointer, [section, 'postgres', name]).reveal()
  return {
    host,
    port,
    database,
    user,
    password: password === undefined ? null : read(password, 'password'),
    tls: tls === 'off' ? null : { ca: ca === undefined ? null : read(ca, 'ca'), serverName },
  }
}

// What was found is a key, or nearly one: it is not repeated.
function logSigner(key: OutsideText, outside: OutsideTexts, document: ConfigDocument): NoteSigner {
  const path = ['evidence', 'log', 'key']
  const signer = parseSigner(outside.read(key, path).reveal())
  if (signer !== undefined) return signer
  throw shapeAt(document, path, 'a private key as `countersign evidence key` makes it', 'other text')
}

import { resolve } from 'node:path'
import type { ConfigDocument } from './document.ts'
import { shapeAt, type OutsideTexts } from './outside-texts.ts'
import type { ConfigText, EvidenceLogText, OutsideText, PostgresText } from './validation.ts'
import { ConfigError } from '../errors.ts'
import {
  parseCosignatureVerifier,
  parseSigner,
  type NoteSigner,
  type PostgresAddress,
  type WitnessPeer,
} from '../evidence/index.ts'

/** Where evidence is kept, and what signs it. */
export interface EvidencePlace {
  /** Throws ConfigError where evidence is in a database: whoever reads files is told to pull it first. */
  readonly directory: string
  /** Where several gateways write, in the place of a directory; null: there is a directory. */
  readonly postgres: PostgresAddress | null
  /** What signs the log's checkpoints; null: there are none. */
  readonly signer: NoteSigner | null
  /** What signed them until now, where that was another key. */
  readonly previousSigner: NoteSigner | null
  readonly witnesses: readonly WitnessPeer[]
}

/** A file, or, where evidence is in a database, a database. */
export type StatePlace = { readonly file: string } | { readonly postgres: PostgresAddress }

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
): { readonly evidence: EvidencePlace; readonly state: StatePlace } {
  const { document, from, outside } = reading
  exactlyOne(document, 'evidence', 'directory', evidence)
  exactlyOne(document, 'state', 'file', state)
  const log = evidenceLog(evidence.log, outside, document)
  const shared = evidence.postgres !== undefined
  if (shared !== (state.postgres !== undefined)) {
    const expected = shared ? 'postgres, since evidence is in a database' : 'file, since evidence is in a directory'
    throw shapeAt(document, ['state'], expected, shared ? 'file' : 'postgres')
  }
  if (evidence.postgres !== undefined && state.postgres !== undefined) {
    const postgres = postgresAddress(evidence.postgres, 'evidence', outside)
    return {
      evidence: inDatabase(postgres, log),
      state: { postgres: postgresAddress(state.postgres, 'state', outside) },
    }
  }
  return {
    evidence: { directory: resolve(from, evidence.directory ?? ''), postgres: null, ...log },
    state: { file: resolve(from, state.file ?? '') },
  }
}

function exactlyOne(document: ConfigDocument, section: string, local: string, found: object): void {
  const names = [local, 'postgres'].filter((name) => Object.hasOwn(found, name))
  if (names.length === 1) return
  throw shapeAt(document, [section], `one of ${local} and postgres`, names.length === 0 ? 'neither' : 'both')
}

function inDatabase(postgres: PostgresAddress, log: LogConfig): EvidencePlace {
  return {
    get directory(): string {
      const message =
        'evidence.directory: expected a directory to read; found evidence in a database: bring it over with "countersign evidence pull" and give that directory'
      throw new ConfigError('ERR_CONFIG_SHAPE', message)
    },
    postgres,
    ...log,
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

type LogConfig = Pick<EvidencePlace, 'signer' | 'previousSigner' | 'witnesses'>

function evidenceLog(log: EvidenceLogText | undefined, outside: OutsideTexts, document: ConfigDocument): LogConfig {
  if (log === undefined) return { signer: null, previousSigner: null, witnesses: [] }
  const signer = logSigner(log.key, 'key', outside, document)
  const witnesses = log.witnesses.map((witness, index) => witnessPeer(witness, index, document))
  if (log.previous_key === undefined) return { signer, previousSigner: null, witnesses }
  const previousSigner = logSigner(log.previous_key, 'previous_key', outside, document)
  if (previousSigner.verifier.name === signer.verifier.name) return { signer, previousSigner, witnesses }
  const expected = `a key of the name ${signer.verifier.name}: a log keeps its name when its key is another`
  throw shapeAt(document, ['evidence', 'log', 'previous_key'], expected, `one of ${previousSigner.verifier.name}`)
}

function witnessPeer(
  { url, key }: { readonly url: string; readonly key: string },
  index: number,
  document: ConfigDocument,
): WitnessPeer {
  const verifier = parseCosignatureVerifier(key)
  if (verifier !== undefined) return { url, key: verifier }
  const expected = 'a public key as `countersign witness key` prints it'
  throw shapeAt(document, ['evidence', 'log', 'witnesses', index, 'key'], expected, 'other text')
}

// What was found is a key, or nearly one: it is not repeated.
function logSigner(key: OutsideText, name: string, outside: OutsideTexts, document: ConfigDocument): NoteSigner {
  const path = ['evidence', 'log', name]
  const signer = parseSigner(outside.read(key, path).reveal())
  if (signer !== undefined) return signer
  throw shapeAt(document, path, 'a private key as `countersign evidence key` makes it', 'other text')
}

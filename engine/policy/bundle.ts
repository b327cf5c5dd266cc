import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip, gzipSync } from 'node:zlib'
import { isSealed } from '../access-request.ts'
import type { JsonObject, SealedRequest } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import type { PolicyReference } from '../verdict.ts'
import { BUILTINS } from './builtins.ts'
import { Evaluator } from './evaluator.ts'
import type { PolicyAnswer } from './evaluator.ts'
import { isObject, parseDocument } from './json-document.ts'
import { readSetOf, type ReadPath } from './read-set.ts'
import { runSelfTest } from './self-test.ts'
import type { SelfTestLimits } from './self-test.ts'
import { SIGNATURES_FILE, fileHash, signFiles, verifySignature } from './signature.ts'
import type { SignatureTrust, SigningKey } from './signature.ts'
import { readTar, writeTar } from './tar.ts'
import type { ArchiveFile } from './tar.ts'
import { VerdictCache } from './verdict-cache.ts'
import { WasmModule } from './wasm-module.ts'

/** `unsigned` only by explicit configuration: what a bundle says of itself is no reason to believe it. */
export type BundleTrust = ({ readonly kind: 'signed' } & SignatureTrust) | { readonly kind: 'unsigned' }

/** A bundle that was verified, tested and is ready to decide. Holds its revision for as long as anyone holds it. */
export interface ActivePolicy {
  readonly reference: PolicyReference
  /** data.json, deep-frozen. Its objects have no prototype. */
  readonly data: JsonObject
  /** The manifest's `metadata`, deep-frozen. */
  readonly metadata: JsonObject
  /** `countersign/<plane>/verdict`, one a plane. */
  readonly entrypoints: readonly string[]
  /** What of a request its rules read, for all planes; null where the compiler could not tell. */
  readonly reads: readonly ReadPath[] | null
  /**
   * Evaluates `countersign/<plane>/verdict`. `nowMs` (since 1970) is all the time this decision sees. Throws PolicyError
   * for every answer that isn't exactly one verdict of our shape.
   */
  evaluate(plane: string, request: SealedRequest, nowMs: number): PolicyAnswer
  /** The same for an input out of a record, or beside a live decision, with what is told of time and chance; never for one in force. */
  evaluateAgain(plane: string, input: string, nowMs: number, recorded: JsonObject | null): PolicyAnswer
}

/** Of a bundle's file. */
export const MAX_ARCHIVE_BYTES: number = 16 * 1024 * 1024
const MAX_UNPACKED_BYTES = 32 * 1024 * 1024
const MAX_DATA_BYTES = 2 * 1024 * 1024
const MODULE_FILE = 'policy.wasm'
const DATA_FILE = 'data.json'
const MANIFEST_FILE = '.manifest'

/**
 * Opens a bundle: verify → compile → check builtins → set data → run its self-test. Nothing of it is in force until it is
 * handed to PolicyStore.activate. Throws PolicyError naming what is wrong.
 *
 * @param path a `.tar.gz` of OPA's format.
 */
export async function openBundle(path: string, trust: BundleTrust, limits?: SelfTestLimits): Promise<ActivePolicy> {
  return openArchive(await readArchive(path), trust, limits)
}

/** The same for a bundle's file that is already at hand. */
export async function openArchive(
  archive: Uint8Array,
  trust: BundleTrust,
  limits?: SelfTestLimits,
): Promise<ActivePolicy> {
  if (archive.length > MAX_ARCHIVE_BYTES) throw refused(`is larger than ${MAX_ARCHIVE_BYTES} bytes`)
  const files = await unpack(archive)
  await establishTrust(files, trust)
  const data = parseDocument(DATA_FILE, required(files, DATA_FILE, MAX_DATA_BYTES)).value
  const manifest = parseDocument(MANIFEST_FILE, required(files, MANIFEST_FILE)).value
  const module = await WasmModule.compile(required(files, MODULE_FILE))
  checkEntrypoints(manifest, module)
  checkBuiltins(module)
  const evaluator = new Evaluator(module, JSON.stringify(data))
  const metadata = isObject(manifest.metadata) ? manifest.metadata : {}
  const entrypoints = [...module.entrypoints.keys()]
  const blank = new Evaluator(module, '{}')
  const reads = readSetOf(metadata)
  runSelfTest({ evaluator, blank, data, entrypoints, vectors: metadata.self_test, reads }, limits)
  const cache = reads === null ? null : new VerdictCache(reads)
  const evaluate = (plane: string, request: Pick<SealedRequest, 'json'>, nowMs: number): PolicyAnswer =>
    cache === null || !isSealed(request)
      ? evaluator.evaluate(plane, request, nowMs)
      : cache.answer(request, () => evaluator.evaluate(plane, request, nowMs))
  return Object.freeze({
    reference: Object.freeze({ revision: revisionOf(manifest), digest: digestOf(files) }),
    data,
    metadata,
    entrypoints,
    reads,
    evaluate,
    evaluateAgain: (plane: string, input: string, nowMs: number, recorded: JsonObject | null) =>
      evaluator.evaluateDocument(`countersign/${plane}/verdict`, input, nowMs, recorded),
  })
}

/** What records call a bundle by: the digest over its files, of a file that is only named, not put in force. */
export async function bundleDigest(path: string): Promise<string> {
  return digestOf(await unpack(await readArchive(path)))
}

/** The same bundle with a signature over all its files (an older one is replaced); equal input gives equal files. */
export async function signBundle(
  bytes: Uint8Array,
  key: SigningKey,
  algorithm: string,
  keyId: string,
): Promise<Uint8Array> {
  const files = (await unpack(bytes)).filter(({ name }) => name !== SIGNATURES_FILE)
  return gzipSync(writeTar([await signFiles(files, key, algorithm, keyId), ...files]))
}

/** A bundle's file, unread. Throws PolicyError ERR_POLICY_BUNDLE. */
export async function readArchive(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path)
    if (size > MAX_ARCHIVE_BYTES) throw refused(`is larger than ${MAX_ARCHIVE_BYTES} bytes`)
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof PolicyError) throw cause
    throw new PolicyError('ERR_POLICY_BUNDLE', `the policy bundle at ${path} can't be read`, { cause })
  }
}

async function unpack(bytes: Uint8Array): Promise<ArchiveFile[]> {
  const archive = await promisify(gunzip)(bytes, { maxOutputLength: MAX_UNPACKED_BYTES }).catch((cause: unknown) => {
    throw new PolicyError('ERR_POLICY_BUNDLE', 'the policy bundle is not gzip, is damaged, or unpacks to too much', {
      cause,
    })
  })
  const files = readTar(archive)
  const stray = files.find(({ name }) => !isKnown(name))
  if (stray !== undefined)
    throw refused(`holds ${stray.name}; expected ${MODULE_FILE}, ${DATA_FILE}, ${MANIFEST_FILE} and sources`)
  return files
}

/** OPA's compiler leaves sources in; they are signed and never read. Data in folders would be merged by OPA: not here. */
function isKnown(name: string): boolean {
  return [MODULE_FILE, DATA_FILE, MANIFEST_FILE, SIGNATURES_FILE].includes(name) || name.endsWith('.rego')
}

async function establishTrust(files: readonly ArchiveFile[], trust: BundleTrust): Promise<void> {
  switch (trust.kind) {
    case 'signed':
      return verifySignature(files, trust)
    case 'unsigned':
      return
    default:
      return trust satisfies never
  }
}

function required(files: readonly ArchiveFile[], name: string, most: number = MAX_UNPACKED_BYTES): Uint8Array {
  const file = files.find((one) => one.name === name)
  if (file === undefined) throw refused(`holds no ${name}`)
  if (file.content.length > most) throw refused(`holds a ${name} of more than ${most} bytes`)
  return file.content
}

/** What the manifest promises and what the module has must be the same names. */
function checkEntrypoints(manifest: JsonObject, module: WasmModule): void {
  const resolvers = Array.isArray(manifest.wasm) ? manifest.wasm : []
  const promised = resolvers.map((resolver: unknown) => entrypointOf(resolver)).toSorted()
  const found = [...module.entrypoints.keys()].toSorted()
  if (found.length === 0 || promised.join('\n') !== found.join('\n')) {
    throw new PolicyError(
      'ERR_POLICY_ENTRYPOINT',
      `the bundle's manifest names the entrypoints [${promised.join(', ')}], its module has [${found.join(', ')}]`,
    )
  }
}

function entrypointOf(resolver: unknown): string {
  if (typeof resolver !== 'object' || resolver === null) return '?'
  const known = 'module' in resolver && resolver.module === `/${MODULE_FILE}`
  return known && 'entrypoint' in resolver ? String(resolver.entrypoint) : '?'
}

/** OPA tells of a missing builtin only when a request reaches it; here such a bundle does not load. */
function checkBuiltins(module: WasmModule): void {
  const missing = [...module.builtins.values()].filter((name) => !BUILTINS.has(name))
  if (missing.length > 0) {
    throw new PolicyError(
      'ERR_POLICY_BUILTIN',
      `the policy uses ${missing.toSorted().join(', ')}, which the gateway does not provide; \`countersign policy check\` shows where`,
    )
  }
}

function revisionOf(manifest: JsonObject): string {
  const { revision } = manifest
  if (typeof revision !== 'string' || revision === '') throw refused('has no revision in its manifest')
  return revision
}

/** Over name and hash of every file but the signature: the same policy has one digest, signed or not. */
function digestOf(files: readonly ArchiveFile[]): string {
  const lines = files
    .filter(({ name }) => name !== SIGNATURES_FILE)
    .map((file) => `${fileHash(file)} ${file.name}\n`)
    .toSorted()
  return createHash('sha256').update(lines.join('')).digest('hex')
}

function refused(what: string): PolicyError {
  return new PolicyError('ERR_POLICY_BUNDLE', `the policy bundle ${what}`)
}

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson } from '../canonical-json.ts'
import { parseCheckpoint, type SignedCheckpoint } from '../checkpoint.ts'
import type { CosignatureVerifier } from '../cosignature.ts'
import type { Finding, Severity } from '../finding.ts'
import { keyName, type NoteVerifier } from '../signed-note.ts'
import { WitnessCheck, type WitnessReport } from '../witness-check.ts'
import { parseEnvelope, sealedBy, type Envelope } from './dsse.ts'
import { FindingList } from './finding-list.ts'
import { instructions } from './instructions.ts'
import {
  FILES,
  MANIFEST,
  MAPPING,
  parseManifest,
  policyFolder,
  REPORT_FILES,
  type Manifest,
  type Predicate,
} from './manifest.ts'
import { assessmentResults } from './oscal.ts'
import { policyDocuments } from './policy-files.ts'
import { RecordsCheck } from './records-check.ts'
import { sorted } from './tally.ts'

/** What an auditor brings along: keys, had by another way than the bundle. */
export interface BundleTrust {
  /** Any of the keys that the log has had: rotations lead from it to the others. */
  readonly logKey?: NoteVerifier
  readonly witnessKeys?: readonly CosignatureVerifier[]
  readonly exportKey?: NoteVerifier
  /** The digest that records call a policy bundle's file by; without it, only the manifest vouches for such files. */
  policyDigest?(path: string): Promise<string>
}

export interface BundleReport {
  /** The worst that was found. */
  readonly status: 'ok' | Severity
  readonly bundle: string
  /** What the manifest says; null where it can't be read. */
  readonly predicate: Predicate | null
  /** Of the manifest. `none`: it was made without a key. `unchecked`: no key was given to check it with. */
  readonly manifest: 'verified' | 'unchecked' | 'wrong' | 'none'
  /** Of the checkpoint, by the log's key. */
  readonly checkpoint: 'verified' | 'unchecked' | 'wrong'
  /** One for each witness's key that was given: whether it has signed the checkpoint, and when. */
  readonly witnesses: readonly WitnessReport[]
  readonly findings: readonly Finding[]
  /** Findings beyond the first 1000. */
  readonly omitted: number
}

/** Whether a folder is an export bundle rather than an evidence directory: by what only one of them has. */
export async function isBundle(path: string): Promise<boolean> {
  const there = await Promise.all([MANIFEST, FILES.records, FILES.checkpoint].map((name) => exists(join(path, name))))
  return there.includes(true)
}

/**
 * Checks an export bundle from its files alone: signature, digests and names against the manifest; the checkpoint; each
 * record to the signed root at its index; recordings and payloads; what was asked for against what is there; and everything
 * that is derived from the records, derived again. Writes nothing. Doesn't throw: what stands in the way is a finding of
 * severity `cannot`.
 */
export async function verifyBundle(bundle: string, trust: BundleTrust = {}): Promise<BundleReport> {
  const check = new BundleCheck(bundle, trust)
  try {
    await check.run()
  } catch (error) {
    check.stopped(error)
  }
  return check.report()
}

class BundleCheck {
  readonly #bundle: string
  readonly #trust: BundleTrust
  readonly #findings = new FindingList()
  #predicate: Predicate | null = null
  #manifest: BundleReport['manifest'] = 'unchecked'
  #checkpoint: BundleReport['checkpoint'] = 'unchecked'
  readonly #witness: WitnessCheck
  #keyId: string | null = null

  constructor(bundle: string, trust: BundleTrust) {
    this.#bundle = bundle
    this.#trust = trust
    this.#witness = new WitnessCheck(trust.witnessKeys ?? [])
  }

  async run(): Promise<void> {
    const manifest = await this.#readManifest()
    if (manifest === null) return
    this.#predicate = manifest.predicate
    const present = await this.#list()
    await this.#compareFiles(manifest, present)
    const checkpoint = await this.#readCheckpoint(manifest.predicate)
    const records = new RecordsCheck(this.#bundle, manifest.predicate, this.#findings)
    const whole = await records.run()
    if (checkpoint !== null) this.#judgeCheckpoint(checkpoint, records)
    this.#judgeNames(manifest, records)
    if (!whole) return
    this.#judgeCounts(manifest.predicate, records)
    await this.#judgePolicies(manifest)
    this.#judgeDerived(manifest, records)
  }

  stopped(error: unknown): void {
    const found = messageOf(error)
    const message = 'the bundle can’t be verified'
    this.#findings.note({ severity: 'cannot', file: '.', line: null, message, expected: 'a readable bundle', found })
  }

  report(): BundleReport {
    return {
      status: this.#findings.status,
      bundle: this.#bundle,
      predicate: this.#predicate,
      manifest: this.#manifest,
      checkpoint: this.#checkpoint,
      witnesses: this.#witness.reports(),
      findings: this.#findings.kept,
      omitted: this.#findings.omitted,
    }
  }

  async #readManifest(): Promise<Manifest | null> {
    const bytes = await readFile(join(this.#bundle, MANIFEST)).catch(ifGone)
    if (bytes === undefined) {
      this.#tampered(MANIFEST, 'the manifest is gone', 'a signed manifest', 'no such file')
      return null
    }
    const envelope = parseEnvelope(bytes.toString('utf8'))
    if (envelope === undefined || !Buffer.from(bytes.toString('utf8')).equals(bytes)) {
      this.#tampered(MANIFEST, 'not a manifest', 'a DSSE envelope as an export writes it', 'other bytes')
      return null
    }
    this.#judgeSignature(envelope)
    return this.#parse(envelope)
  }

  #judgeSignature(envelope: Envelope): void {
    const { exportKey } = this.#trust
    this.#keyId = envelope.signature?.keyId ?? null
    if (envelope.signature === null) this.#manifest = 'none'
    if (exportKey === undefined) return
    this.#manifest = sealedBy(envelope, exportKey) ? 'verified' : 'wrong'
    if (this.#manifest === 'verified') return
    const found = this.#keyId ?? 'no signature'
    this.#tampered(MANIFEST, 'signed with another key, or changed', keyName(exportKey), found)
  }

  #parse({ payload }: Envelope): Manifest | null {
    const parsed = parseManifest(payload.toString('utf8'))
    if (parsed.kind === 'manifest') return parsed.manifest
    if (parsed.kind === 'broken') {
      this.#tampered(MANIFEST, 'not a manifest', 'the statement of an export, in canonical JSON', 'another')
      return null
    }
    const message = 'a manifest that this build doesn’t know'
    const expected = 'an export of Countersign, bundle format 1'
    this.#findings.note({ severity: 'cannot', file: MANIFEST, line: null, message, expected, found: parsed.found })
    return null
  }

  /** Every file beneath the bundle. What is neither file nor folder, and a folder with nothing in it, no export makes. */
  async #list(): Promise<ReadonlySet<string>> {
    const files = new Set<string>()
    const entries = await readdir(this.#bundle, { recursive: true, withFileTypes: true })
    for (const entry of entries) {
      const name = join(entry.parentPath, entry.name).slice(join(this.#bundle, '.').length + 1)
      if (entry.isFile()) files.add(name)
      else if (!entry.isDirectory())
        this.#tampered(name, 'not a file', 'files and folders', 'a link, or something else')
    }
    for (const entry of entries.filter((each) => each.isDirectory())) {
      const name = join(entry.parentPath, entry.name).slice(join(this.#bundle, '.').length + 1)
      if (![...files].some((file) => file.startsWith(`${name}/`)))
        this.#tampered(name, 'a folder that no export makes', 'only folders with files', 'an empty one')
    }
    return files
  }

  async #compareFiles({ files }: Manifest, present: ReadonlySet<string>): Promise<void> {
    for (const name of present) {
      if (name !== MANIFEST && !files.has(name))
        this.#tampered(name, 'a file that the manifest doesn’t name', 'only what it names', 'one more')
    }
    for (const [name, sha256] of files) {
      const found = present.has(name) ? await digestOf(join(this.#bundle, name)) : undefined
      if (found === sha256) continue
      const message = found === undefined ? 'the file is gone' : 'the file was changed'
      this.#tampered(name, message, `SHA-256 ${sha256}`, found ?? 'no such file')
    }
  }

  async #readCheckpoint({ log }: Predicate): Promise<SignedCheckpoint | null> {
    const text = await readFile(join(this.#bundle, FILES.checkpoint), 'utf8').catch(ifGone)
    if (text === undefined) return null
    const parsed = parseCheckpoint(text)
    if (parsed === undefined) {
      this.#tampered(FILES.checkpoint, 'not a checkpoint', 'a signed note', 'other text')
      return null
    }
    const { origin, size, root } = parsed
    if (origin !== log.origin || size !== log.size || root.toString('base64') !== log.root) {
      const found = `${origin}, ${size} records, root ${root.toString('base64')}`
      const expected = `${log.origin}, ${log.size} records, root ${log.root}`
      this.#tampered(FILES.checkpoint, 'not the checkpoint that the manifest names', expected, found)
    }
    return parsed
  }

  /** Who signed the checkpoint, by the key that was the log's at this size, and by the witnesses that are known. */
  #judgeCheckpoint(checkpoint: SignedCheckpoint, { keys }: RecordsCheck): void {
    const judged = keys.judge(checkpoint, this.#trust.logKey)
    this.#checkpoint = judged.kind
    if (judged.kind === 'wrong') this.#tampered(FILES.checkpoint, judged.message, judged.expected, judged.found)
    const witnessed = this.#witness.add(checkpoint)
    for (const name of this.#witness.forged(checkpoint)) {
      const message = 'a witness’s name over a signature that is not its own'
      this.#tampered(FILES.checkpoint, message, `a signature by ${name}`, 'another')
    }
    const from = keys.untrustedFrom(checkpoint)
    if (from !== null && !witnessed) {
      this.#checkpoint = 'wrong'
      const message = `signed with a key that was compromised from ${from} records on`
      this.#tampered(FILES.checkpoint, message, 'a witness’s signature, or one of a later key', 'neither')
    }
    if (!this.#witness.isAsked || witnessed) return
    const found = checkpoint.note.signatures.map(keyName).join(', ')
    const expected = 'a signature by a witness whose key was given'
    const message = 'no witness that is known has signed this checkpoint'
    this.#findings.note({ severity: 'incomplete', file: FILES.checkpoint, line: null, message, expected, found })
  }

  /** A bundle has what an export writes, and all of it: a manifest that was signed again may not leave anything out. */
  #judgeNames({ files }: Manifest, { tally, recordings }: RecordsCheck): void {
    const required = new Set([...Object.values(FILES), ...recordings.files, ...policyDocuments(tally).keys()])
    const bundles = [...tally.policies.keys()].map((digest) => `${policyFolder(digest)}/bundle.tar.gz`)
    const allowed = new Set<string>([...required, ...REPORT_FILES, ...bundles])
    for (const name of required) {
      if (!files.has(name))
        this.#tampered(MANIFEST, `doesn’t name ${name}`, 'every file of an export', 'none of that name')
    }
    for (const name of files.keys()) {
      if (!allowed.has(name)) this.#tampered(name, 'no file of an export of these records', 'only those', 'one more')
    }
  }

  #judgeCounts({ counts }: Predicate, { tally, context, recordings }: RecordsCheck): void {
    const found = {
      records: tally.records,
      context,
      frames: recordings.frames,
      recordings: recordings.files.length,
      events: Object.fromEntries(sorted(tally.events)),
    }
    const [said, counted] = [canonicalJson({ ...counts }), canonicalJson(found)]
    if (said !== counted) this.#tampered(MANIFEST, 'the counts are not those of the records', counted, said)
  }

  async #judgePolicies({ files }: Manifest): Promise<void> {
    for (const name of files.keys()) {
      const [, digest] = POLICY_BUNDLE.exec(name) ?? []
      if (digest === undefined || this.#trust.policyDigest === undefined) continue
      const found = await this.#trust.policyDigest(join(this.#bundle, name)).catch(messageOf)
      if (found !== digest) this.#tampered(name, 'not the policy that the records name', digest, found)
    }
  }

  #judgeDerived({ files, predicate }: Manifest, { tally, ocsf }: RecordsCheck): void {
    if (predicate.mapping.version !== MAPPING.version) return this.#unknownMapping(predicate)
    const texts: ReadonlyMap<string, string> = new Map([
      [FILES.oscal, assessmentResults(predicate, tally)],
      [FILES.verify, instructions(predicate, this.#keyId)],
      ...policyDocuments(tally),
    ])
    const derived = new Map([
      [FILES.ocsf as string, ocsf],
      ...[...texts].map(([name, text]) => [name, sha256(text)] as const),
    ])
    for (const [name, digest] of derived) {
      const said = files.get(name)
      if (said !== undefined && said !== digest)
        this.#tampered(name, 'not what the records make', `SHA-256 ${digest}`, said)
    }
  }

  #unknownMapping({ mapping }: Predicate): void {
    const message = 'derived files are of a mapping that this build doesn’t know'
    const expected = `mapping ${MAPPING.version}`
    const found = `mapping ${mapping.version}; everything else was checked`
    this.#findings.note({ severity: 'cannot', file: FILES.ocsf, line: null, message, expected, found })
  }

  #tampered(file: string, message: string, expected: string, found: string): void {
    this.#findings.tampered(file, null, message, expected, found)
  }
}

const POLICY_BUNDLE = /^policy\/([0-9a-f]{64})\/bundle\.tar\.gz$/

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: 1024 * 1024 })
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

function ifGone(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}

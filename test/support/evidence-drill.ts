/**
 * The tamper drill: a small directory of evidence, what is done to it, and what every verifier has to say of that. Made
 * deterministically, so that it is published as test vectors (docs/evidence-vectors):
 * `node test/support/evidence-drill.ts DIRECTORY` writes them.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseCheckpoint, signCheckpoint, type SignedCheckpoint } from '../../engine/evidence/checkpoint.ts'
import { cosignatureLine, cosignerFromSeed, type Cosigner } from '../../engine/evidence/cosignature.ts'
import { localFiles, type FileSystem } from '../../engine/evidence/file-store.ts'
import {
  openEvidenceLog,
  signerFromSeed,
  verifierText,
  type EvidenceLog,
  type NoteSigner,
  type RecordDraft,
} from '../../engine/evidence/index.ts'
import { encodeLine } from '../../engine/evidence/line.ts'
import { rotationDraft } from '../../engine/evidence/rotation.ts'

/** What a verifier is given beside the directory. `since`: the text of an earlier checkpoint. */
export interface DrillTrust {
  readonly logKey: string | null
  readonly witnessKeys: readonly string[]
  readonly since: string | null
}

export interface DrillItem {
  readonly name: string
  /** Exit code of every verifier. */
  readonly exit: 0 | 1 | 2 | 3
  /** What it must say, among other things; null where nothing is found. */
  readonly words: string | null
  /** Makes the directory; answers what else than the usual keys is brought along. */
  readonly make: (directory: string) => Promise<Partial<DrillTrust> | void>
}

const first = required(signerFromSeed('bank.example/gw-1', Buffer.alloc(32, 1)))
const second = required(signerFromSeed('bank.example/gw-1', Buffer.alloc(32, 2)))
const stranger = required(signerFromSeed('bank.example/gw-1', Buffer.alloc(32, 3)))
const witness = required(cosignerFromSeed('auditor.example/w1', Buffer.alloc(32, 4)))
const otherWitness = required(cosignerFromSeed('other.example/w2', Buffer.alloc(32, 5)))

/** What is brought along, where an item says nothing else. */
export const USUAL_TRUST: DrillTrust = {
  logKey: verifierText(first.verifier),
  witnessKeys: [verifierText(witness.verifier)],
  since: null,
}

const POLICY = { revision: 'r1', digest: 'cd'.repeat(32) }

function intent(decision: string, more: Partial<RecordDraft> = {}): RecordDraft {
  return {
    event: 'decision.forward',
    session: 's-1',
    decision,
    action: { name: 'postgres.select', class: 'read' },
    verdict: 'forward',
    policy: POLICY,
    payload: { block: { statement: 'select name from customers where id = $1' }, values: [] },
    ...more,
  }
}

const settled = (decision: string): RecordDraft => ({
  event: 'outcome.ok',
  session: 's-1',
  decision,
  outcome: { rows: 1 },
})
/** An intent that tells its outcome, with the answer in its payload. */
const answered = (decision: string): RecordDraft => ({
  ...intent(decision),
  outcome: { answer: 'sql.rows', rows: 1, status: 'ok' },
  payload: { ...intent(decision).payload, answer: { rows: [['Ann']], count: 1 } },
})
const granted = (id: string): RecordDraft => ({ event: 'approval.granted', approval: { id, approver: 'ann' } })
const used = (id: string): Partial<RecordDraft> => ({ approval: { id, state: 'used' } })
const activated: RecordDraft = { event: 'policy.activated', policy: POLICY }
/** An approval, asked for, given and used. */
const APPROVED = [
  {
    event: 'decision.hold',
    session: 's-1',
    decision: 'd-2',
    policy: POLICY,
    approval: { id: 'a-1', state: 'requested' },
  },
  granted('a-1'),
  intent('d-2', used('a-1')),
  settled('d-2'),
] as const

interface Life {
  readonly day: number
  readonly signer?: NoteSigner
  readonly previousSigner?: NoteSigner
  readonly drafts?: readonly RecordDraft[]
  /** Left without its end, as a kill leaves it. */
  readonly killed?: boolean
}

/** The real disk without waiting for it. */
const files: FileSystem = {
  ...localFiles,
  syncDirectory: () => Promise.resolve(),
  create: async (path) => ({ ...(await localFiles.create(path)), datasync: () => Promise.resolve() }),
}

/** One life of a gateway: a policy, a session with a decision and its frames, and these records. */
async function live(directory: string, { day, drafts = [], killed = false, ...keys }: Life): Promise<void> {
  let ms = Date.UTC(2026, 3, day, 9)
  const rhythm = { everyMs: 3_600_000, heartbeatMs: 3_600_000 }
  const clock = { now: () => (ms += 1), monotonic: () => BigInt(ms) * 1_000_000n }
  const random = (bytes: number): Uint8Array => Buffer.alloc(bytes, day)
  const log = await openEvidenceLog({
    directory,
    instance: 'gw-1',
    ...clock,
    rhythm,
    random,
    files,
    signer: first,
    ...keys,
  })
  await write(log, [activated, { event: 'session.opened', session: 's-1' }, intent('d-1')])
  for (const body of ['select name from customers where id = $1', [['Ann']]]) {
    const dir = typeof body === 'string' ? 'client' : 'upstream'
    await log.appendFrame('s-1', { dir, kind: dir === 'client' ? 'sql.query' : 'sql.rows', decision: 'd-1', body })
      .durable
  }
  await write(log, [settled('d-1'), ...drafts, { event: 'session.closed', session: 's-1' }])
  const copy = mkdtempSync(join(tmpdir(), 'countersign-drill-'))
  if (killed) cpSync(directory, copy, { recursive: true, filter: (path) => !path.includes('/locks') })
  await log.close()
  if (killed) {
    for (const part of ['records', 'recordings', 'log']) {
      rmSync(join(directory, part), { recursive: true })
      cpSync(join(copy, part), join(directory, part), { recursive: true })
    }
  }
  rmSync(copy, { recursive: true })
}

async function write(log: EvidenceLog, drafts: readonly RecordDraft[]): Promise<void> {
  for (const draft of drafts) await log.append(draft).durable
}

/** Two lives, the second under a new key; a witness has signed all of it. */
async function whole(directory: string, more: readonly RecordDraft[] = []): Promise<void> {
  await live(directory, { day: 1, drafts: APPROVED })
  await live(directory, { day: 2, signer: second, previousSigner: first, drafts: more })
  cosign(directory, witness)
}

/** The same with other records in the first life, under one key. */
async function one(directory: string, drafts: readonly RecordDraft[]): Promise<void> {
  await live(directory, { day: 1, drafts })
  cosign(directory, witness)
}

function cosign(directory: string, by: Cosigner): void {
  writeFileSync(join(directory, 'log/witnessed'), witnessedText(directory, by))
}

function witnessedText(directory: string, by: Cosigner): string {
  return `${read(directory, 'log/checkpoint')}${cosignatureLine(by, checkpointIn(directory).note.text, 1_776_600_000)}`
}

function checkpointIn(directory: string): SignedCheckpoint {
  return required(parseCheckpoint(read(directory, 'log/checkpoint')))
}

function signAgain(directory: string, by: NoteSigner): void {
  writeFileSync(join(directory, 'log/checkpoint'), signCheckpoint(checkpointIn(directory), by))
}

const read = (directory: string, name: string): string => readFileSync(join(directory, name), 'utf8')

/** The nth writer's file of a part. */
function fileOf(directory: string, part: 'records' | 'recordings', writer = 0): string {
  return join(directory, part, required(readdirSync(join(directory, part)).toSorted()[writer]))
}

function edit(path: string, change: (lines: string[]) => readonly string[]): void {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  writeFileSync(
    path,
    change(lines)
      .map((line) => `${line}\n`)
      .join(''),
  )
}

function rewrite(path: string, from: string | RegExp, to: string): void {
  const text = readFileSync(path, 'utf8')
  if (text.replace(from, to) === text) throw new Error(`${path} has no ${String(from)}`)
  writeFileSync(path, text.replace(from, to))
}

/** Overwrites a payload as retention does: null, and spaces up to where it ended. */
function erase(line: string): string {
  return line.replace(/"salted":(.*)\}$/, (_, text: string) => `"salted":null${' '.repeat(text.length - 4)}}`)
}

/** A frame that says something else, with its hash computed again; its payload stays. */
function forgeFrame(line: string): string {
  const { frame }: { frame: object } = JSON.parse(line)
  const [, salted = ''] = /(,"salted":.*)\}$/.exec(line) ?? []
  return `${encodeLine('frame', { ...frame, kind: 'sql.other' }).text.slice(0, -2)}${salted}}`
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not there')
  return value
}

async function elsewhere<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-drill-'))
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** A state of the same directory that is put in its place. */
async function earlier(directory: string): Promise<void> {
  await live(directory, { day: 1, drafts: APPROVED })
}

export const DRILL: readonly DrillItem[] = [
  { name: 'whole', exit: 0, words: null, make: (at) => whole(at) },
  {
    name: 'whole-known-by-its-newest-key',
    exit: 0,
    words: null,
    make: async (at) => {
      await whole(at)
      return { logKey: verifierText(second.verifier) }
    },
  },
  {
    name: 'continues-an-earlier-checkpoint',
    exit: 0,
    words: null,
    make: async (at) => {
      await whole(at)
      return { since: await elsewhere(async (other) => (await earlier(other), read(other, 'log/checkpoint'))) }
    },
  },
  {
    name: 'recovered-after-a-crash',
    exit: 0,
    words: null,
    make: async (at) => {
      await live(at, { day: 1, drafts: [intent('d-3')], killed: true })
      await live(at, { day: 2 })
      cosign(at, witness)
    },
  },
  {
    name: 'erased-by-retention',
    exit: 0,
    words: null,
    make: async (at) => {
      const writer = 'gw-1.1775034000001-010101010101'
      const ranges = [
        { kind: 'record', writer, from: 4, to: 4 },
        { kind: 'frame', writer, from: 1, to: 2 },
      ]
      const detail = { rule: 'customers', cutoff: '2026-04-02T00:00:00.000Z', reason: 'age', erased: ranges }
      await whole(at, [{ event: 'retention.applied', detail }])
      edit(fileOf(at, 'records'), (lines) => lines.map((line, index) => (index === 3 ? erase(line) : line)))
      edit(fileOf(at, 'recordings'), (lines) => lines.map(erase))
    },
  },
  {
    name: 'witnessed-in-a-record',
    exit: 0,
    words: null,
    make: async (at) => {
      await live(at, { day: 1 })
      const { size, root } = checkpointIn(at)
      const detail = { size, root: root.toString('hex'), checkpoint: witnessedText(at, witness) }
      await live(at, { day: 2, drafts: [{ event: 'log.witnessed', detail }] })
    },
  },
  {
    name: 'byte-flipped',
    exit: 1,
    words: 'the line was changed',
    make: async (at) => {
      await whole(at)
      rewrite(fileOf(at, 'records'), '"class":"read"', '"class":"reed"')
    },
  },
  {
    name: 'last-record-dropped',
    exit: 1,
    words: 'a record of the log is gone or illegible',
    make: async (at) => {
      await whole(at)
      edit(fileOf(at, 'records', 1), (lines) => lines.slice(0, -1))
    },
  },
  {
    name: 'middle-record-dropped',
    exit: 1,
    words: 'the sequence is broken: records are missing before this one',
    make: async (at) => {
      await whole(at)
      edit(fileOf(at, 'records'), (lines) => lines.toSpliced(5, 1))
    },
  },
  {
    name: 'two-records-swapped',
    exit: 1,
    words: 'the sequence is broken: a record out of its place',
    make: async (at) => {
      await whole(at)
      edit(fileOf(at, 'records'), (lines) => lines.toSpliced(5, 2, required(lines[6]), required(lines[5])))
    },
  },
  {
    name: 'frame-replaced',
    exit: 1,
    words: 'not the frame that',
    make: async (at) => {
      await whole(at)
      edit(fileOf(at, 'recordings'), (lines) => lines.map((line, index) => (index === 1 ? forgeFrame(line) : line)))
    },
  },
  {
    name: 'payload-replaced',
    exit: 1,
    words: 'the payload was changed',
    make: async (at) => {
      await whole(at)
      rewrite(fileOf(at, 'recordings'), '[["Ann"]]', '[["Bob"]]')
    },
  },
  {
    name: 'payload-erased',
    exit: 1,
    words: 'a payload was erased that no retention.applied names',
    make: async (at) => {
      await whole(at)
      edit(fileOf(at, 'recordings'), (lines) => lines.map(erase))
    },
  },
  {
    name: 'payload-taken-out',
    exit: 1,
    words: 'the payload was changed',
    make: async (at) => {
      await whole(at)
      rewrite(fileOf(at, 'recordings'), /,"salted":.*\}\n/, '}\n')
    },
  },
  {
    name: 'recording-truncated',
    exit: 1,
    words: 'names a frame that is not in the recording',
    make: async (at) => {
      await whole(at)
      const path = fileOf(at, 'recordings')
      writeFileSync(path, readFileSync(path).subarray(0, -200))
    },
  },
  {
    name: 'recording-deleted',
    exit: 1,
    words: 'the recording is gone',
    make: async (at) => {
      await whole(at)
      rmSync(fileOf(at, 'recordings'))
    },
  },
  {
    name: 'approval-backdated',
    exit: 1,
    words: 'approval a-1 came after its use',
    make: (at) => one(at, [intent('d-2', used('a-1')), settled('d-2'), granted('a-1')]),
  },
  {
    name: 'approval-used-twice',
    exit: 1,
    words: 'approval a-1 is used twice',
    make: (at) =>
      one(at, [granted('a-1'), intent('d-2', used('a-1')), settled('d-2'), intent('d-3', used('a-1')), settled('d-3')]),
  },
  {
    name: 'policy-not-in-force',
    exit: 1,
    words: 'decision d-2 is by a policy that was not in force',
    make: (at) => one(at, [intent('d-2', { policy: { ...POLICY, revision: 'r2' } }), settled('d-2')]),
  },
  {
    name: 'signed-with-a-new-key',
    exit: 1,
    words: 'signed with another key, or changed',
    make: async (at) => {
      await whole(at)
      signAgain(at, stranger)
    },
  },
  {
    name: 'old-key-after-its-rotation',
    exit: 1,
    words: 'signed with a key that was not the log’s at this size',
    make: async (at) => {
      await whole(at)
      signAgain(at, first)
    },
  },
  {
    name: 'key-of-another-log',
    exit: 1,
    words: 'the key that was given is none of this log’s',
    make: async (at) => {
      await whole(at)
      return { logKey: verifierText(stranger.verifier) }
    },
  },
  {
    name: 'rotation-by-one-key',
    exit: 1,
    words: 'a rotation that not both keys have signed',
    make: async (at) => {
      await live(at, { day: 1 })
      const { detail } = rotationDraft(checkpointIn(at), first, second)
      const both = detail?.['statement']
      const statement = typeof both === 'string' ? both.split('\n').toSpliced(-2, 1).join('\n') : ''
      await live(at, { day: 2, drafts: [{ event: 'key.rotated', detail: { ...detail, statement } }] })
      cosign(at, witness)
    },
  },
  {
    name: 'key-compromised',
    exit: 1,
    words: 'signed with a key that was compromised from 5 records on',
    make: async (at) => {
      await live(at, {
        day: 1,
        drafts: [{ event: 'key.compromised', detail: { key: verifierText(first.verifier), from: 5 } }],
      })
      return { witnessKeys: [] }
    },
  },
  {
    name: 'log-forked',
    exit: 1,
    words: 'the log was forked: it does not continue the earlier checkpoint',
    make: async (at) => {
      await whole(at)
      const other = [intent('d-9'), settled('d-9'), granted('a-9'), granted('a-8')]
      return {
        since: await elsewhere(
          async (fork) => (await live(fork, { day: 1, drafts: other }), read(fork, 'log/checkpoint')),
        ),
      }
    },
  },
  {
    name: 'history-written-anew',
    exit: 1,
    words: 'the records are not those that were signed',
    make: async (at) => {
      await live(at, { day: 1, drafts: [intent('d-9'), settled('d-9')] })
      await elsewhere(async (other) => {
        await live(other, { day: 1, drafts: [intent('d-8'), settled('d-8')] })
        cpSync(join(other, 'log/checkpoint'), join(at, 'log/checkpoint'))
      })
      return { witnessKeys: [] }
    },
  },
  {
    name: 'put-back-behind-a-checkpoint',
    exit: 1,
    words: 'the log went back',
    make: async (at) => {
      await earlier(at)
      return {
        since: await elsewhere(async (other) => (await whole(other), read(other, 'log/checkpoint'))),
        witnessKeys: [],
      }
    },
  },
  {
    name: 'put-back-behind-a-witness',
    exit: 1,
    words: 'the log went back',
    make: async (at) => {
      await earlier(at)
      return { since: await elsewhere(async (other) => (await whole(other), read(other, 'log/witnessed'))) }
    },
  },
  {
    name: 'put-back-but-for-what-was-witnessed',
    exit: 1,
    words: 'the log went back: a witness signed a later checkpoint',
    make: async (at) => {
      await earlier(at)
      await elsewhere(async (other) => {
        await whole(other)
        cpSync(join(other, 'log/witnessed'), join(at, 'log/witnessed'))
      })
    },
  },
  {
    name: 'checkpoint-put-back',
    exit: 1,
    words: 'the log went back: this record names a later checkpoint',
    make: async (at) => {
      await earlier(at)
      const old = read(at, 'log/checkpoint')
      await live(at, { day: 2 })
      const { size, root } = checkpointIn(at)
      await live(at, { day: 3, drafts: [{ event: 'log.checkpoint', detail: { size, root: root.toString('hex') } }] })
      writeFileSync(join(at, 'log/checkpoint'), old)
      return { witnessKeys: [] }
    },
  },
  {
    name: 'tile-deleted',
    exit: 1,
    words: 'a tile is gone',
    make: async (at) => {
      await whole(at)
      rmSync(join(at, 'log/tile/0'), { recursive: true })
    },
  },
  {
    name: 'tile-changed',
    exit: 1,
    words: 'a tile was changed',
    make: async (at) => {
      await whole(at)
      const folder = join(at, 'log/tile/0/000.p')
      const path = join(folder, required(readdirSync(folder)[0]))
      writeFileSync(path, readFileSync(path).fill(0, 40, 41))
    },
  },
  {
    name: 'order-changed',
    exit: 1,
    words: 'the order was changed',
    make: async (at) => {
      await whole(at)
      rewrite(join(at, 'log/sequence.ndjson'), '"seq":1,', '"seq":2,')
    },
  },
  {
    name: 'checkpoint-deleted',
    exit: 1,
    words: 'the checkpoint is gone',
    make: async (at) => {
      await whole(at)
      rmSync(join(at, 'log/checkpoint'))
    },
  },
  {
    name: 'log-deleted',
    exit: 1,
    words: 'the log is gone',
    make: async (at) => {
      await whole(at)
      rmSync(join(at, 'log'), { recursive: true })
      return { logKey: null, witnessKeys: [] }
    },
  },
  {
    name: 'other-witness',
    exit: 1,
    words: 'only other witnesses have signed',
    make: async (at) => {
      await whole(at)
      cosign(at, otherWitness)
    },
  },
  {
    name: 'cosignature-forged',
    exit: 1,
    words: 'a witness’s name over a signature that is not its own',
    make: async (at) => {
      await whole(at)
      const { name, id } = witness.verifier
      const forged = Buffer.concat([id, Buffer.alloc(72, 6)]).toString('base64')
      writeFileSync(join(at, 'log/witnessed'), `${read(at, 'log/checkpoint')}— ${name} ${forged}\n`)
    },
  },
  {
    name: 'never-witnessed',
    exit: 2,
    words: 'no witness has signed this log',
    make: async (at) => {
      await whole(at)
      rmSync(join(at, 'log/witnessed'))
    },
  },
  {
    name: 'killed',
    exit: 2,
    words: 'the writer never closed',
    make: async (at) => {
      await live(at, { day: 1, killed: true })
      return { witnessKeys: [] }
    },
  },
  {
    name: 'unsigned-records',
    exit: 2,
    words: 'records that no checkpoint covers',
    make: async (at) => {
      await live(at, { day: 1 })
      const log = await openEvidenceLog({
        directory: at,
        instance: 'gw-2',
        now: () => Date.UTC(2026, 3, 2),
        monotonic: () => 0n,
        random: (bytes) => Buffer.alloc(bytes, 2),
        files,
      })
      await log.close()
      return { witnessKeys: [] }
    },
  },
  {
    name: 'intent-without-outcome',
    exit: 2,
    words: 'an outcome without its intent',
    make: (at) => one(at, [settled('d-7')]),
  },
  {
    name: 'answered-at-once',
    exit: 0,
    words: null,
    make: (at) => one(at, [answered('d-7')]),
  },
  {
    name: 'answered-twice',
    exit: 2,
    words: 'an outcome without its intent',
    make: (at) => one(at, [answered('d-7'), settled('d-7')]),
  },
  {
    name: 'unknown-format',
    exit: 3,
    words: 'written in a format that this version does not know',
    make: async (at) => {
      await live(at, { day: 1 })
      rmSync(join(at, 'log'), { recursive: true })
      edit(fileOf(at, 'records'), ([line = '']) => {
        const { record }: { record: object } = JSON.parse(line.replace('"format":3', '"format":9'))
        return [encodeLine('record', record).text.slice(0, -1)]
      })
      rmSync(fileOf(at, 'recordings'))
      writeFileSync(join(at, 'recordings', required(readdirSync(join(at, 'records'))[0])), '')
      return { logKey: null, witnessKeys: [] }
    },
  },
]

/** Makes one item into `<home>/<name>`: `evidence/`, and `since` where an earlier checkpoint is brought along. */
export async function makeItem({ name, make }: DrillItem, home: string): Promise<DrillTrust> {
  const directory = join(home, name, 'evidence')
  rmSync(join(home, name), { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const trust = { ...USUAL_TRUST, ...(await make(directory)) }
  rmSync(join(directory, 'locks'), { recursive: true })
  if (trust.since !== null) writeFileSync(join(home, name, 'since'), trust.since)
  return trust
}

/** All of them, and the list of what verifiers must say. */
export async function makeVectors(home: string): Promise<void> {
  const list = []
  for (const item of DRILL) {
    const { logKey, witnessKeys, since } = await makeItem(item, home)
    const trust = { log_key: logKey, witness_keys: witnessKeys, since: since === null ? null : `${item.name}/since` }
    list.push({ name: item.name, directory: `${item.name}/evidence`, ...trust, exit: item.exit, says: item.words })
  }
  writeFileSync(join(home, 'vectors.json'), `${JSON.stringify(list, null, 2)}\n`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await makeVectors(process.argv[2] ?? '')

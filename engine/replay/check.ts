import { fromBase64, fromHex } from './bytes.ts'
import { faultOf, type Entry } from './entry.ts'
import { erases } from './erasure.ts'
import { leadsToRoot } from './inclusion.ts'
import { dueKey } from './keys.ts'
import { numberOf, objectOf, textOf } from './json.ts'
import { readCheckpoint, readPublicKey, signedBy, strangers, type CheckpointNote, type PublicKey } from './note.ts'
import { entriesOf, type ProvenEntry, type SessionEntries, type SessionEvidence } from './session-evidence.ts'

/** `unchecked`: nothing speaks against it, and what it takes to check it isn't here. `absent`: there is nothing to check. */
export type CheckState = 'ok' | 'bad' | 'unchecked' | 'absent'

/** One line of the integrity strip. */
export interface Check {
  readonly name: 'bytes' | 'payloads' | 'recording' | 'session' | 'inclusion' | 'signature' | 'witness'
  readonly state: CheckState
  /** What was found, in a sentence. */
  readonly found: string
}

export interface SessionCheck {
  /** `bad` when anything is; `ok` only when everything is. */
  readonly state: CheckState
  readonly checks: readonly Check[]
  /** By leaf: what is wrong with that line. */
  readonly faults: ReadonlyMap<string, string>
}

/**
 * Derives again, from the lines alone, what the log claims of them: each line's bytes and hashes, its payload, the
 * recording's chain against the records that name it, and the way of each record to the signed root. `keys`: the public
 * keys that whoever asks trusts, as text; none of them may come from where the lines come from.
 */
export async function checkSession(evidence: SessionEvidence, keys: readonly string[] = []): Promise<SessionCheck> {
  const entries = entriesOf(evidence)
  const faults = new Map<string, string>()
  const note = evidence.checkpoint === null ? undefined : readCheckpoint(evidence.checkpoint)
  const trusted = (await Promise.all(keys.map(readPublicKey))).filter((key) => key !== undefined)
  const checks = [
    await checkBytes(entries, faults),
    checkPayloads(entries),
    checkRecording(evidence.session, entries, faults),
    checkWhole(evidence.session, entries),
    await checkInclusion(entries.records, evidence.checkpoint, note, faults),
    await checkSignature(note, trusted, entries.records),
    await checkWitness(note, trusted),
  ]
  return { state: worst(checks), checks, faults }
}

function worst(checks: readonly Check[]): CheckState {
  if (checks.some(({ state }) => state === 'bad')) return 'bad'
  return checks.some(({ state }) => state === 'unchecked') ? 'unchecked' : 'ok'
}

async function checkBytes(entries: SessionEntries, faults: Map<string, string>): Promise<Check> {
  const lines: readonly Entry[] = [...entries.records, ...entries.frames]
  const found = await Promise.all(lines.map(faultOf))
  for (const [index, fault] of found.entries()) if (fault !== null) faults.set(lines[index]?.leaf ?? '', fault)
  const bad = found.filter((fault) => fault !== null).length + entries.illegible.length
  const all = `${count(entries.records.length, 'record')} and ${count(entries.frames.length, 'frame')}`
  if (bad > 0)
    return check('bytes', 'bad', `${count(bad, 'line')} of ${all} changed: the leaf hash is not that of its bytes`)
  return check('bytes', 'ok', `${all}: each leaf hash is that of its bytes`)
}

function checkPayloads({ records, frames }: SessionEntries): Check {
  const lines: readonly Entry[] = [...records, ...frames]
  const named = lines.filter(({ payload }) => payload !== undefined)
  const erased = named.filter(({ payload }) => payload === null)
  if (named.length === 0) return check('payloads', 'absent', 'no payload stands beside these entries')
  if (erased.length === 0)
    return check('payloads', 'ok', `${count(named.length, 'payload')}: salt and body give the digest in the entry`)
  const unnamed = erased.filter((entry) => !records.some((record) => erases(record, entry)))
  const rest = `${named.length - erased.length} of ${count(named.length, 'payload')} match their digests, ${erased.length} erased`
  if (unnamed.length > 0) return check('payloads', 'bad', `${rest}; ${unnamed.length} of them by no retention event`)
  return check('payloads', 'ok', `${rest} by a retention event of the log`)
}

const NO_LEAF = '0'.repeat(64)

/**
 * The frames follow each other from the first, and every record that names the recording names one of them: writer by
 * writer, though a session has normally one.
 */
function checkRecording(session: string, { records, frames }: SessionEntries, faults: Map<string, string>): Check {
  const byWriter = Map.groupBy(frames, ({ fields }) => fields['writer_id'])
  for (const chain of byWriter.values()) {
    const broken = brokenAt(session, chain)
    if (broken === undefined) continue
    faults.set(broken.leaf, 'it does not follow the frame before it')
    return check('recording', 'bad', `frame ${numberOf(broken.fields['i']) ?? '?'} does not follow the one before it`)
  }
  const named = records.filter(
    ({ fields }) => fields['session'] === session && numberOf(objectOf(fields['recording'])['frames']) !== null,
  )
  const reach = new Map<unknown, number>()
  for (const { fields } of named) {
    const { frames: to, head } = objectOf(fields['recording'])
    const writer = fields['writer_id']
    if (byWriter.get(writer)?.[Number(to) - 1]?.leaf !== head)
      return check('recording', 'bad', `a record names frame ${numberOf(to) ?? '?'}, which is another one or gone`)
    reach.set(writer, Math.max(reach.get(writer) ?? 0, Number(to)))
  }
  if (frames.length === 0)
    return check('recording', 'ok', 'no frames, and no record names one: answers stand beside the records')
  const last = [...reach.values()].reduce((sum, to) => sum + to, 0)
  const covered = last === frames.length ? 'to the last' : `as far as ${last}; what came after has no record yet`
  return check('recording', 'ok', `${count(frames.length, 'frame')}, chained, and named by the records ${covered}`)
}

function brokenAt(session: string, chain: readonly Entry[]): Entry | undefined {
  return chain.find(
    ({ fields }, at) =>
      fields['session'] !== session || fields['i'] !== at + 1 || fields['prev'] !== (chain[at - 1]?.leaf ?? NO_LEAF),
  )
}

/** Whether a record was left out: a session that closed tells how many it had, and an approval that was used was granted. */
function checkWhole(session: string, { records }: SessionEntries): Check {
  const own = records.filter(({ fields }) => fields['session'] === session)
  const ends = own.filter(({ fields }) => fields['event'] === 'session.closed')
  if (own.length === 0) return check('session', 'bad', 'no record here is of this session')
  const wrong = misused(session, records)
  if (wrong !== undefined) return check('session', 'bad', wrong)
  if (ends.length === 0)
    return check('session', 'unchecked', 'the session has no end yet: more records may belong to it')
  let claimed = 0
  for (const end of ends) {
    const records = numberOf(objectOf(end.fields['detail'])['records'])
    if (records === null)
      return check('session', 'unchecked', 'its last record does not tell how many there are: verify the whole log')
    const here = own.filter((record) => isCounted(record, end)).length
    if (here !== records)
      return check('session', 'bad', `the session has ${records} records of its own, ${here} are here`)
    claimed += records
  }
  return check('session', 'ok', `all ${count(claimed, 'record')} that the session closed with are here`)
}

/** What is wrong with the first use of an approval that is: nothing grants it before, or it was used before. */
function misused(session: string, records: readonly Entry[]): string | undefined {
  const granted = new Set<string | null>()
  const used = new Set<string | null>()
  for (const record of records) {
    const id = approvalId(record)
    if (record.fields['event'] === 'approval.granted') granted.add(id)
    const uses = textOf(record.fields['event'])?.startsWith('decision.') === true
    if (record.fields['session'] !== session || !uses || objectOf(record.fields['approval'])['state'] !== 'used')
      continue
    if (!granted.has(id)) return `approval ${id ?? 'without an id'} was used, and nothing grants it before`
    if (used.has(id)) return `approval ${id ?? 'without an id'} was used twice`
    used.add(id)
  }
  return undefined
}

function approvalId({ fields }: Entry): string | null {
  return textOf(objectOf(fields['approval'])['id'])
}

// What a session counts is what it wrote itself; its beginning and its approvals are written for it.
function isCounted({ fields }: Entry, closed: Entry): boolean {
  const event = textOf(fields['event']) ?? ''
  if (fields['writer_id'] !== closed.fields['writer_id']) return false
  if (Number(fields['seq']) > Number(closed.fields['seq'])) return false
  return !event.startsWith('approval.') && event !== 'session.opened'
}

async function checkInclusion(
  records: readonly ProvenEntry[],
  text: string | null,
  note: CheckpointNote | undefined,
  faults: Map<string, string>,
): Promise<Check> {
  if (text === null)
    return check('inclusion', 'unchecked', 'the directory has no log: nothing binds these records to a signed root')
  if (note === undefined) return check('inclusion', 'bad', 'the checkpoint is not one: it was changed')
  const proven = records.filter(({ index }) => index !== null)
  const moved = records.findIndex(
    ({ index }, at) => at > 0 && (index ?? Infinity) < (records[at - 1]?.index ?? Infinity),
  )
  if (moved >= 0 || hasTwins(proven)) return check('inclusion', 'bad', 'the records are not in the order of the log')
  const led = await Promise.all(proven.map((record) => isIncluded(record, note)))
  for (const [at, holds] of led.entries()) {
    if (!holds) faults.set(proven[at]?.leaf ?? '', 'its proof does not lead to the root that was signed')
  }
  const bad = led.filter((holds) => !holds).length
  const open = records.length - proven.length
  if (bad > 0) return check('inclusion', 'bad', `${count(bad, 'record')} not under the root of ${note.origin}`)
  const all = `${count(proven.length, 'record')} led to the root over ${note.size} of ${note.origin}`
  if (open > 0) return check('inclusion', 'unchecked', `${all}; ${open} came after its last checkpoint`)
  return check('inclusion', 'ok', all)
}

function hasTwins(proven: readonly ProvenEntry[]): boolean {
  return new Set(proven.map(({ index }) => index)).size < proven.length
}

async function isIncluded({ leaf, index, proof }: ProvenEntry, { size, root }: CheckpointNote): Promise<boolean> {
  const [bytes, steps] = [fromHex(leaf), proof.map(fromBase64)]
  const path = steps.filter((step) => step?.length === 32).filter((step) => step !== undefined)
  if (bytes === undefined || path.length !== steps.length || index === null) return false
  return leadsToRoot(bytes, index, size, path, root)
}

async function checkSignature(
  note: CheckpointNote | undefined,
  keys: readonly PublicKey[],
  records: readonly ProvenEntry[],
): Promise<Check> {
  if (note === undefined) return check('signature', 'absent', 'there is no checkpoint that could be signed')
  const logKeys = keys.filter(({ kind }) => kind === 'log')
  if (logKeys.length === 0)
    return check('signature', 'unchecked', `not checked: give the public key of ${note.origin} that you hold`)
  const judged = await Promise.all(logKeys.map((key) => judgeSignature(note, key, records)))
  const [first] = judged
  const best = judged.find(({ state }) => state === 'ok') ?? judged.find(({ state }) => state === 'unchecked') ?? first
  return best ?? check('signature', 'bad', 'no key fits')
}

async function judgeSignature(
  note: CheckpointNote,
  trusted: PublicKey,
  records: readonly ProvenEntry[],
): Promise<Check> {
  const due = await dueKey(note, trusted, records)
  if (due.kind === 'refused') return check('signature', 'bad', due.why)
  const { key, rotations } = due
  const name = `${key.name}+${key.id}`
  if (key.name !== note.origin) return check('signature', 'bad', `${name} is not a key of the log ${note.origin}`)
  const { state } = await signedBy(note, key)
  if (state === 'unsupported') return check('signature', 'unchecked', 'not checked in this browser: it has no Ed25519')
  if (state !== 'signed') return check('signature', 'bad', `not signed by ${name}`)
  const through = rotations === 0 ? '' : `, known from ${trusted.id} through ${count(rotations, 'rotation')}`
  return check('signature', 'ok', `signed by ${name}${through}`)
}

async function checkWitness(note: CheckpointNote | undefined, keys: readonly PublicKey[]): Promise<Check> {
  const witnesses = keys.filter(({ kind }) => kind === 'witness')
  if (note === undefined) return check('witness', 'absent', 'there is no checkpoint that a witness could have seen')
  if (witnesses.length === 0) {
    const others = strangers(note, keys).filter(({ name }) => name !== note.origin)
    if (others.length === 0) return check('witness', 'absent', 'no witness has cosigned this checkpoint')
    const named = others.map(({ name, id }) => `${name}+${id}`).join(', ')
    return check('witness', 'unchecked', `cosigned by ${named}: not checked, give the witness’s public key`)
  }
  const signed = await Promise.all(witnesses.map(async (key) => ({ key, how: await signedBy(note, key) })))
  const bad = signed.find(({ how }) => how.state === 'wrong')
  if (bad !== undefined) return check('witness', 'bad', `the cosignature of ${bad.key.name} does not hold`)
  const seen = signed.flatMap(({ key, how }) =>
    how.state === 'signed' && how.at !== null ? [`${key.name} at ${time(how.at)}`] : [],
  )
  if (seen.length > 0) return check('witness', 'ok', `seen by ${seen.join(', ')}`)
  if (signed.some(({ how }) => how.state === 'unsupported'))
    return check('witness', 'unchecked', 'not checked in this browser: it has no Ed25519')
  return check(
    'witness',
    'unchecked',
    `none of ${witnesses.map(({ name }) => name).join(', ')} has cosigned this checkpoint`,
  )
}

function time(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}

function check(name: Check['name'], state: CheckState, found: string): Check {
  return { name, state, found }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

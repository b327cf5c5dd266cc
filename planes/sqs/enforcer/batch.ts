import type { JsonObject } from '../../../engine/index.ts'
import { NormalizeError, ObligationError, UpstreamError } from '../../../engine/index.ts'
import type { Fault } from '../codec/call.ts'
import { listOf, objectOf, textOf } from '../codec/members.ts'
import type { ActionName } from '../codec/operations.ts'
import type { Subject } from '../normalizer/access.ts'
import { fault, faultOf } from './denial.ts'
import type { Asking, Judge, Judged } from './judge.ts'
import { type Answer, type EnforcerRooms, failureOf, foreignFault, settle } from './outcome.ts'
import { openedHandles, outgoing, sentResult } from './rewriting.ts'

/** Each entry is decided under the name of the action that it would be alone. */
const ALONE: Readonly<Partial<Record<ActionName, ActionName>>> = {
  SendMessageBatch: 'SendMessage',
  DeleteMessageBatch: 'DeleteMessage',
  ChangeMessageVisibilityBatch: 'ChangeMessageVisibility',
}
const MOST_ENTRIES = 10
const ID = /^[A-Za-z0-9_-]{1,80}$/

interface Entry {
  readonly id: string
  readonly subject: Subject
}

interface Allowed {
  readonly entry: Entry
  readonly opened: JsonObject
  readonly running: Extract<Judged, { kind: 'run' }>
}

interface Denied {
  readonly entry: Entry
  readonly fault: Fault
}

/** A batch: every entry with its own decision, those that may go up in one call, all others in `Failed`. */
export async function batchAnswer(batch: Subject, asking: Asking, judge: Judge, rooms: EnforcerRooms): Promise<Answer> {
  const entries = entriesOf(batch)
  const decided = await Promise.all(chains(entries).map((chain) => decideChain(chain, asking, judge, rooms)))
  const denied = decided.flatMap((each) => each.denied)
  const order = new Map(entries.map(({ id }, index) => [id, index]))
  const allowed = decided
    .flatMap((each) => each.allowed)
    .toSorted((one, other) => (order.get(one.entry.id) ?? 0) - (order.get(other.entry.id) ?? 0))
  const sent = allowed.length === 0 ? { Successful: [], Failed: [] } : await send(batch, allowed, asking, rooms)
  const failed = [...listOf(sent['Failed']), ...denied.map(({ entry, fault: why }) => failedEntry(entry, why))]
  return { kind: 'ok', result: { Successful: listOf(sent['Successful']), Failed: failed } }
}

function entriesOf({ action, input, queue, others, account }: Subject): readonly Entry[] {
  const alone = ALONE[action] ?? action
  const entries = listOf(input['Entries']).map((each) => {
    const { Id, ...members } = objectOf(each)
    const subject = { action: alone, queue, others, account, input: { QueueUrl: input['QueueUrl'] ?? '', ...members } }
    return { id: textOf(Id) ?? '', subject }
  })
  if (entries.length === 0) throw malformed('EmptyBatchRequest', 'the batch has no entries')
  if (entries.length > MOST_ENTRIES) throw malformed('TooManyEntriesInBatchRequest', 'a batch has at most ten entries')
  if (!entries.every(({ id }) => ID.test(id)))
    throw malformed('InvalidBatchEntryId', 'an entry’s Id is not of its form')
  if (new Set(entries.map(({ id }) => id)).size !== entries.length)
    throw malformed('BatchEntryIdsNotDistinct', 'two entries have the same Id')
  return entries
}

function malformed(native: string, message: string): NormalizeError {
  return new NormalizeError('ERR_NORMALIZE_REQUEST', message, { native })
}

/** Messages of one group of a FIFO queue are decided one after the other; all others side by side. */
function chains(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const byGroup = Map.groupBy(entries, ({ id, subject: { queue, input } }) => {
    const group = queue?.fifo === true ? textOf(input['MessageGroupId']) : null
    return group === null ? `alone ${id}` : `group ${group}`
  })
  return [...byGroup.values()]
}

/** After an entry that isn't sent, nothing of its group is: a message must not overtake the one before it. */
async function decideChain(
  chain: readonly Entry[],
  asking: Asking,
  judge: Judge,
  rooms: EnforcerRooms,
): Promise<{ readonly allowed: readonly Allowed[]; readonly denied: readonly Denied[] }> {
  const allowed: Allowed[] = []
  const denied: Denied[] = []
  for (const entry of chain) {
    const decided =
      denied.length > 0 ? await overtaking(entry, asking, judge) : await decideEntry(entry, asking, judge, rooms)
    if ('fault' in decided) denied.push(decided)
    else allowed.push(decided)
  }
  return { allowed, denied }
}

async function overtaking(entry: Entry, asking: Asking, judge: Judge): Promise<Denied> {
  const error = new NormalizeError(
    'ERR_NORMALIZE_REQUEST',
    'a message before it in its group was not sent, and order counts',
    {
      native: 'AccessDenied',
    },
  )
  return { entry, fault: await judge.refuse(error, entry.subject.action, asking) }
}

/** Nobody waits on a hold with nine other entries behind it: it is told as pending at once. */
async function decideEntry(
  entry: Entry,
  asking: Asking,
  judge: Judge,
  rooms: EnforcerRooms,
): Promise<Allowed | Denied> {
  try {
    const opened = openedHandles(entry.subject, asking.principal, rooms.rewriting)
    const judged = await judge.judge(entry.subject, asking, 0)
    return judged.kind === 'denied' ? { entry, fault: judged.fault } : { entry, opened, running: judged }
  } catch (error) {
    if (!(error instanceof NormalizeError) && !(error instanceof ObligationError)) throw error
    return { entry, fault: await judge.refuse(error, entry.subject.action, asking) }
  }
}

async function send(
  batch: Subject,
  allowed: readonly Allowed[],
  asking: Asking,
  rooms: EnforcerRooms,
): Promise<JsonObject> {
  const { upstream, rewriting } = rooms
  const Entries = allowed.map(({ entry, opened, running }) => {
    const { QueueUrl: _batch, ...members } = outgoing(entry.subject, opened, running.masks, rewriting)
    return { Id: entry.id, ...members }
  })
  const url = batch.queue === null ? {} : { QueueUrl: rewriting.upstreamUrl(batch.queue) }
  try {
    const answer = await upstream.call(batch.action, { ...url, Entries }, asking.principal, null)
    if (answer.kind === 'ok') return await settleEach(allowed, answer.result, asking)
    return await failAll(allowed, asking, 'failed', ({ running }) =>
      foreignFault(answer.fault, running, upstream.origin, rewriting.place.publicUrl),
    )
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error
    return failAll(allowed, asking, failureOf(error), () => faultOf(error))
  }
}

function byId(list: JsonObject[string] | undefined): ReadonlyMap<string, JsonObject> {
  return new Map(listOf(list).map((each) => [textOf(objectOf(each)['Id']) ?? '', objectOf(each)]))
}

async function settleEach(allowed: readonly Allowed[], result: JsonObject, asking: Asking): Promise<JsonObject> {
  const [successful, failed] = [byId(result['Successful']), byId(result['Failed'])]
  const Successful: JsonObject[] = []
  const Failed: JsonObject[] = []
  const outcomes = allowed.map(({ entry, running: { decision, masks, sensitive } }) => {
    const [done, refused] = [successful.get(entry.id), failed.get(entry.id)]
    if (done !== undefined) {
      Successful.push('MessageBody' in entry.subject.input ? sentResult(done, entry.subject.input, masks) : done)
      return settle(asking, decision, { status: 'ok', rows: 1, masks: masks.counts })
    }
    Failed.push(refused === undefined ? failedEntry(entry, LOST) : withoutText(refused, sensitive))
    const status = refused === undefined ? 'unknown' : 'failed'
    return settle(asking, decision, { status, error: textOf(refused?.['Code']) ?? 'InternalError' })
  })
  await Promise.all(outcomes)
  return { Successful, Failed }
}

const LOST: Fault = fault('InternalError', 'the queue service said nothing of this entry')

function withoutText(entry: JsonObject, sensitive: boolean): JsonObject {
  return sensitive ? { ...entry, Message: 'the queue service refused it' } : entry
}

async function failAll(
  allowed: readonly Allowed[],
  asking: Asking,
  status: 'failed' | 'unknown',
  why: (each: Allowed) => Fault,
): Promise<JsonObject> {
  const faults = allowed.map((each) => ({ each, told: why(each) }))
  await Promise.all(faults.map(({ each, told }) => settle(asking, each.running.decision, { status, error: told.code })))
  return { Successful: [], Failed: faults.map(({ each, told }) => failedEntry(each.entry, told)) }
}

function failedEntry({ id }: Entry, { code, sender, message }: Fault): JsonObject {
  return { Id: id, SenderFault: sender, Code: code, Message: message }
}
